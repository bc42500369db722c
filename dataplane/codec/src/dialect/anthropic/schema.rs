//! JSON Schemas as Anthropic follows them to the letter: objects are closed, and what it cannot enforce
//! (bounds, lengths, patterns) is told to the model in the description, as its own SDK does.

use crate::dialect::answer::escape_json_into;
use crate::json::{Shape, Str, Tree, Value};
use std::collections::HashSet;

/// Formats of strings that are enforced.
const FORMATS: &[&str] = &["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// Members that say nothing of the answer.
const NOTES: &[&str] = &["$schema", "$id", "$comment", "$anchor"];

/// Appends `schema` as one that Anthropic accepts. What is no schema is `{}`.
pub fn write(schema: &[u8], out: &mut Vec<u8>) {
    let mut tree = Tree::new();
    match tree.read(schema) {
        Ok(root) => closed_or_open(root, out),
        Err(_) => out.extend_from_slice(b"{}"),
    }
}

/// What the type of a schema is, as far as other members hang on it.
#[derive(Clone, Copy, Default)]
struct Kinds {
    object: bool,
    array: bool,
    string: bool,
}

impl Kinds {
    fn of(schema: Value<'_>) -> Kinds {
        let mut kinds = Kinds::default();
        let Some(kind) = member(schema, "type") else {
            kinds.object = schema.get("properties").is_some();
            kinds.array = !kinds.object && schema.get("items").is_some();
            return kinds;
        };
        for word in kind.str().into_iter().chain(kind.elements().filter_map(Value::str)) {
            kinds.object |= word.is("object");
            kinds.array |= word.is("array");
            kinds.string |= word.is("string");
        }
        kinds
    }
}

/// A member, `null` or not: `"const": null` says something.
fn member<'t>(schema: Value<'t>, name: &str) -> Option<Value<'t>> {
    schema.members().find(|(key, _)| key.is(name)).map(|(_, value)| value)
}

fn is_primitive(value: Value<'_>) -> bool {
    !matches!(value.shape(), Shape::Object | Shape::Array)
}

fn closed(schema: Value<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    let start = out.len();
    for name in ["$defs", "definitions"] {
        if let Some(value) = schema.get(name) {
            key(name, start, out);
            each(value, out);
        }
    }
    if let Some(target) = schema.get("$ref") {
        // Nothing may stand beside a reference.
        key("$ref", start, out);
        out.extend_from_slice(target.raw());
        out.push(b'}');
        return;
    }
    let literal = |name: &&str| member(schema, name).is_some_and(|value| is_primitive(value) || is_words(value));
    let mut literals = ["enum", "const"].into_iter().filter(literal).peekable();
    let is_literal = literals.peek().is_some();
    for name in literals {
        key(name, start, out);
        out.extend_from_slice(member(schema, name).map_or(&b"null"[..], Value::raw));
    }
    let kinds = if is_literal { Kinds::default() } else { Kinds::of(schema) };
    let several = ["anyOf", "oneOf", "allOf"].into_iter().find(|name| schema.get(name).is_some_and(|value| value.shape() == Shape::Array));
    if let Some(name) = several {
        key(if name == "oneOf" { "anyOf" } else { name }, start, out);
        list(schema.get(name), out);
    } else if !is_literal {
        match member(schema, "type") {
            Some(kind) => {
                key("type", start, out);
                out.extend_from_slice(kind.raw());
            }
            None if kinds.object || kinds.array => {
                key("type", start, out);
                out.extend_from_slice(if kinds.object { b"\"object\"" } else { b"\"array\"" });
            }
            None => {}
        }
    }
    structure(schema, kinds, start, out);
    if let Some(title) = schema.text("title") {
        key("title", start, out);
        quoted(title, out);
    }
    description(schema, kinds, several, start, out);
    out.push(b'}');
}

/// What may not stand at the top of a tool's input.
pub(super) const ALTERNATIVES: [&str; 3] = ["anyOf", "oneOf", "allOf"];

/// Appends the schema of an object of which there are alternatives: with the properties of all of them, and
/// with the alternatives themselves in its description.
pub(super) fn write_merged(schema: Value<'_>, out: &mut Vec<u8>) {
    let alternatives = || ALTERNATIVES.iter().filter_map(|name| Some((*name, schema.get(name)?)));
    let apart = |name: Str<'_>| ["type", "properties", "description"].iter().chain(&ALTERNATIVES).any(|word| name.is(word));
    out.extend_from_slice(b"{\"type\":\"object\"");
    for (name, value) in schema.members().filter(|(name, _)| !apart(*name)) {
        out.push(b',');
        quoted(name, out);
        out.push(b':');
        out.extend_from_slice(value.raw());
    }
    out.extend_from_slice(b",\"properties\":{");
    let mut known = HashSet::new();
    let schemas = [schema].into_iter().chain(alternatives().flat_map(|(_, list)| list.elements()));
    // An alternative is often but the name of one.
    let named = schemas.map(|one| one.text("$ref").and_then(|path| defined(schema, path)).unwrap_or(one));
    for (name, value) in named.filter_map(|one| one.get("properties")).flat_map(Value::members) {
        if known.insert(name.raw()) {
            out.extend_from_slice(if known.len() > 1 { b"," } else { b"" });
            quoted(name, out);
            out.push(b':');
            out.extend_from_slice(value.raw());
        }
    }
    out.extend_from_slice(b"},\"description\":\"");
    if let Some(text) = schema.text("description") {
        out.extend_from_slice(text.raw());
        out.extend_from_slice(b"\\n\\n");
    }
    for (at, (name, list)) in alternatives().enumerate() {
        out.extend_from_slice(if at > 0 { b", " } else { b"" });
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        escape_json_into(list.raw(), out);
    }
    out.extend_from_slice(b"\"}");
}

