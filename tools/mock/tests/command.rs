//! The binary: what it says, and how it begins and ends.

mod caller;

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use caller::Caller;
use mock::Addresses;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_throwover-mock"))
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().expect("the binary runs")
}

#[test]
fn it_serves_from_a_file_obeys_orders_and_ends_on_sigterm() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("mock-command");
    std::fs::create_dir_all(&folder).unwrap();
    let ports = folder.join("ports.json");
    std::fs::write(&ports, "of yesterday").unwrap();
    let config = serde_json::json!({
        "admin": "127.0.0.1:0", "ports_file": ports,
        "providers": [{"name": "a", "answers": {"words": 1}, "faults": ["503;count=1"]}]
    });
    let file = folder.join("config.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let mut child =
        program().args(["serve", "--config"]).arg(&file).args(["--provider", "b=127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.starts_with("ready a=http://127.0.0.1:"), "{line}");
    let addresses: Addresses = serde_json::from_slice(&std::fs::read(&ports).unwrap()).unwrap();
    let admin = addresses.admin.unwrap().to_string();
    let mut caller = Caller::plain(addresses.provider("a").unwrap().address);
    for status in [503, 200] {
        caller.chat(false);
        assert_eq!(caller.reply().status, status);
    }
    assert!(run(&["fault", "--admin", &admin, "a", "429", "latency;ms=1"]).status.success());
    caller.chat(false);
    assert_eq!(caller.reply().status, 429);
    let wrong = run(&["fault", "--admin", &admin, "c", "429"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("there are a, b"));
    assert!(run(&["heal", "--admin", &admin, "a"]).status.success());
    let log = run(&["log", "--admin", &admin, "--since", "2"]);
    let log = String::from_utf8(log.stdout).unwrap();
    assert_eq!(log.lines().count(), 1);
    assert!(log.contains("\"faults\":[\"status;status=429\",\"latency;ms=1\"]"), "{log}");
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_command_line_says_what_is_wrong_and_how_to_mend_it() {
    let run = |arguments: &[&str]| {
        let output = run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), said)
    };
    let (code, _, said) = run(&["serve"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("--provider NAME="), "{said}");
    let (code, _, said) = run(&["serve", "--provider", "a=nowhere"]);
    assert!(code == Some(2) && said.contains("openai-a=127.0.0.1:0"), "{said}");
    let (code, _, said) = run(&["status", "--admin", "127.0.0.1:1"]);
    assert!(code == Some(1) && said.contains("is `throwover-mock serve --admin` running"), "{said}");
    let (code, listing, _) = run(&["faults"]);
    assert!(code == Some(0) && listing.contains("stall-before-head"));
    assert_eq!(run(&["--help"]).0, Some(0));
    let (code, _, said) = run(&["serve", "--provider", "a=192.0.2.1:1"]);
    assert!(code == Some(1) && said.contains("192.0.2.1:1"), "{said}");
}
