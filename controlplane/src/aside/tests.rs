use super::*;
use crate::{load, validate};

fn aside(until_ms: u64, why: &str) -> Aside {
    Aside { until_ms, who: "uid 0 root".to_owned(), why: why.to_owned() }
}

#[test]
fn only_what_the_policy_would_ask_is_marked() {
    let text = "providers: {a: {endpoint: \"https://a.test/v1\"}}
fallback: {chains: [{name: c, models: [{provider: a, model: m}, {provider: huggingface, model: n}]}]}
";
    let mut plan = validate::validate(&load::text("p.yaml", text), &validate::tests::surroundings()).plan;
    let names = ["a/m", "huggingface/n", "gone/x"];
    let asides = Asides(names.iter().map(|name| ((*name).to_owned(), aside(3_600_000, "it is slow"))).collect());
    assert_eq!(asides.apply(&mut plan), ["a/m"]);
    assert_eq!(plan.targets["a/m"].disabled.as_deref(), Some("set aside by uid 0 root until 1970-01-01T01:00:00Z: it is slow"));
    assert!(plan.targets["huggingface/n"].disabled.as_ref().unwrap().contains("HF_TOKEN"));
}

#[test]
fn their_time_ends() {
    let asides = Asides(BTreeMap::from([("a".to_owned(), aside(10, "")), ("b".to_owned(), aside(20, ""))]));
    for (unix_ms, left) in [(9, 2), (10, 1), (19, 1), (20, 0)] {
        assert_eq!(asides.at(unix_ms).0.len(), left, "at {unix_ms}");
    }
}

#[test]
fn they_are_kept() {
    let folder = std::env::temp_dir().join(format!("throwover-aside-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    assert_eq!(Asides::open(&folder), Asides::default());
    let asides = Asides(BTreeMap::from([("a".to_owned(), aside(10, "x"))]));
    asides.keep(&folder).unwrap();
    assert_eq!(Asides::open(&folder), asides);
    std::fs::write(folder.join("aside.json"), "[").unwrap();
    assert_eq!(Asides::open(&folder), Asides::default());
    std::fs::remove_dir_all(&folder).unwrap();
}
