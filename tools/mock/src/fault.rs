//! What can go wrong: one table of fault kinds, and faults as users write them.
//!
//! The help text, the admin listing and the README are derived from [`KINDS`]; a kind that is not
//! in the table does not exist. A fault is written either as a JSON object or in short form,
//! `kind;name=value;name=value`, and a bare three-digit number means `status` with that code.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

mod kinds;
mod listing;
#[cfg(test)]
mod tests;

pub use kinds::{KINDS, Kind, Parameter, Row, Shape, Stage};
pub use listing::{listing, markdown};

/// Which exchanges a fault applies to, by the form of the answer that was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Any exchange.
    #[default]
    Any,
    /// Only exchanges that asked for a stream.
    Stream,
    /// Only exchanges that asked for one JSON answer.
    Json,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Form::Any => "any",
            Form::Stream => "stream",
            Form::Json => "json",
        }
    }
}

/// One fault: a kind, its parameters, and when it applies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Fault {
    /// What goes wrong.
    pub kind: Kind,
    /// The chance that it happens, `0.0 <= probability <= 1.0`.
    pub probability: f64,
    /// How many times it happens before it is spent; `None` is without end.
    pub count: Option<u64>,
    /// How long it is active, counted from `after_ms`; `None` is until healed.
    pub for_ms: Option<u64>,
    /// How long after being set it becomes active.
    pub after_ms: u64,
    /// Streams, JSON answers or both.
    pub form: Form,
    /// Only this model; a trailing `*` matches any ending.
    pub model: Option<String>,
    values: BTreeMap<&'static str, Value>,
}

/// Why a fault could not be understood. The operator's doing, always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// No kind of that name.
    UnknownKind {
        /// What was written.
        written: String,
        /// The nearest kind that exists.
        nearest: &'static str,
    },
    /// The kind has no such parameter.
    UnknownParameter {
        /// The kind.
        kind: &'static str,
        /// What was written.
        written: String,
        /// The names that this kind understands.
        known: String,
    },
    /// A parameter whose value does not fit.
    BadValue {
        /// The parameter.
        name: String,
        /// What was written.
        written: String,
        /// What would fit.
        expected: String,
    },
    /// Not a fault at all: neither text nor an object with a `kind`.
    NotAFault {
        /// What was written.
        written: String,
    },
}

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FaultError::UnknownKind { written, nearest } => {
                write!(f, "no fault kind `{written}`; did you mean `{nearest}`? `throwover-mock faults` lists all")
            }
            FaultError::UnknownParameter { kind, written, known } => {
                write!(f, "fault `{kind}` has no parameter `{written}`; it takes {known}")
            }
            FaultError::BadValue { name, written, expected } => write!(f, "`{name}` is `{written}`; expected {expected}"),
            FaultError::NotAFault { written } => write!(f, "`{written}` is not a fault; write \"kind;name=value\" or {{\"kind\": …}}"),
        }
    }
}

impl std::error::Error for FaultError {}

/// What every kind takes besides its own parameters.
const COMMON: &str = "probability, count, for_ms, after_ms, match, model";

/// The largest number that a parameter may have; keeps every derived duration and size in range.
const VALUE_MAX: u64 = 1 << 40;

impl Fault {
    /// A fault of this kind with the defaults of the table, always and for every exchange.
    #[must_use]
    pub fn new(kind: Kind) -> Fault {
        Fault { kind, probability: 1.0, count: None, for_ms: None, after_ms: 0, form: Form::Any, model: None, values: BTreeMap::new() }
    }

