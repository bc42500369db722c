use super::*;

fn failures(path: &str, text: &str) -> Vec<String> {
    let findings = check(&[File::new(path, text)]);
    let failures = findings.into_iter().filter(|finding| finding.weight == Weight::Failure);
    failures.map(|finding| finding.message).collect()
}

#[test]
fn each_rule_finds_its_breach_and_nothing_else() {
    let check = |path: &str, text: &str, expected: &str| {
        let found = failures(path, text);
        match expected {
            "" => assert!(found.is_empty(), "{path}: {found:?}"),
            _ => assert!(found.len() == 1 && found[0].contains(expected), "{path}: {found:?}"),
        }
    };
    check("dataplane/src/pool.rs", "fn a() {}\n", "");
    check("docs/page.md", "", "does not belong at the top");
    check(".github/page.md", "", "");
    check("bench/src/utils.rs", "", "names nothing");
    check("bench/src/helpers/clock.rs", "", "names nothing");
    check("bench/src/commons.rs", "", "");
    check("bench/src/a.rs", &format!("// {}: later\n", MARKERS[0]), "do it now");
    check("bench/src/a.rs", &format!("// {}S\n", MARKERS[0]), "");
    check("bench/src/a.rs", &"\n".repeat(701), "701 lines");
    check("bench/data/a.rs", &"\n".repeat(701), "");
    check("bench/src/a.rs", &format!("fn a() {{\n{}}}\n", "\n".repeat(100)), "102 lines");
    check("engine.rs", "", "does not belong");
}

#[test]
fn words_stay_at_home() {
    let check = |path: &str, text: &str, expected: usize| {
        assert_eq!(failures(path, text).len(), expected, "{path}: {text}");
    };
    check("dataplane/src/pool.rs", "use glommio::Task;", 1);
    check("dataplane/src/pool.rs", "// glommio does this\nlet x = \"io_uring\";", 0);
    check("dataplane/src/io/ring.rs", "use glommio::Task;\nunsafe {}", 0);
    check("dataplane/src/io/ring/tests.rs", "use glommio::Task;", 0);
    check("bench/src/load.rs", "use io_uring::IoUring;", 1);
    check("bench/src/load.rs", "let now = Instant::now();", 0);
    check("dataplane/engine/src/quota.rs", "let now = Instant::now();", 1);
    check("dataplane/src/recorder.rs", "let now = Instant::now();", 0);
    check("dataplane/src/recorder/file.rs", "let now = Instant::now();", 0);
    check("dataplane/src/recorders.rs", "let now = Instant::now();", 1);
    check("dataplane/src/recorder.rs", "let now = SystemTime::now();", 1);
    check("dataplane/src/current.rs", "use arc_swap::ArcSwap;", 0);
    check("dataplane/src/shard.rs", "use arc_swap::ArcSwap;", 1);
    check("dataplane/src/connect.rs", "rustls::ClientConfig", 1);
    check("tools/mock/src/certs.rs", "rustls::ClientConfig", 0);
    check("dataplane/codec/src/header.rs", "httparse::Request", 1);
    check("dataplane/codec/src/head.rs", "httparse::Request", 0);
    check("dataplane/engine/src/lib.rs", "#![forbid(unsafe_code)]", 0);
    check("controlplane/src/socket.rs", "unsafe { libc::x() }", 1);
}

#[test]
fn caps_are_noted_before_they_are_reached() {
    let findings = check(&[File::new("bench/src/a.rs", &"\n".repeat(401))]);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].weight, Weight::Note);
    assert_eq!(findings[0].to_string().split(": ").nth(1), Some("bench/src/a.rs:401"));
}
