use super::canonical;
use crate::json::Tree;
use proptest::prelude::*;
use serde_json::Value;

fn form(text: &str) -> Vec<u8> {
    let mut tree = Tree::new();
    let mut out = Vec::new();
    canonical(tree.read(text.as_bytes()).unwrap(), &mut |bytes| out.extend_from_slice(bytes));
    out
}

#[test]
fn what_says_the_same_has_one_form() {
    for (one, other) in [
        (r#"{"a":1,"b":[true,null]}"#, "{ \"b\" : [ true , null ],\n\"a\":1}"),
        (r#"{"a":"\u00e9\n"}"#, "{\"\\u0061\":\"é\\u000a\"}"),
        (r#""\ud83d\ude42""#, "\"🙂\""),
        (r#""\/""#, r#""/""#),
    ] {
        assert_eq!(form(one), form(other), "{one} {other}");
    }
}

#[test]
fn what_does_not_has_another() {
    for (one, other) in [
        (r#"{"a":1}"#, r#"{"a":"1"}"#),
        (r#"{"a":1}"#, r#"{"a":1.0}"#),
        (r#"{"a":null}"#, "{}"),
        ("[1,2]", "[2,1]"),
        ("[[1],2]", "[[1,2]]"),
        (r#"["a","b"]"#, r#"["ab",""]"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        (r#""\ud800""#, "\"\u{fffd}\""),
        (r#""\ud800""#, r#""\udc00""#),
        (r#"{"temperature":0}"#, r#"{"temperature":0,"user":"u"}"#),
    ] {
        assert_ne!(form(one), form(other), "{one} {other}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(|number| Value::Number(number.into())),
        "[a-c\u{e9}\"\\\\\n]{0,3}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec(("[a-c]{0,2}", inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Members in the opposite order, and white space wherever it may stand.
fn otherwise(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            out.push_str("{ ");
            for (at, (name, value)) in members.iter().rev().enumerate() {
                out.push_str(if at > 0 { " ,\t" } else { "" });
                out.push_str(&serde_json::to_string(name).unwrap());
                out.push_str("\n: ");
                otherwise(value, out);
            }
            out.push_str(" }");
        }
        Value::Array(elements) => {
            out.push('[');
            for (at, value) in elements.iter().enumerate() {
                out.push_str(if at > 0 { " , " } else { "" });
                otherwise(value, out);
            }
            out.push(']');
        }
        leaf => out.push_str(&leaf.to_string()),
    }
}

proptest! {
    #[test]
    fn the_form_is_that_of_the_value(one in any_json(), other in any_json()) {
        let mut again = String::new();
        otherwise(&one, &mut again);
        prop_assert_eq!(form(&one.to_string()), form(&again));
        prop_assert_eq!(form(&one.to_string()) == form(&other.to_string()), one == other);
    }
}
