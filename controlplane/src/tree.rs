//! YAML as a tree in which every key and value knows where it stands.
//!
//! The typed document is read from this tree rather than by serde's derive, because serde ends at
//! the first mistake and an operator is owed all of them at once. The YAML package is named here
//! and nowhere else.

use crate::complaint::{Complaint, Complaints, Span};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned, options};
use std::fmt;

/// Deepest nesting of a policy.
const DEPTH_MAX: usize = 64;
/// Most keys and values of one file.
const NODES_MAX: usize = 4_000_000;

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands.
    pub span: Span,
}

/// What a node may be.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing, or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Whole(i64),
    /// A number with a fraction.
    Fraction(f64),
    /// Anything else that stands alone.
    Text(String),
    /// `- a`
    List(Vec<Node>),
    /// `key: value`, in the order of the file.
    Map(Vec<Entry>),
}

/// One `key: value`.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Left of the colon.
    pub key: String,
    /// Where the key stands.
    pub span: Span,
    /// Right of it.
    pub node: Node,
}

impl Node {
    /// The same without places.
    pub fn json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Whole(value) => (*value).into(),
            Value::Fraction(value) => (*value).into(),
            Value::Text(value) => value.as_str().into(),
            Value::List(items) => items.iter().map(Node::json).collect(),
            Value::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), entry.node.json())).collect(),
        }
    }
}

impl Value {
    /// What it is, in words for complaints.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Whole(_) | Value::Fraction(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Reads one file; `None` when it is no YAML, with the complaint in `out`.
pub fn parse(text: &str, file: u16, out: &mut Complaints) -> Option<Node> {
    let options = options! {
        with_snippet: false,
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 2 * NODES_MAX,
            max_total_scalar_bytes: 64 << 20,
        },
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(raw) => Some(place(raw, file)),
        Err(error) => {
            let span = error.location().map_or_else(|| Span::start(file), |at| span(at, file));
            let words = error.to_string();
            // The parser repeats the place, which the complaint shows by itself.
            let what = words.split_once(": ").filter(|(head, _)| head.contains("line ")).map_or(words.as_str(), |(_, rest)| rest);
            let what = what.split(", set DuplicateKeyPolicy").next().unwrap_or(what);
            out.push(Complaint::error(span, format!("this is not YAML: {what}")).help("mend the syntax here or on the line before"));
            None
        }
    }
}

fn place(raw: Spanned<Raw>, file: u16) -> Node {
    let span = span(raw.referenced, file);
    let value = match raw.value.0 {
        RawValue::Null => Value::Null,
        RawValue::Bool(value) => Value::Bool(value),
        RawValue::Whole(value) => Value::Whole(value),
        RawValue::Fraction(value) => Value::Fraction(value),
        RawValue::Text(value) => Value::Text(value),
        RawValue::List(items) => Value::List(items.into_iter().map(|item| place(item, file)).collect()),
        RawValue::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, node)| Entry { span: self::span(key.referenced, file), key: key.value, node: place(node, file) })
                .collect(),
        ),
    };
    Node { value, span }
}

fn span(at: Location, file: u16) -> Span {
    Span { file, line: at.line() as u32, column: at.column() as u32, length: (at.span().len() as u32).max(1) }
}

struct Raw(RawValue);

enum RawValue {
    Null,
    Bool(bool),
    Whole(i64),
    Fraction(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(RawVisitor).map(Raw)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_none<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawValue, E> {
        Ok(RawValue::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawValue, E> {
        Ok(RawValue::Whole(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawValue, E> {
        Ok(i64::try_from(value).map_or(RawValue::Fraction(value as f64), RawValue::Whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawValue, E> {
        Ok(RawValue::Fraction(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawValue, E> {
        Ok(RawValue::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<RawValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(RawValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<RawValue, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = from.next_entry()? {
            entries.push(entry);
        }
        Ok(RawValue::Map(entries))
    }
}
