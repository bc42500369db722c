//! Schemas with a value that follows them, and what is done to the value.

use super::{STEPS_MAX, Tree, Verdict, check_within, judge};
use crate::dialect::answer::Answer;
use crate::dialect::form::{Fit, Form, Strict};
use crate::dialect::{Delta, Listener};
use crate::json::{Finish, Str, escape_into};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A schema and a value that follows it.
fn pair() -> impl Strategy<Value = (Value, Value)> {
    let leaf = prop_oneof![
        Just((json!({"type": "null"}), Value::Null)),
        any::<bool>().prop_map(|value| (json!({"type": "boolean"}), json!(value))),
        (any::<i32>(), 0..9_i64).prop_map(|(value, room)| {
            let value = i64::from(value);
            (json!({"type": "integer", "minimum": value - room, "maximum": value}), json!(value))
        }),
        any::<i32>().prop_map(|value| (json!({"type": "number"}), json!(f64::from(value) / 8.0))),
        ".{0,12}".prop_map(|value: String| {
            let length = value.chars().count();
            (json!({"type": ["string", "null"], "minLength": length, "maxLength": length + 1}), json!(value))
        }),
        prop::collection::btree_set("[a-z]{1,6}", 1..6).prop_map(|words| {
            let value = words.iter().next_back().cloned();
            (json!({"type": "string", "enum": words}), json!(value))
        }),
        (any::<i16>(), "[a-c]{0,3}").prop_map(|(one, other)| {
            let value = json!({"x": [one, null], "y": other});
            (json!({"const": value}), value)
        }),
    ];
    leaf.prop_recursive(4, 48, 5, |inner| {
        let members = prop::collection::btree_map("[a-d]{1,2}|[\"\\\\é]", (inner.clone(), any::<bool>()), 0..5);
        prop_oneof![
            members.prop_map(|members| {
                let properties: Value =
                    members.iter().map(|(name, ((schema, _), _))| (name.clone(), schema.clone())).collect::<serde_json::Map<_, _>>().into();
                let required: Vec<&String> = members.iter().filter(|(_, (_, kept))| *kept).map(|(name, _)| name).collect();
                let value: Value =
                    members.iter().map(|(name, ((_, value), _))| (name.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into();
                (json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false}), value)
            }),
            (inner.clone(), 0..4_usize).prop_map(|((schema, value), count)| {
                (json!({"type": "array", "items": schema, "minItems": count, "maxItems": count}), json!(vec![value; count]))
            }),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|pairs| {
                let (schemas, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
                (json!({"type": "array", "prefixItems": schemas, "items": false}), json!(values))
            }),
            (inner.clone(), inner.clone(), any::<bool>()).prop_map(|((one, value), (other, _), first)| {
                (if first { json!({"anyOf": [one, other]}) } else { json!({"anyOf": [other, one]}) }, value)
            }),
            inner.clone().prop_map(|(schema, value)| (json!({"allOf": [schema, {"not": {"not": schema}}]}), value)),
            inner.clone().prop_map(|(schema, value)| (json!({"oneOf": [schema, {"allOf": [schema, false]}]}), value)),
            inner.prop_map(|(schema, value)| (json!({"if": schema, "then": true, "else": false}), value)),
        ]
    })
}

/// A schema of an object that is closed, and what follows it.
fn object() -> impl Strategy<Value = (Value, Value)> {
    prop::collection::btree_map("[a-e]{1,3}", pair(), 1..6).prop_map(|members| {
        let properties: serde_json::Map<_, _> = members.iter().map(|(name, (schema, _))| (name.clone(), schema.clone())).collect();
        let names: Vec<&String> = members.keys().collect();
        let schema = json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false});
        (schema, members.iter().map(|(name, (_, value))| (name.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into())
    })
}

fn said(schema: &Value, value: &Value) -> Verdict {
    judge(&schema.to_string(), false, &value.to_string())
}