/// The schema that a reference within the same text leads to: `#/$defs/NAME`.
fn defined<'t>(root: Value<'t>, path: Str<'t>) -> Option<Value<'t>> {
    let path = path.decode();
    let (place, name) = path.strip_prefix("#/")?.split_once('/')?;
    root.get(place)?.get(name)
}

fn is_words(value: Value<'_>) -> bool {
    value.elements().next().is_some() && value.elements().all(is_primitive)
}

/// What lies within an object or an array, and the format of a string.
fn structure(schema: Value<'_>, kinds: Kinds, start: usize, out: &mut Vec<u8>) {
    if kinds.object {
        key("properties", start, out);
        match schema.get("properties") {
            Some(properties) => each(properties, out),
            None => out.extend_from_slice(b"{}"),
        }
        key("additionalProperties", start, out);
        out.extend_from_slice(b"false");
        if let Some(required) = schema.get("required") {
            key("required", start, out);
            out.extend_from_slice(required.raw());
        }
    }
    if kinds.array {
        if let Some(items) = schema.get("items") {
            key("items", start, out);
            closed_or_open(items, out);
        }
        if let Some(least) = schema.get("minItems").filter(|least| least.u64().is_some_and(|least| least <= 1)) {
            key("minItems", start, out);
            out.extend_from_slice(least.raw());
        }
    }
    if kinds.string
        && let Some(format) = schema.text("format").filter(|format| FORMATS.iter().any(|known| format.is(known)))
    {
        key("format", start, out);
        quoted(format, out);
    }
}

/// True for a member that was written, or that says nothing.
fn is_told(schema: Value<'_>, name: &str, kinds: Kinds, several: Option<&str>) -> bool {
    match name {
        "$defs" | "definitions" | "type" | "title" | "description" => true,
        "anyOf" | "oneOf" | "allOf" => several == Some(name),
        "enum" | "const" => member(schema, name).is_some_and(|value| is_primitive(value) || is_words(value)),
        "properties" | "required" => kinds.object,
        // A schema for other members is worth telling; whether there may be some is not.
        "additionalProperties" => kinds.object && schema.get(name).is_none_or(is_primitive),
        "items" => kinds.array,
        "minItems" => kinds.array && schema.get(name).and_then(Value::u64).is_some_and(|least| least <= 1),
        "format" => kinds.string && schema.text(name).is_some_and(|format| FORMATS.iter().any(|known| format.is(known))),
        name => NOTES.contains(&name),
    }
}

/// The description, and what of the schema can only be told in words.
fn description(schema: Value<'_>, kinds: Kinds, several: Option<&str>, start: usize, out: &mut Vec<u8>) {
    let description = schema.text("description");
    let mut rest = schema.members().filter(|(name, _)| !is_told(schema, &name.decode(), kinds, several)).peekable();
    if description.is_none() && rest.peek().is_none() {
        return;
    }
    key("description", start, out);
    out.push(b'"');
    out.extend_from_slice(description.map_or(&b""[..], Str::raw));
    if rest.peek().is_some() {
        out.extend_from_slice(if description.is_some() { b"\\n\\n{" } else { b"{" });
        for (at, (name, value)) in rest.enumerate() {
            out.extend_from_slice(if at > 0 { b", " } else { b"" });
            out.extend_from_slice(name.raw());
            out.extend_from_slice(b": ");
            match value.str() {
                Some(text) => out.extend_from_slice(text.raw()),
                None => escape_json_into(value.raw(), out),
            }
        }
        out.push(b'}');
    }
    out.push(b'"');
}

/// The name of a member, and a comma before it when it is not the first behind `start`.
fn key(name: &str, start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
    quoted(Str::escaped(name.as_bytes()), out);
    out.push(b':');
}

fn quoted(text: Str<'_>, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text.raw());
    out.push(b'"');
}

fn closed_or_open(schema: Value<'_>, out: &mut Vec<u8>) {
    if schema.is_object() { closed(schema, out) } else { out.extend_from_slice(b"{}") }
}

fn each(schemas: Value<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (name, schema)) in schemas.members().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        quoted(name, out);
        out.push(b':');
        closed_or_open(schema, out);
    }
    out.push(b'}');
}

fn list(schemas: Option<Value<'_>>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, schema) in schemas.into_iter().flat_map(Value::elements).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        closed_or_open(schema, out);
    }
    out.push(b']');
}
