use super::*;

#[test]
fn promises_are_held_to_their_tests() {
    let files = |readme: &str| {
        vec![
            File::new("README.md", readme),
            File::new("tests/scenario/outage.rs", "#[test]\n#[cfg(unix)]\nfn it_fails_over() {}\nfn plain() {}\n"),
            File::new("dataplane/codec/src/sse/tests.rs", "#[test]\nfn splits() {}\n"),
            File::new("tests/sdk/python/test_chat.py", "def test_stream():\n    pass\n"),
        ]
    };
    let check = |line: &str, expected: usize| {
        let mut findings = Vec::new();
        super::check(&files(line), &mut findings);
        assert_eq!(findings.len(), expected, "{line}: {findings:?}");
    };
    check("no promise", 0);
    check("| It fails over | test: `scenario::outage::it_fails_over` |", 0);
    check("- It splits. Test: `sse::tests::splits`", 0);
    check("- It splits. Test: `codec::splits`", 0);
    check("- SDKs. Test: `tests/sdk/python/test_chat.py::test_stream`", 0);
    check("- SDKs. Test: `tests/sdk/python/test_chat.py::test_gone`", 1);
    check("test: `scenario::outage::it_fails`", 1);
    check("test: `scenario::drain::it_fails_over`", 1);
    check("test: `scenario::outage::plain`", 1);
    check("test: `outage::it_fails_over`, test: `gone`", 1);
}
