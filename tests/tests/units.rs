//! The units of the service manager, as its own tools judge them.
#![allow(missing_docs, clippy::unwrap_used)]

use serde_json::json;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};
use tests::testkit::{gateway::Gateway, policy::Policy, provider::Provider, tenant::Ask};

/// Exposure at most, in tenths: nginx as packaged has 96.
const EXPOSURE_MAX: &str = "20";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn units() -> Vec<PathBuf> {
    let folders = ["dataplane/systemd", "controlplane/systemd"];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(root().join(folder)).unwrap());
    files.map(|entry| entry.unwrap().path()).collect()
}

fn analyze(arguments: &[&str], files: &[PathBuf]) -> (bool, String) {
    let output = Command::new("systemd-analyze").args(arguments).args(files).output();
    let output = output.expect("systemd-analyze runs: `cargo xtask ci packages` installs it");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn services_are_exposed_to_little() {
    for unit in units().iter().filter(|unit| unit.extension().is_some_and(|kind| kind == "service")) {
        let threshold = format!("--threshold={EXPOSURE_MAX}");
        let (well, text) = analyze(&["security", "--offline=true", "--no-pager", &threshold], std::slice::from_ref(unit));
        println!("{}", text.lines().last().unwrap_or_default());
        assert!(well, "{text}");
    }
}

#[test]
fn units_are_sound() {
    let folder = std::env::temp_dir().join(format!("throwover-units-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let copies: Vec<PathBuf> = units()
        .iter()
        .map(|unit| {
            // The binaries and pages that a package would have installed are not there.
            let text = std::fs::read_to_string(unit).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with("Documentation="));
            let text: String = lines.map(|line| format!("{}\n", with_program(line))).collect();
            let copy = folder.join(unit.file_name().unwrap());
            std::fs::write(&copy, text).unwrap();
            copy
        })
        .collect();
    assert_eq!(copies.len(), 3);
    let (well, text) = analyze(&["verify", "--man=no"], &copies);
    std::fs::remove_dir_all(&folder).unwrap();
    // What other units of this machine lack is not ours.
    let ours: Vec<&str> = text.lines().filter(|line| line.contains("throwover")).collect();
    assert!(well && ours.is_empty(), "{text}");
}

fn with_program(line: &str) -> String {
    line.replace("/usr/bin/throwover-dataplane", "/bin/true").replace("/usr/bin/throwover", "/bin/true")
}

/// What a unit says is what the binaries take, and what the documents say is in it.
#[test]
fn services_start_what_there_is() {
    let text = |name: &str| std::fs::read_to_string(root().join(name)).unwrap();
    let plane = text("dataplane/systemd/throwover-dataplane.service");
    for line in ["Type=notify", "NotifyAccess=all", "WatchdogSec=10s", "LimitCORE=0", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX"] {
        assert!(plane.lines().any(|found| found == line), "{line}");
    }
    // A drain is longer than any answer, and the manager waits for longer than a drain.
    let stop: u64 = plane.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")?.strip_suffix('s')?.parse().ok()).unwrap();
    assert!(stop * 1_000 > 300_000);
    let socket = text("dataplane/systemd/throwover-dataplane.socket");
    assert!(socket.contains("ListenStream=127.0.0.1:8080"), "the default of `gateway.listen`");
}

/// System calls of a group such as `@system-service`, as this systemd has them.
fn group(name: &str) -> BTreeSet<String> {
    let (well, text) = analyze(&["syscall-filter", "--no-pager", name], &[]);
    assert!(well, "{text}");
    let words = text.lines().map(str::trim).filter(|line| !line.starts_with('#') && !line.is_empty() && *line != name);
    words.flat_map(|word| if word.starts_with('@') { group(word) } else { BTreeSet::from([word.to_owned()]) }).collect()
}

/// The filter that systemd makes of a unit, as a profile; whatever it does not allow kills.
fn filter_of(unit: &str) -> String {
    let text = std::fs::read_to_string(root().join(unit)).unwrap();
    let mut allowed = group("@default");
    for line in text.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (taken, words) = line.strip_prefix('~').map_or((false, line), |words| (true, words));
        for word in words.split(' ') {
            let calls = if word.starts_with('@') { group(word) } else { BTreeSet::from([word.to_owned()]) };
            allowed = if taken { allowed.difference(&calls).cloned().collect() } else { allowed.union(&calls).cloned().collect() };
        }
    }
    assert!(allowed.remove("socket") && allowed.len() > 100, "{allowed:?}");
    let families = text.lines().find_map(|line| line.strip_prefix("RestrictAddressFamilies=")).unwrap();
    let number =
        |family: &str| ["", "AF_UNIX", "AF_INET", "", "", "", "", "", "", "", "AF_INET6"].iter().position(|name| *name == family).unwrap();
    let mut rules = vec![json!({"names": allowed, "action": "SCMP_ACT_ALLOW"})];
    for family in families.split(' ').map(number) {
        let condition = json!({"index": 0, "value": family, "op": "SCMP_CMP_EQ"});
        rules.push(json!({"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [condition]}));
    }
    let refused = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    rules.push(json!({"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": refused}));
    json!({"defaultAction": "SCMP_ACT_KILL_PROCESS", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": rules}).to_string()
}

/// A call that a unit forgot would be the end of the process, at a moment of its choice.
#[test]
fn processes_live_under_the_filters_of_their_units() {
    let provider = Provider::new();
    let policy = Policy::over(&provider).gateway("shards: 2").chain("c", &[("primary", "m"), ("backup", "m")], "");
    let mut gateway = Gateway::prepare(&policy);
    let caged = env!("CARGO_BIN_EXE_caged");
    let profiles = ["controlplane/systemd/throwover.service", "dataplane/systemd/throwover-dataplane.service"].map(|unit| {
        let path = gateway.folder.join(unit.rsplit('/').next().unwrap());
        std::fs::write(&path, filter_of(unit)).unwrap();
        path.to_str().unwrap().to_owned()
    });
    gateway.start_daemon_by(&[caged, "--known", &profiles[0]]);
    gateway.start_plane_by(&[caged, "--known", &profiles[1]]);
    gateway.find();
    gateway.await_ready();
    provider.fault("primary", "503");
    assert_eq!(gateway.tenant().ask(&Ask::stream("c")).head.status, 200);
    gateway.write(&policy.chain("another", &[("backup", "m")], ""));
    assert_eq!(gateway.ask("reload", &[]).code, 0);
    assert_eq!(gateway.tenant().ask(&Ask::chat("another")).head.status, 200);
    assert!(!gateway.plane_said().contains("not confined: Landlock refuses"), "{}", gateway.plane_said());
    gateway.terminate_plane();
    let status = tests::testkit::until("the data plane ends", || gateway.plane_ended());
    assert!(status.success(), "{status}");
}
