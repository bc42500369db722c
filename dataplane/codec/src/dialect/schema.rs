//! JSON Schemas, as far as providers differ in what they understand of them.

use crate::json::{Str, Tree, Value};

/// True when every object in it names all of its properties as required and allows no others, as
/// OpenAI asks of a schema that is followed to the letter.
pub fn is_closed(schema: &[u8]) -> bool {
    let mut tree = Tree::new();
    tree.read(schema).is_ok_and(closed)
}

/// Words that OpenAI refuses in a schema that is followed to the letter.
const OPEN: &[&str] = &[
    "oneOf",
    "allOf",
    "not",
    "if",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
    "unevaluatedItems",
    "contains",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

fn closed(schema: Value<'_>) -> bool {
    if schema.members().any(|(name, _)| OPEN.iter().any(|word| name.is(word))) {
        return false;
    }
    let properties = schema.get("properties").filter(|value| value.is_object());
    let is_object = properties.is_some() || schema.text("type").is_some_and(|kind| kind.is("object"));
    if is_object {
        if schema.get("additionalProperties").and_then(Value::bool) != Some(false) {
            return false;
        }
        let required: Vec<Str<'_>> = schema.get("required").into_iter().flat_map(Value::elements).filter_map(Value::str).collect();
        let all = properties.into_iter().flat_map(Value::members).all(|(name, _)| required.iter().any(|other| other.raw() == name.raw()));
        if !all {
            return false;
        }
    }
    subschemas(schema).all(closed)
}

/// The schemas that lie directly within one.
fn subschemas(schema: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    schema.members().flat_map(|(name, value)| {
        let (members, elements, itself) = match &*name.decode() {
            "properties" | "$defs" | "definitions" | "patternProperties" => (Some(value), None, None),
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => (None, Some(value), None),
            "items" | "not" | "additionalProperties" if value.is_object() => (None, None, Some(value)),
            _ => (None, None, None),
        };
        let members = members.into_iter().flat_map(|value| value.members().map(|(_, value)| value));
        let elements = elements.into_iter().flat_map(Value::elements);
        members.chain(elements).chain(itself).filter(|value| value.is_object())
    })
}

/// Appends a schema of OpenAPI's kind, as Gemini has it (`"type": "STRING"`, `nullable`), as a JSON
/// Schema. What is no such schema stays as it is.
pub fn from_openapi(schema: &[u8], out: &mut Vec<u8>) {
    let mut tree = Tree::new();
    match tree.read(schema) {
        Ok(value) => plain(value, out),
        Err(_) => out.extend_from_slice(b"{}"),
    }
}

fn plain(schema: Value<'_>, out: &mut Vec<u8>) {
    if !schema.is_object() {
        return out.extend_from_slice(schema.raw());
    }
    let nullable = schema.get("nullable").and_then(Value::bool) == Some(true);
    let typed = schema.get("type").is_some();
    out.push(b'{');
    let mut comma = false;
    for (name, value) in schema.members() {
        let word = name.decode();
        if matches!(&*word, "nullable" | "propertyOrdering" | "example") {
            continue;
        }
        if std::mem::replace(&mut comma, true) {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(name.raw());
        out.extend_from_slice(b"\":");
        match &*word {
            "type" => kind(value, nullable, out),
            "properties" => members(value, out),
            // Without a type, it is one of the alternatives that may be null.
            "anyOf" => elements(value, (nullable && !typed).then_some(&b"{\"type\":\"null\"}"[..]), plain, out),
            "enum" if value.raw().starts_with(b"[") => {
                elements(value, nullable.then_some(b"null"), |value, out| out.extend_from_slice(value.raw()), out)
            }
            // As JSON has the 64-bit integers of protocol buffers.
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties" => count(value, out),
            "items" => plain(value, out),
            _ => out.extend_from_slice(value.raw()),
        }
    }
    out.push(b'}');
}

fn kind(value: Value<'_>, nullable: bool, out: &mut Vec<u8>) {
    let Some(word) = value.str() else { return out.extend_from_slice(value.raw()) };
    let word = word.decode().to_ascii_lowercase();
    if nullable {
        out.push(b'[');
    }
    out.push(b'"');
    crate::json::escape_into(out, &word);
    out.push(b'"');
    if nullable {
        out.extend_from_slice(b",\"null\"]");
    }
}

fn members(value: Value<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (name, schema)) in value.members().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(name.raw());
        out.extend_from_slice(b"\":");
        plain(schema, out);
    }
    out.push(b'}');
}

/// Writes each element with `write`, and one more unless it is there.
fn elements(value: Value<'_>, more: Option<&[u8]>, write: impl Fn(Value<'_>, &mut Vec<u8>), out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, element) in value.elements().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(element, out);
    }
    if let Some(more) = more.filter(|more| !value.elements().any(|element| element.raw() == *more)) {
        if value.elements().next().is_some() {
            out.push(b',');
        }
        out.extend_from_slice(more);
    }
    out.push(b']');
}

/// A number, also one that is written as a string.
fn count(value: Value<'_>, out: &mut Vec<u8>) {
    let digits = value.str().map(Str::raw).filter(|text| (1..=18).contains(&text.len()) && text.iter().all(u8::is_ascii_digit));
    match digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()) {
        Some(number) => crate::head::write_number(out, number),
        None => out.extend_from_slice(value.raw()),
    }
}
