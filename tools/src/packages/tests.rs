use super::*;
use serde_json::json;

const INDEX: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// One package of the repository that needs `used`, builds with `builder` and is tested with `tester`.
pub(crate) fn small() -> Graph {
    let package = |name: &str, license: &str, source: Value| json!({"id": name, "name": name, "version": "1.2.3", "license": license, "source": source});
    let dep = |name: &str, kind: Value| json!({"pkg": name, "dep_kinds": [{"kind": kind}]});
    let lock = "version = 4\n\n[[package]]\nname = \"used\"\nversion = \"1.2.3\"\nsource = \"registry\"\nchecksum = \"ab12\"\n\n\
                [[package]]\nname = \"own\"\nversion = \"1.2.3\"\ndependencies = [\n \"used\",\n]\n";
    let metadata = json!({
        "packages": [
            package("own", "Apache-2.0", json!(null)),
            package("used", "MIT/Apache-2.0", json!(INDEX)),
            package("builder", "MIT", json!(INDEX)),
            package("tester", "MIT", json!(INDEX)),
            package("other-platform", "MIT", json!(INDEX)),
        ],
        "resolve": {"nodes": [
            {"id": "own", "deps": [dep("used", json!(null)), dep("builder", json!("build")), dep("tester", json!("dev"))]},
            {"id": "used", "deps": []}, {"id": "builder", "deps": []}, {"id": "tester", "deps": []},
        ]},
    });
    graph(&metadata, &checksums(lock))
}

#[test]
fn only_what_is_built_in_belongs_to_a_binary() {
    let graph = small();
    assert_eq!(graph.closure(&["own"]), BTreeSet::from(["builder", "own", "used"]));
    assert_eq!(graph.packages.len(), 4, "and nothing of another platform");
    assert_eq!(graph.packages["used"].checksum.as_deref(), Some("ab12"));
    assert_eq!(graph.packages["own"].checksum, None);
}
