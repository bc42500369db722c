//! From a tree to typed sections, with every complaint on the way.

use crate::{
    complaint::{self, Complaint, Complaints, Span},
    excerpt,
    tree::{Entry, Node, Value},
};
use serde_json::json;
use std::ops::Deref;

/// A value and where it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct At<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// What is declared about one key.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// Its default, in the operator's words; `required` when it must be given.
    pub default: &'static str,
    /// Why it has no effect yet; empty when it has one.
    pub inert: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its JSON Schema.
    pub schema: fn() -> serde_json::Value,
}

/// Collects complaints while the document is read.
#[derive(Debug, Default)]
pub struct Reader {
    /// So far.
    pub complaints: Complaints,
    path: Vec<String>,
}

impl Reader {
    /// Reads what stands at `node`, one step further down the path.
    pub fn below<T: Read>(&mut self, step: impl Into<String>, node: &Node) -> Option<At<T>> {
        self.path.push(step.into());
        let value = T::read(node, self);
        self.path.pop();
        Some(At { value: value?, span: node.span })
    }

    /// Where the reader stands.
    pub fn path(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            if !text.is_empty() && !step.starts_with('[') {
                text.push('.');
            }
            text.push_str(step);
        }
        text
    }

    /// Adds a complaint about this place.
    pub fn push(&mut self, complaint: Complaint) {
        let path = self.path();
        self.complaints.push(if complaint.path.is_empty() { complaint.at(path) } else { complaint });
    }

    /// Complains that `node` is of the wrong kind.
    pub fn wrong(&mut self, node: &Node, wanted: &str) {
        let secret = self.path.iter().any(|step| excerpt::names_secret(step));
        let found = match &node.value {
            Value::Text(text) if text.chars().count() <= 40 && !secret => format!("`{text}`"),
            other => other.kind().to_owned(),
        };
        self.push(Complaint::error(node.span, format!("{wanted} is wanted here, and this is {found}")));
    }

    /// The entries of a mapping, after complaints about unknown keys and notes about inert ones.
    pub fn section<'a>(&mut self, node: &'a Node, noun: &str, fields: &[Field]) -> Option<&'a [Entry]> {
        let Value::Map(entries) = &node.value else {
            self.wrong(node, "a mapping");
            return None;
        };
        for entry in entries {
            let Some(field) = fields.iter().find(|field| field.name == entry.key) else {
                let words = || fields.iter().map(|field| field.name);
                let mend = match complaint::nearest(&entry.key, words()) {
                    Some(word) => format!("did you mean `{word}`?"),
                    None => format!("known here: {}", words().collect::<Vec<_>>().join(", ")),
                };
                self.push(Complaint::error(entry.span, format!("unknown key `{}` in {noun}", entry.key)).help(mend));
                continue;
            };
            if !field.inert.is_empty() {
                let what = format!("has no effect yet: `{}`", entry.key);
                self.push(Complaint::note(entry.span, what).help(field.inert));
            }
        }
        for field in fields.iter().filter(|field| field.default == "required") {
            if !entries.iter().any(|entry| entry.key == field.name) {
                let what = format!("{noun} needs `{}`", field.name);
                self.push(Complaint::error(node.span, what).help(field.doc.trim()));
            }
        }
        Some(entries)
    }
}

/// What can be read from a tree.
pub trait Read: Sized {
    /// Reads it; `None` after a complaint.
    fn read(node: &Node, reader: &mut Reader) -> Option<Self>;
    /// JSON Schema of what is accepted.
    fn schema() -> serde_json::Value;
}

impl Read for String {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text.len() > policy::limits::KIB * 64 => {
                reader.push(Complaint::error(node.span, "this text is longer than 64 KiB"));
                None
            }
            Value::Text(text) => Some(text.clone()),
            // A name such as `4` or `true` is still a name.
            Value::Whole(number) => Some(number.to_string()),
            _ => {
                reader.wrong(node, "text");
                None
            }
        }
    }

    fn schema() -> serde_json::Value {
        json!({"type": "string"})
    }
}

impl Read for bool {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        if let Value::Bool(value) = node.value {
            return Some(value);
        }
        reader.wrong(node, "true or false");
        None
    }

    fn schema() -> serde_json::Value {
        json!({"type": "boolean"})
    }
}

impl<T: Read> Read for Vec<At<T>> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::List(items) = &node.value else {
            reader.wrong(node, "a list");
            return None;
        };
        Some(items.iter().enumerate().filter_map(|(index, item)| reader.below(format!("[{index}]"), item)).collect())
    }

    fn schema() -> serde_json::Value {
        json!({"type": "array", "items": T::schema()})
    }
}

/// Names that the operator chose, and what stands under each, in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<T>(pub Vec<(At<String>, At<T>)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Named(Vec::new())
    }
}

impl<T> Named<T> {
    /// What stands under `name`.
    pub fn get(&self, name: &str) -> Option<&At<T>> {
        self.0.iter().find(|(key, _)| key.value == name).map(|(_, value)| value)
    }
}

