//! The data plane in its cage: Landlock, seccomp, no core dumps; and what it says when a cage is too
//! narrow for it.

use rustix::process::Signal;
use serde_json::json;
use std::{
    fs,
    os::unix::{fs::symlink, process::ExitStatusExt},
    path::Path,
    process::Command,
};
use tests::testkit::{
    gateway::{Gateway, program},
    policy::Policy,
    provider::{Provider, text_of},
    tenant::{Ask, End},
    until,
};

/// Becomes a program under a seccomp profile.
const CAGED: &str = env!("CARGO_BIN_EXE_caged");
/// The profile for containers.
const PROFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../dataplane/containers/seccomp.json");

fn policy(provider: &Provider) -> Policy {
    Policy::over(provider).chain("c", &[("primary", "m"), ("backup", "m")], "")
}

/// A profile that refuses these calls with this error, and nothing else.
fn refusing(folder: &Path, calls: &[&str], errno: i32) -> String {
    let path = folder.join("profile.json");
    let profile = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": calls, "action": "SCMP_ACT_ERRNO", "errnoRet": errno}],
    });
    fs::write(&path, profile.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn serves(gateway: &mut Gateway) {
    gateway.find();
    gateway.await_ready();
    let answer = gateway.tenant().ask(&Ask::chat("c"));
    assert_eq!((answer.head.status, answer.end, answer.content().as_str()), (200, End::Complete, text_of("primary").as_str()));
}

/// Where the access log is opened anew when its folder has become a link to somewhere else.
fn reopens_outside(gateway: &mut Gateway) -> bool {
    let (logs, outside) = (gateway.folder.join("logs"), gateway.folder.join("outside"));
    fs::create_dir(&outside).unwrap();
    gateway.find();
    gateway.await_ready();
    fs::rename(&logs, gateway.folder.join("before")).unwrap();
    symlink(&outside, &logs).unwrap();
    gateway.signal_plane(Signal::USR1);
    let log = outside.join("access.jsonl");
    until("the log is opened anew, or cannot be", || {
        (log.exists() || gateway.plane_said().contains("cannot be opened anew")).then_some(())
    });
    assert_eq!(gateway.tenant().ask(&Ask::chat("c")).head.status, 200, "traffic goes on in either case");
    log.exists()
}

fn with_log_folder(provider: &Provider) -> Gateway {
    let gateway = Gateway::prepare(&policy(provider));
    let log = gateway.folder.join("logs/access.jsonl");
    fs::create_dir(gateway.folder.join("logs")).unwrap();
    gateway.write_text(&policy(provider).text(&log));
    gateway
}

#[test]
fn what_lies_outside_is_out_of_reach() {
    let provider = Provider::new();
    let mut gateway = with_log_folder(&provider);
    gateway.start_daemon();
    gateway.start_plane();
    let outside = reopens_outside(&mut gateway);
    let said = gateway.plane_said();
    if said.contains("not confined: this kernel offers no Landlock") {
        eprintln!("NOT TESTED: {said}");
        return;
    }
    assert!(said.contains("confined by Landlock "), "{said}");
    assert!(!outside, "the log was written outside: {said}");
    // What it needs it still reaches: another policy is built with the system's authorities, and kept.
    assert_eq!(gateway.ask("reload", &[]).code, 0);
    assert!(!gateway.plane_said().contains("could not be kept"), "{}", gateway.plane_said());
}

/// The same without Landlock: it is said, and what was refused above happens.
#[test]
fn without_landlock_it_serves_and_says_so() {
    let provider = Provider::new();
    let mut gateway = with_log_folder(&provider);
    let profile = refusing(&gateway.folder, &["landlock_create_ruleset"], rustix::io::Errno::NOSYS.raw_os_error());
    gateway.start_daemon();
    gateway.start_plane_by(&[CAGED, &profile]);
    assert!(reopens_outside(&mut gateway), "the test above can fail");
    assert!(gateway.plane_said().contains("not confined: this kernel offers no Landlock"), "{}", gateway.plane_said());
}

/// Both processes under the profile for containers: a failover, a stream over TLS, a reload, a drain.
#[test]
fn the_profile_for_containers_is_wide_enough() {
    let provider = Provider::new();
    let secure = Policy::new()
        .secure("primary", provider.tls("primary"), &provider.ca(), "auth: none")
        .secure("backup", provider.tls("backup"), &provider.ca(), "auth: none")
        .gateway("shards: 2")
        .chain("c", &[("primary", "m"), ("backup", "m")], "");
    let mut gateway = Gateway::prepare(&secure);
    gateway.start_daemon_by(&[CAGED, PROFILE]);
    gateway.start_plane_by(&[CAGED, PROFILE]);
    serves(&mut gateway);
    provider.fault("primary", "503");
    let streamed = gateway.tenant().ask(&Ask::stream("c"));
    assert_eq!((streamed.head.status, streamed.end, streamed.content().as_str()), (200, End::Complete, text_of("backup").as_str()));
    gateway.write(&secure.chain("another", &[("backup", "m")], ""));
    let told = gateway.ask("reload", &[]);
    assert_eq!(told.code, 0, "{}", told.text);
    assert_eq!(gateway.tenant().ask(&Ask::chat("another")).head.status, 200);
    let filtered = |pid: u32| fs::read_to_string(format!("/proc/{pid}/status")).unwrap().contains("Seccomp:\t2");
    assert_eq!(gateway.pids().map(filtered), [true, true], "the filter is in force");
    gateway.terminate_plane();
    assert!(until("the data plane ends", || gateway.plane_ended()).success());
}

/// The profile refuses what it does not name.
#[test]
fn the_profile_for_containers_is_narrow() {
    let under = |words: &[&str]| Command::new(CAGED).arg(PROFILE).args(words).output().unwrap();
    assert!(under(&["/bin/true"]).status.success());
    let refused = under(&["unshare", "--mount", "/bin/true"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("not implemented"), "{refused:?}");
}

/// Starts the data plane where a ring cannot be made; it ends, with what it says.
fn complaint(before: impl FnOnce(&Path) -> Vec<String>) -> String {
    let mut gateway = Gateway::prepare(&policy(&Provider::new()));
    let words = before(&gateway.folder);
    gateway.start_plane_by(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let status = until("the data plane ends", || gateway.plane_ended());
    assert_eq!(status.code(), Some(1), "{}", gateway.plane_said());
    gateway.plane_said()
}

#[test]
fn a_filter_that_forbids_rings_is_named() {
    for errno in [rustix::io::Errno::PERM, rustix::io::Errno::NOSYS] {
        let said = complaint(|folder| vec![CAGED.to_owned(), refusing(folder, &["io_uring_setup"], errno.raw_os_error())]);
        for word in ["seccomp filter forbids io_uring", "container", "--security-opt seccomp=", "seccomp.json"] {
            assert!(said.contains(word), "{word} is not in: {said}");
        }
    }
}

/// The doctor has the data plane try, since no file tells what a filter forbids.
#[test]
fn the_doctor_sees_a_filter_that_forbids_rings() {
    let gateway = Gateway::prepare(&policy(&Provider::new()));
    let profile = refusing(&gateway.folder, &["io_uring_setup"], rustix::io::Errno::PERM.raw_os_error());
    let doctor = |words: &[&str]| {
        let mut command = match words {
            [] => Command::new(program("throwover")),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program("throwover"));
                command
            }
        };
        let output = command.arg("doctor").arg("--config").arg(gateway.folder.join("throwover.yaml")).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().find(|line| line.contains(" io_uring ")).unwrap_or_else(|| panic!("{output:?}")).to_owned()
    };
    let well = doctor(&[]);
    assert!(well.starts_with("ok ") && well.contains("works on Linux "), "{well}");
    let blocked = doctor(&[CAGED, &profile]);
    assert!(blocked.starts_with("BAD ") && blocked.contains("seccomp filter forbids") && blocked.contains("seccomp.json"), "{blocked}");
}

/// `kernel.io_uring_disabled` is the whole machine's: the test has the kernel refuse as it then does,
/// and shows the process another file in its place.
#[test]
fn a_kernel_that_forbids_rings_is_named() {
    let own = ["unshare", "--map-root-user", "--mount", "/bin/true"];
    if !Command::new(own[0]).args(&own[1..]).status().is_ok_and(|status| status.success()) {
        eprintln!("NOT TESTED: no mounts of its own can be given to a process here");
        return;
    }
    let said = complaint(|folder| {
        fs::write(folder.join("disabled"), "2\n").unwrap();
        let script = "mount --bind \"$0\" /proc/sys/kernel/io_uring_disabled && exec \"$@\"";
        let profile = refusing(folder, &["io_uring_setup"], rustix::io::Errno::PERM.raw_os_error());
        let file = folder.join("disabled").to_str().unwrap().to_owned();
        let words = ["unshare", "--map-root-user", "--mount", "/bin/sh", "-c", script, &file, CAGED, &profile];
        words.map(str::to_owned).to_vec()
    });
    for word in ["kernel.io_uring_disabled = 2", "sysctl -w kernel.io_uring_disabled=0"] {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
}

/// Keys are in the memory of both: they leave no core, though they were started with leave to.
#[test]
fn neither_process_leaves_a_core() {
    let unlimited = ["/bin/sh", "-c", "ulimit -c unlimited 2>/dev/null; cd /; exec \"$@\"", "sh"];
    let provider = Provider::new();
    let mut gateway = Gateway::prepare(&policy(&provider));
    gateway.start_daemon_by(&unlimited);
    gateway.start_plane_by(&unlimited);
    serves(&mut gateway);
    for pid in gateway.pids() {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core: Vec<&str> = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().split_whitespace().collect();
        assert_eq!(core[4..6], ["0", "0"], "{limits}");
    }
    // Not QUIT, which whoever is started in the background by a shell ignores, and so do its children.
    gateway.signal_plane(Signal::ABORT);
    let status = until("the data plane ends", || gateway.plane_ended());
    assert!(status.signal() == Some(Signal::ABORT.as_raw()) && !status.core_dumped(), "{status}");
}
