//! A request without one of its parameters.

use super::tree::{Tree, Value};

/// Where dialects keep parameters, besides the request itself.
const HOLDERS: [&str; 2] = ["generationConfig", "generation_config"];

/// Appends the JSON object `text` to `out`, without the members that `name` says, in it and in what holds
/// parameters within it. What is no JSON object is appended as it is.
pub fn without(text: &[u8], name: &dyn Fn(&str) -> bool, out: &mut Vec<u8>) {
    let mut tree = Tree::new();
    match tree.read(text) {
        Ok(root) if root.is_object() => write(root, name, true, out),
        _ => out.extend_from_slice(text),
    }
}

fn write(object: Value<'_>, name: &dyn Fn(&str) -> bool, outermost: bool, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut first = true;
    for (key, value) in object.members() {
        if name(&key.decode()) {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(key.raw());
        out.extend_from_slice(b"\":");
        if outermost && value.is_object() && HOLDERS.iter().any(|holder| key.is(holder)) {
            write(value, name, false, out);
        } else {
            out.extend_from_slice(value.raw());
        }
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::without;

    fn check(text: &str, expected: &str) {
        let mut out = Vec::new();
        without(text.as_bytes(), &|name| name == "seed", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn one_member_goes_and_every_other_stays() {
        check(r#"{"seed": 1}"#, "{}");
        check(r#"{"a":1,"seed":{"seed":2},"b":[{"seed":3}]}"#, r#"{"a":1,"b":[{"seed":3}]}"#);
        check(r#"{ "s\u0065ed" : 1, "c" : "x, \"seed\":1" }"#, r#"{"c":"x, \"seed\":1"}"#);
        check(r#"{"generationConfig":{"seed":1,"topK":2},"x":{"seed":1}}"#, r#"{"generationConfig":{"topK":2},"x":{"seed":1}}"#);
        check("[1]", "[1]");
        check("{\"seed\":", "{\"seed\":");
    }
}