    /// Reads the short form, `kind;name=value;…`.
    pub fn parse(text: &str) -> Result<Fault, FaultError> {
        let mut parts = text.split(';').map(str::trim);
        let head = parts.next().unwrap_or_default();
        let mut fault = if head.len() == 3 && head.bytes().all(|b| b.is_ascii_digit()) {
            let mut fault = Fault::new(Kind::Status);
            fault.set("status", &Value::from(head))?;
            fault
        } else {
            Fault::new(kind_named(head)?)
        };
        for part in parts.filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| FaultError::BadValue {
                name: part.to_owned(),
                written: String::new(),
                expected: "name=value".to_owned(),
            })?;
            fault.set(name.trim(), &Value::from(value.trim()))?;
        }
        Ok(fault)
    }

    /// Reads a list in short form, separated by commas.
    pub fn parse_list(text: &str) -> Result<Vec<Fault>, FaultError> {
        text.split(',').filter(|part| !part.trim().is_empty()).map(Fault::parse).collect()
    }

    /// The same fault, at most `count` times.
    #[must_use]
    pub fn times(mut self, count: u64) -> Fault {
        self.count = Some(count);
        self
    }

    /// Sets one parameter by name, as the short form does.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<(), FaultError> {
        match name {
            "probability" => {
                let chance = number_in(value).filter(|chance| (0.0..=1.0).contains(chance));
                self.probability = chance.ok_or_else(|| bad(name, value, "a number from 0 to 1"))?;
            }
            "count" => self.count = Some(whole(name, value)?),
            "for_ms" => self.for_ms = Some(whole(name, value)?),
            "after_ms" => self.after_ms = whole(name, value)?,
            "match" => {
                self.form = match text_of(value).as_str() {
                    "any" => Form::Any,
                    "stream" => Form::Stream,
                    "json" => Form::Json,
                    _ => return Err(bad(name, value, "any, stream or json")),
                }
            }
            "model" => self.model = Some(text_of(value)),
            _ => self.set_own(name, value)?,
        }
        Ok(())
    }

    fn set_own(&mut self, name: &str, value: &Value) -> Result<(), FaultError> {
        let row = self.kind.row();
        let Some(parameter) = row.parameters.iter().find(|p| p.name == name) else {
            let own: Vec<&str> = row.parameters.iter().map(|p| p.name).collect();
            let known = if own.is_empty() { COMMON.to_owned() } else { format!("{}, {COMMON}", own.join(", ")) };
            return Err(FaultError::UnknownParameter { kind: row.name, written: name.to_owned(), known });
        };
        let checked = match parameter.shape {
            Shape::Number(_) | Shape::Optional => Value::from(whole(name, value)?),
            Shape::Text(_) | Shape::OptionalText => Value::from(text_of(value)),
            Shape::Choice(choices) => {
                let text = text_of(value);
                if !choices.contains(&text.as_str()) {
                    return Err(bad(name, value, &choices.join(", ")));
                }
                Value::from(text)
            }
        };
        self.values.insert(parameter.name, checked);
        Ok(())
    }

    /// A number that has a default.
    #[must_use]
    pub fn number(&self, name: &str) -> u64 {
        self.optional(name).unwrap_or_else(|| match self.shape(name) {
            Shape::Number(default) => default,
            _ => 0,
        })
    }

    /// A number that may be absent.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<u64> {
        self.values.get(name).and_then(Value::as_u64)
    }

    /// A text or choice; its default when it was not given.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.optional_text(name).unwrap_or_else(|| match self.shape(name) {
            Shape::Text(default) => default,
            Shape::Choice(choices) => choices.first().copied().unwrap_or_default(),
            _ => "",
        })
    }

    /// A text that may be absent.
    #[must_use]
    pub fn optional_text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(Value::as_str)
    }

    fn shape(&self, name: &str) -> Shape {
        let parameters = self.kind.row().parameters;
        let found = parameters.iter().find(|p| p.name == name);
        found.expect("effects ask only for parameters that the table lists").shape
    }

    /// Whether the fault concerns this exchange.
    #[must_use]
    pub fn matches(&self, stream: bool, model: &str) -> bool {
        let form = match self.form {
            Form::Any => true,
            Form::Stream => stream,
            Form::Json => !stream,
        };
        form && self.model.as_deref().is_none_or(|pattern| match pattern.strip_suffix('*') {
            Some(start) => model.starts_with(start),
            None => model == pattern,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.row().name)?;
        for (name, value) in &self.values {
            write!(f, ";{name}={}", text_of(value))?;
        }
        Ok(())
    }
}

impl TryFrom<Value> for Fault {
    type Error = FaultError;

    fn try_from(value: Value) -> Result<Fault, FaultError> {
        match value {
            Value::String(text) => Fault::parse(&text),
            Value::Number(number) => Fault::parse(&number.to_string()),
            Value::Object(members) => {
                let kind = members.get("kind").and_then(Value::as_str).unwrap_or_default();
                let mut fault = Fault::parse(kind)?;
                for (name, value) in members.iter().filter(|(name, _)| *name != "kind") {
                    fault.set(name, value)?;
                }
                Ok(fault)
            }
            other => Err(FaultError::NotAFault { written: other.to_string() }),
        }
    }
}

impl From<Fault> for Value {
    fn from(fault: Fault) -> Value {
        let mut members = Map::new();
        members.insert("kind".to_owned(), json!(fault.kind.row().name));
        for (name, value) in &fault.values {
            members.insert((*name).to_owned(), value.clone());
        }
        if fault.probability < 1.0 {
            members.insert("probability".to_owned(), json!(fault.probability));
        }
        let optional = [("count", fault.count), ("for_ms", fault.for_ms)];
        for (name, value) in optional {
            if let Some(value) = value {
                members.insert(name.to_owned(), json!(value));
            }
        }
        if fault.after_ms > 0 {
            members.insert("after_ms".to_owned(), json!(fault.after_ms));
        }
        if fault.form != Form::Any {
            members.insert("match".to_owned(), json!(fault.form.name()));
        }
        if let Some(model) = &fault.model {
            members.insert("model".to_owned(), json!(model));
        }
        Value::Object(members)
    }
}

fn kind_named(name: &str) -> Result<Kind, FaultError> {
    let found = KINDS.iter().find(|row| row.name == name);
    found.map(|row| row.kind).ok_or_else(|| FaultError::UnknownKind { written: name.to_owned(), nearest: listing::nearest(name) })
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn number_in(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn whole(name: &str, value: &Value) -> Result<u64, FaultError> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.filter(|number| *number <= VALUE_MAX).ok_or_else(|| bad(name, value, "a whole number up to 2^40"))
}

fn bad(name: &str, value: &Value, expected: &str) -> FaultError {
    FaultError::BadValue { name: name.to_owned(), written: text_of(value), expected: expected.to_owned() }
}