/// An answer that calls a tool with `value`: a text, or an object of its own.
fn calls(value: &Value, as_text: bool) -> Answer {
    let json = value.to_string();
    let mut answer = Answer::default();
    answer.hear(0, Delta::Call { index: 0, id: None, name: Str::plain("f"), signature: None });
    if as_text {
        let mut text = Vec::new();
        escape_into(&mut text, &json);
        answer.hear(0, Delta::Arguments { index: 0, text: Str::escaped(&text) });
    } else {
        answer.hear(0, Delta::Object { index: 0, json: json.as_bytes() });
    }
    answer.hear(0, Delta::Finish { reason: Finish::ToolCalls, stop: None });
    answer
}

proptest! {
    #[test]
    fn what_a_tool_is_called_with_follows_as_any_value((schema, value) in object(), as_text in any::<bool>()) {
        let text = schema.to_string();
        let strict = [Strict { name: Str::plain("f"), arguments: Form::Schema { schema: text.as_bytes(), openapi: false } }];
        prop_assert_eq!(calls(&value, as_text).fits(None, &strict), Fit::Kept);
        let mut further = value.clone();
        further["further"] = json!(1);
        prop_assert_eq!(calls(&further, as_text).fits(None, &strict), Fit::Broken);
        prop_assert_eq!(calls(&further, as_text).fits(None, &[]), Fit::Kept);
    }

    #[test]
    fn steps_that_are_shared_change_no_verdict((schema, value) in pair(), room in 0..400_u32) {
        let (schema, value) = (schema.to_string(), value.to_string());
        let (mut one, mut other) = (Tree::new(), Tree::new());
        let (schema, value) = (one.read(schema.as_bytes()).unwrap(), other.read(value.as_bytes()).unwrap());
        let mut left = STEPS_MAX;
        prop_assert_eq!(check_within(schema, false, value, &mut left), Verdict::Follows);
        let taken = STEPS_MAX - left;
        prop_assert!(taken > 0);
        let mut left = room;
        let verdict = check_within(schema, false, value, &mut left);
        prop_assert_eq!(verdict, if taken <= room { Verdict::Follows } else { Verdict::Beyond });
        prop_assert!(left <= room && (taken > room || room - left == taken));
    }

    #[test]
    fn what_was_made_by_a_schema_follows_it((schema, value) in pair()) {
        prop_assert_eq!(said(&schema, &value), Verdict::Follows);
    }

    #[test]
    fn a_definition_means_what_it_would_in_its_place((schema, value) in pair()) {
        let referred = json!({"$defs": {"it": schema}, "properties": {"a": {"$ref": "#/$defs/it"}}});
        prop_assert_eq!(said(&referred, &json!({"a": value})), Verdict::Follows);
    }

    #[test]
    fn what_is_spoilt_breaks_it((schema, value) in object(), at in any::<prop::sample::Index>()) {
        prop_assert_eq!(said(&schema, &value), Verdict::Follows);
        let names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        let name = &names[at.index(names.len())];
        let mut missing = value.clone();
        missing.as_object_mut().unwrap().remove(name);
        prop_assert_eq!(said(&schema, &missing), Verdict::Breaks("required"));
        let mut further = value.clone();
        further["further"] = json!(1);
        prop_assert_eq!(said(&schema, &further), Verdict::Breaks("additionalProperties"));
        let mut typed = schema.clone();
        let (kind, wrong) = if value[name].is_string() { ("string", json!(7)) } else { ("integer", json!("seven")) };
        typed["properties"][name] = json!({"type": kind});
        let mut spoilt = value.clone();
        spoilt[name] = wrong;
        prop_assert_eq!(said(&typed, &spoilt), Verdict::Breaks("type"));
        typed["properties"][name] = json!({"enum": ["one", "two"]});
        spoilt[name] = json!("three");
        prop_assert_eq!(said(&typed, &spoilt), Verdict::Breaks("enum"));
        prop_assert_eq!(said(&schema, &json!([value])), Verdict::Breaks("type"));
    }

    #[test]
    fn nothing_breaks_what_is_not_known((schema, value) in pair(), other in pair()) {
        // A rule that nobody checks leaves open what hangs on it, and rejects nothing.
        let unknown = json!({"oneOf": [{"x-mine": schema}, {"x-mine": other.0}], "not": {"x-mine": 1}});
        prop_assert_eq!(said(&unknown, &value), Verdict::Open);
    }
}
