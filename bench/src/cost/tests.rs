use super::{Cost, VERBS, Verb, bytes, grown, measure, percentile, read, regressions, shown};
use serde_json::json;

fn cost(best_ns: f64, instructions: Option<f64>) -> Cost {
    Cost { best_ns, median_ns: best_ns, p99_ns: None, instructions }
}

fn named(costs: &[(&str, Cost)]) -> Vec<(String, Cost)> {
    costs.iter().map(|(name, cost)| ((*name).to_owned(), cost.clone())).collect()
}

#[test]
fn every_verb_can_be_called() {
    for (name, make) in VERBS {
        let mut verb = make(name);
        assert_eq!(verb.name, name);
        (0..3).for_each(|number| (verb.call)(number));
    }
    let names: std::collections::BTreeSet<&str> = VERBS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), VERBS.len(), "two verbs have one name");
}

#[test]
fn chats_have_their_size_and_are_valid() {
    for size in [1_024, 20_480] {
        let body = bytes::chat(size);
        assert!(body.len().abs_diff(size) * 10 < size, "{} for {size}", body.len());
        let value: serde_json::Value = serde_json::from_slice(&body).expect("valid JSON");
        assert_eq!(value["stream"], true);
    }
}

#[test]
fn an_answer_with_a_schema_has_its_size() {
    let (schema, text) = bytes::trains();
    assert!((600..1_000).contains(&schema.len()) && text.len().abs_diff(1_024) < 100, "{} {}", schema.len(), text.len());
}

#[test]
fn verbs_take_turns_and_cold_ones_are_called_one_by_one() {
    let hot = Verb { name: "hot", cold: false, warm: None, call: Box::new(|number| assert_ne!(std::hint::black_box(number), usize::MAX)) };
    let cold = Verb { name: "cold", cold: true, warm: None, call: Box::new(|number| assert_ne!(std::hint::black_box(number), usize::MAX)) };
    let samples = measure(&mut [hot, cold], 3, 2);
    assert_eq!(samples.iter().map(Vec::len).collect::<Vec<_>>(), [3, 2]);
    assert!(samples.iter().flatten().all(|nanos| *nanos >= 0.0));
}

#[test]
fn a_regression_is_told_by_instructions_before_time() {
    let before = named(&[("a", cost(100.0, Some(1_000.0))), ("b", cost(100.0, None)), ("c", cost(100.0, Some(1_000.0)))]);
    let now = named(&[
        ("a", cost(150.0, Some(1_005.0))),
        ("b", cost(120.0, Some(7.0))),
        ("c", cost(90.0, Some(1_100.0))),
        ("d", cost(1.0, None)),
    ]);
    let found = |alike| regressions(&now, &before, 2.0, alike).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(found(true), ["b", "c"]);
    assert_eq!(found(false), ["c"], "times of two machines are not compared");
    assert!((grown(110.0, 100.0) - 10.0).abs() < 1e-9);
    assert_eq!(grown(1.0, 0.0), 0.0);
    let text = shown(&now, Some(&before));
    assert!(text.contains("+10.00 % (+100)") && text.lines().any(|line| line.starts_with('d') && line.ends_with("new")), "{text}");
    assert!(!shown(&now, None).contains('%'));
}

#[test]
fn kept_costs_are_read_back() {
    let path = std::env::temp_dir().join(format!("throwover-bench-cost-{}", std::process::id()));
    let kept = cost(12.5, Some(99.0));
    std::fs::write(&path, json!({"costs": {"a": kept.json(), "b": cost(1.0, None).json()}}).to_string()).expect("writable");
    let (costs, _) = read(&path).expect("readable");
    assert_eq!(costs, named(&[("a", kept), ("b", cost(1.0, None))]));
    std::fs::write(&path, "{\"costs\": {\"a\": {}}}").expect("writable");
    assert!(read(&path).is_err());
    std::fs::remove_file(&path).expect("it was made above");
}

#[test]
fn percentiles_are_by_nearest_rank() {
    let samples: Vec<f64> = (1..=200).rev().map(f64::from).collect();
    assert_eq!((percentile(&samples, 99), percentile(&samples, 50), percentile(&samples, 100)), (198.0, 100.0, 200.0));
    assert_eq!(percentile(&[7.0], 99), 7.0);
}
