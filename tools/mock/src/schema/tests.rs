use super::*;

#[test]
fn examples_fit_their_schemas() {
    let check = |schema: Value, expected: Value| assert_eq!(example(&schema, 1), expected, "{schema}");
    check(json!({"type": "STRING"}), json!("w1"));
    check(json!({"type": ["string", "null"]}), json!("w1"));
    check(json!({"anyOf": [{"type": "boolean"}, {"type": "null"}]}), json!(true));
    check(json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}}), json!({"n": 3}));
    check(json!({"$ref": "#/$defs/x", "$defs": {"x": {"type": "array", "items": {"const": 7}}}}), json!([7]));
    check(json!({}), json!({}));
    let endless = json!({"type": "object", "properties": {"again": {"$ref": "#"}}});
    assert!(example(&endless, 0).is_object(), "a schema that refers to itself has an end");
}

#[test]
fn open_objects_are_found_wherever_they_are() {
    let check = |schema: Value, expected: Option<&[&str]>| {
        let found = open_object(&schema);
        assert_eq!(found, expected.map(|steps| steps.iter().map(|step| (*step).to_owned()).collect()), "{schema}");
    };
    let closed = json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false});
    check(closed.clone(), None);
    check(json!({"type": "object"}), Some(&[]));
    check(json!({"type": "array", "items": {"type": "object"}}), Some(&["items"]));
    let mut inner = closed.clone();
    inner["properties"]["b"] = json!({"anyOf": [{"type": "null"}, {"type": "object"}]});
    check(inner, Some(&["properties", "b", "anyOf", "1"]));
    let mut defined = closed;
    defined["$defs"] = json!({"x": {"properties": {}}});
    check(defined, Some(&["$defs", "x"]));
}
