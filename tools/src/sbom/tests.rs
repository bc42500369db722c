use super::*;
use std::collections::BTreeSet;

#[test]
fn the_bill_of_this_repository_is_whole() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let graph = packages::read(root).unwrap();
    let bill = bill(&graph);
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&json!("CycloneDX"), &json!("1.5")));
    let components = bill["components"].as_array().unwrap();
    let names: Vec<&str> = components.iter().map(|component| component["name"].as_str().unwrap()).collect();
    for name in ["controlplane", "dataplane", "engine", "policy", "codec", "rustls", "io-uring", "serde"] {
        assert!(names.contains(&name), "{name} is missing");
    }
    for name in ["proptest", "tokio", "rcgen", "bench", "tools"] {
        assert!(!names.contains(&name), "{name} is in no binary that is shipped");
    }
    let mut references = BTreeSet::from(["throwover"]);
    for component in components {
        assert!(references.insert(component["bom-ref"].as_str().unwrap()), "twice: {component}");
        let license = component["licenses"][0]["expression"].as_str().unwrap();
        assert!(!license.contains('/'), "{component}");
        let foreign = component["bom-ref"].as_str().unwrap().starts_with("cargo:");
        let hash = component["hashes"][0]["content"].as_str();
        assert!(!foreign || hash.is_some_and(|hash| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())), "{component}");
        assert_eq!(component["purl"].is_string(), foreign);
    }
    let dependencies = bill["dependencies"].as_array().unwrap();
    assert_eq!(dependencies.len(), references.len());
    for dependency in dependencies {
        assert!(references.contains(dependency["ref"].as_str().unwrap()));
        for need in dependency["dependsOn"].as_array().unwrap() {
            assert!(references.contains(need.as_str().unwrap()), "{need} is needed and not there");
        }
    }
}

#[test]
fn the_same_sources_give_the_same_bytes() {
    let graph = packages::tests::small();
    assert_eq!(bill(&graph).to_string(), bill(&graph).to_string());
    assert_eq!(component(&graph.packages["used"])["licenses"][0]["expression"], "MIT OR Apache-2.0");
    assert_eq!(component(&graph.packages["own"])["purl"], Value::Null);
}