impl<T: Read> Read for Named<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            reader.wrong(node, "a mapping of names");
            return None;
        };
        let read = |entry: &Entry, reader: &mut Reader| {
            let value = reader.below(entry.key.clone(), &entry.node)?;
            Some((At { value: entry.key.clone(), span: entry.span }, value))
        };
        Some(Named(entries.iter().filter_map(|entry| read(entry, reader)).collect()))
    }

    fn schema() -> serde_json::Value {
        json!({"type": "object", "additionalProperties": T::schema()})
    }
}

/// A field's name as operators write it: a Rust keyword carries `r#` before it.
pub const fn unraw(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// One value or a list of them, always held as a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Several<T>(pub Vec<At<T>>);

impl<T: Read> Read for Several<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        if let Value::List(_) = node.value {
            return Vec::<At<T>>::read(node, reader).map(Several);
        }
        Some(Several(vec![At { value: T::read(node, reader)?, span: node.span }]))
    }

    fn schema() -> serde_json::Value {
        json!({"anyOf": [T::schema(), {"type": "array", "items": T::schema()}]})
    }
}

/// JSON Schema of a section.
pub fn schema_of(fields: &[Field]) -> serde_json::Value {
    let mut properties = serde_json::Map::new();
    for field in fields {
        let mut schema = (field.schema)();
        if let Some(object) = schema.as_object_mut() {
            let mut doc = field.doc.trim().to_owned();
            if field.default != "required" {
                doc.push_str(&format!(" Default: {}.", field.default));
            }
            if !field.inert.is_empty() {
                doc.push_str(&format!(" Has no effect yet: {}.", field.inert));
            }
            object.insert("description".to_owned(), json!(doc));
        }
        properties.insert(field.name.to_owned(), schema);
    }
    let required: Vec<&str> = fields.iter().filter(|field| field.default == "required").map(|field| field.name).collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required})
}

/// Declares a section: its struct, its table of fields, and how it is read.
#[macro_export]
macro_rules! section {
    ($($(#[doc = $doc:literal])+ $name:ident = $noun:literal {$(
        $(#[doc = $field_doc:literal])+ $field:ident: $type:ty, $default:literal $(, inert $inert:literal)?;
    )*})*) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[doc = $field_doc])+ pub $field: Option<$crate::document::At<$type>>,)*
        }

        impl $name {
            /// Every key of this section.
            pub const FIELDS: &'static [$crate::document::Field] = &[$($crate::document::Field {
                name: $crate::document::read::unraw(stringify!($field)),
                default: $default,
                inert: concat!("", $($inert)?),
                doc: concat!($($field_doc),+),
                schema: <$type as $crate::document::Read>::schema,
            }),*];

            /// Reads the keys of a mapping.
            pub fn read_map(node: &$crate::tree::Node, reader: &mut $crate::document::Reader) -> Option<Self> {
                let entries = reader.section(node, $noun, Self::FIELDS)?;
                let mut section = $name::default();
                for entry in entries {
                    $(if entry.key == $crate::document::read::unraw(stringify!($field)) {
                        section.$field = reader.below(entry.key.as_str(), &entry.node);
                        continue;
                    })*
                }
                Some(section)
            }
        }
    )*};
}

/// Reads a section from a mapping and nothing else.
#[macro_export]
macro_rules! read_as_map {
    ($($name:ident)*) => {$(
        impl $crate::document::Read for $name {
            fn read(node: &$crate::tree::Node, reader: &mut $crate::document::Reader) -> Option<Self> {
                Self::read_map(node, reader)
            }

            fn schema() -> serde_json::Value {
                $crate::document::read::schema_of(Self::FIELDS)
            }
        }
    )*};
}

/// Declares a vocabulary: an enum and its words.
#[macro_export]
macro_rules! vocabulary {
    ($($(#[doc = $doc:literal])+ $name:ident {$($(#[doc = $word_doc:literal])+ $variant:ident = $word:literal;)*})*) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {$($(#[doc = $word_doc])+ $variant),*}

        impl $name {
            /// Every word.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            /// The word.
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }
        }

        impl $crate::document::Read for $name {
            fn read(node: &$crate::tree::Node, reader: &mut $crate::document::Reader) -> Option<Self> {
                match $crate::document::read::word(node, reader, Self::WORDS)?.as_str() {
                    $($word => Some($name::$variant),)*
                    _ => None,
                }
            }

            fn schema() -> serde_json::Value {
                serde_json::json!({"enum": Self::WORDS})
            }
        }
    )*};
}

/// Reads one of `words`.
pub fn word(node: &Node, reader: &mut Reader, words: &[&'static str]) -> Option<String> {
    let Value::Text(text) = &node.value else {
        reader.wrong(node, &format!("one of {}", complaint::list(words.iter().copied())));
        return None;
    };
    if words.contains(&text.as_str()) {
        return Some(text.clone());
    }
    let mend = match complaint::nearest(text, words.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it may be {}", complaint::list(words.iter().copied())),
    };
    reader.push(Complaint::error(node.span, format!("unknown word `{text}`")).help(mend));
    None
}
