//! The units of the service manager, as its own tools judge them.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

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
