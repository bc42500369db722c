//! Tables of schemas and values, and generated ones.

use super::*;
use crate::json::Tree;

mod properties;

fn judge(schema: &str, openapi: bool, value: &str) -> Verdict {
    let (mut one, mut other) = (Tree::new(), Tree::new());
    let schema = one.read(schema.as_bytes()).unwrap_or_else(|refusal| panic!("{schema}: {refusal:?}"));
    let value = other.read(value.as_bytes()).unwrap_or_else(|refusal| panic!("{value}: {refusal:?}"));
    check(schema, openapi, value)
}

fn told(verdict: Verdict) -> String {
    match verdict {
        Verdict::Follows => "follows".to_owned(),
        Verdict::Breaks(word) => format!("breaks {word}"),
        Verdict::Open => "open".to_owned(),
        Verdict::Beyond => "beyond".to_owned(),
    }
}

/// Verdict, schema and value, by hand from the specifications. What follows and what breaks was compared
/// with Python's `jsonschema` 4.26, which differs in five rows: it rounds decimals to binary fractions. Of
/// 120,000 random pairs under draft 2020-12 it differed in none.
#[test]
fn every_word_has_its_meaning() {
    for row in include_str!("tests/cases.tsv").lines() {
        let columns: Vec<&str> = row.split('\t').collect();
        let &[expected, schema, value] = &columns[..] else { panic!("{row}") };
        assert_eq!(told(judge(schema, false, value)), expected, "{schema} {value}");
    }
}

#[test]
fn openapi_has_words_of_its_own() {
    let schema = r#"{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true},"n":{"type":"INTEGER","enum":["1","2"]},
        "l":{"type":"ARRAY","items":{"type":"NUMBER"},"minItems":"1","maxItems":"2"}},"required":["a"],"propertyOrdering":["a","l"]}"#;
    for (value, expected) in [
        (r#"{"a":"x"}"#, "follows"),
        (r#"{"a":null}"#, "follows"),
        (r#"{"a":"x","l":[1,2.5]}"#, "follows"),
        (r#"{"a":"x","n":1}"#, "open"),
        (r#"{"a":"x","n":"1"}"#, "breaks type"),
        (r#"{"a":1}"#, "breaks type"),
        (r#"{}"#, "breaks required"),
        (r#"{"a":"x","l":[]}"#, "breaks minItems"),
        (r#"{"a":"x","l":[1,2,3]}"#, "breaks maxItems"),
        (r#"[]"#, "breaks type"),
    ] {
        assert_eq!(told(judge(schema, true, value)), expected, "{value}");
    }
    assert_eq!(judge(r#"{"type":"TYPE_UNSPECIFIED"}"#, true, "1"), Verdict::Open);
    assert_eq!(judge(r#"{"type":"string","enum":["a"]}"#, true, "\"b\""), Verdict::Breaks("enum"));
}

/// A document that names its parts moves what its pointers begin at.
#[test]
fn references_that_cannot_be_followed_leave_open() {
    for schema in [
        r##"{"$ref":"#/$defs/nowhere"}"##,
        r##"{"$ref":"https://example.org/other"}"##,
        r##"{"$ref":"#name"}"##,
        r##"{"$ref":"#/$defs/%zz","$defs":{"a":false}}"##,
        r##"{"$ref":"#/$defs/a","$defs":{"a":{"$id":"https://example.org/a","type":"integer"}}}"##,
        r##"{"$dynamicRef":"#node"}"##,
    ] {
        assert_eq!(judge(schema, false, "\"x\""), Verdict::Open, "{schema}");
    }
    let named = r##"{"$id":"https://example.org/a","$ref":"#/$defs/a","$defs":{"a":{"type":"integer"}}}"##;
    assert_eq!(judge(named, false, "\"x\""), Verdict::Breaks("type"));
}

#[test]
fn everything_has_an_end() {
    // Round in circles, once and many times over.
    assert_eq!(judge(r##"{"$ref":"#"}"##, false, "1"), Verdict::Beyond);
    assert_eq!(judge(r##"{"allOf":[{"$ref":"#"},{"$ref":"#"}]}"##, false, "1"), Verdict::Beyond);
    assert_eq!(
        judge(r##"{"$defs":{"a":{"not":{"$ref":"#/$defs/b"}},"b":{"anyOf":[{"$ref":"#/$defs/a"}]}},"$ref":"#/$defs/a"}"##, false, "1"),
        Verdict::Beyond
    );
    // Twice as much by each level.
    let mut wide = String::from("true");
    for _ in 0..40 {
        wide = format!(
            r#"{{"items":{{"oneOf":[{{"type":"string"}},{{"allOf":[{}]}}]}}}}"#,
            if wide.len() < 600 { wide.as_str() } else { "{}" }
        );
    }
    assert_ne!(told(judge(&wide, false, "[[[1]]]")), "beyond");
    let list = |count: usize| format!("[{}]", (0..count).map(|number| number.to_string()).collect::<Vec<_>>().join(","));
    assert_eq!(judge(r#"{"uniqueItems":true}"#, false, &list(300)), Verdict::Follows);
    assert_eq!(judge(r#"{"uniqueItems":true}"#, false, &list(3_000)), Verdict::Beyond);
    assert_eq!(judge(r#"{"items":{"type":"integer"}}"#, false, &list(20_000)), Verdict::Follows);
    let large = format!(r#"{{"description":"{}"}}"#, "x".repeat(SCHEMA_SIZE_MAX));
    assert_eq!(judge(&large, false, "1"), Verdict::Beyond);
}

#[test]
fn numbers_are_compared_as_they_are_written() {
    let number = |text: &str| Decimal::of(text.as_bytes());
    for (one, order, other) in [
        ("1", Ordering::Equal, "1.0"),
        ("1", Ordering::Equal, "10e-1"),
        ("0", Ordering::Equal, "-0.0e5"),
        ("100", Ordering::Equal, "1E+2"),
        ("-1", Ordering::Less, "0"),
        ("-2", Ordering::Less, "-1"),
        ("-0.1", Ordering::Greater, "-0.11"),
        ("9", Ordering::Less, "10"),
        ("0.001", Ordering::Less, "0.01"),
        ("123456789012345678901234567890", Ordering::Less, "123456789012345678901234567891"),
        ("1e300", Ordering::Greater, "999999999999999999999999999999999999"),
        ("1e-300", Ordering::Greater, "0"),
    ] {
        let (one, other) = (number(one).unwrap(), number(other).unwrap());
        assert_eq!(one.order(&other), order, "{one:?} {other:?}");
        assert_eq!(other.order(&one), order.reverse(), "{one:?} {other:?}");
        assert_eq!(one == other, order == Ordering::Equal, "{one:?} {other:?}");
    }
    assert_eq!(number(&"7".repeat(37)), None);
    assert!(number(&format!("7{}", "0".repeat(5_000))).is_some_and(|number| number.is_whole()));
    assert_eq!(number("1e99999999999"), None);
}
