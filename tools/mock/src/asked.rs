//! A request as the dialects see it.

use serde_json::Value;

use crate::config::Answers;
use crate::http::Request;

/// A request as the dialects see it.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The provider that is asked.
    pub provider: &'a str,
    /// How that provider answers.
    pub answers: &'a Answers,
    /// The request as it came.
    pub request: &'a Request,
    /// The body as JSON, if it is JSON.
    pub body: Option<&'a Value>,
    /// The model without any fault suffix.
    pub model: &'a str,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// The identifier of this request, unlike that of any other.
    pub request_id: &'a str,
    /// Whether the model is to refuse, whatever it is asked.
    pub refuse: bool,
    /// Whether it is to answer in prose, also when JSON was asked for.
    pub prose: bool,
    /// Whether it is to answer with JSON that breaks the schema that was asked for, and to call tools with such.
    pub wrong_schema: bool,
}

impl<'a> Asked<'a> {
    /// A member of the body; null when there is none.
    #[must_use]
    pub fn member(&self, name: &str) -> &'a Value {
        const NULL: &Value = &Value::Null;
        self.body.map_or(NULL, |body| &body[name])
    }

    /// An identifier that follows from the request: equal requests get equal answers.
    #[must_use]
    pub fn id(&self, prefix: &str) -> String {
        self.numbered(prefix, 0)
    }

    /// One of several such identifiers; the first is that of [`Asked::id`].
    #[must_use]
    pub fn numbered(&self, prefix: &str, index: u64) -> String {
        format!("{prefix}{:016x}", self.digest().wrapping_add(index))
    }

    fn digest(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (self.provider, self.model).hash(&mut hasher);
        if let Some(body) = self.body {
            body.to_string().hash(&mut hasher);
        }
        hasher.finish()
    }
}
