//! Embeddings: texts that are asked about, and the vectors that come back.
//!
//! Two dialects have them, OpenAI's and Gemini's. Vectors are read number by number, without an index
//! of them: one answer may hold millions. They are kept as 32-bit floats, which is what every provider
//! computes with and what OpenAI's base64 holds.

use super::gemini::{
    self,
    prompt::{camel, listed, member},
};
use super::{Dialect, Needs, Rope, Unread};
use crate::json::{Shape, Str, Value};

mod answer;

pub use answer::{Answer, read_answer, write_answer};

/// What neither dialect can be told by the other: the rest is text, and how long the vectors are to be.
pub const LACKS: Needs = Needs::IMAGE
    .and(Needs::IMAGE_URL)
    .and(Needs::AUDIO)
    .and(Needs::DOCUMENT)
    .and(Needs::DOCUMENT_URL)
    .and(Needs::TOKEN_IDS)
    .and(Needs::COUNT)
    .and(Needs::OWN);

/// The most texts of one request that Gemini takes.
const GEMINI_TEXTS_MAX: usize = 100;

/// A request for embeddings.
#[derive(Clone, Debug)]
pub struct Request<'t> {
    /// The texts, each in the parts that it came in.
    pub texts: Vec<Vec<Str<'t>>>,
    /// They came as a list, even if there is one; else a single vector is answered.
    pub list: bool,
    /// How many numbers a vector is to have.
    pub dimensions: Option<u32>,
    /// Vectors are wanted as base64 of little-endian floats.
    pub base64: bool,
    /// What not everybody can be told.
    pub needs: Needs,
}

impl Request<'_> {
    /// The bytes of its texts.
    pub fn text_bytes(&self) -> u64 {
        self.texts.iter().flatten().map(|text| text.raw().len() as u64).sum()
    }
}

/// What a target is told about the length of its vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// What the request says, if it says anything.
    AsAsked,
    /// So many numbers, whatever the request says.
    Of(u32),
    /// Nothing.
    Untold,
}

impl Length {
    /// What is said to a provider for a request that says `asked`.
    pub fn said(self, asked: Option<u32>) -> Option<u32> {
        match self {
            Length::AsAsked => asked,
            Length::Of(length) => Some(length),
            Length::Untold => None,
        }
    }
}

/// Reads a request.
///
/// # Errors
/// It is none that could be said in the other dialect, and why.
pub fn read(dialect: Dialect, root: Value<'_>) -> Result<Request<'_>, Unread> {
    match dialect {
        Dialect::Gemini => read_gemini(root),
        _ => read_openai(root),
    }
}

fn blank<'t>(list: bool) -> Request<'t> {
    Request { texts: Vec::new(), list, dimensions: None, base64: false, needs: Needs::NONE }
}

fn length(value: Value<'_>, member: &'static str) -> Result<u32, Unread> {
    let length = value.u64().and_then(|length| u32::try_from(length).ok()).filter(|length| *length > 0);
    length.ok_or(Unread::new(member, "must be a whole number, at least 1"))
}

fn read_openai(root: Value<'_>) -> Result<Request<'_>, Unread> {
    let mut request = blank(false);
    let mut input = None;
    for (name, value) in root.members().filter(|(_, value)| !value.is_null()) {
        match &*name.decode() {
            "input" => input = Some(value),
            "dimensions" => request.dimensions = Some(length(value, "dimensions")?),
            "encoding_format" => match value.str() {
                Some(form) if form.is("base64") => request.base64 = true,
                Some(form) if form.is("float") => {}
                _ => return Err(Unread::new("encoding_format", "must be float or base64")),
            },
            "model" | "user" => {}
            _ => request.needs.add(Needs::OWN),
        }
    }
    let input = input.ok_or(Unread::new("input", "is missing"))?;
    if let Some(text) = input.str() {
        request.texts.push(vec![text]);
        return Ok(request);
    }
    request.list = true;
    for entry in input.elements() {
        match entry.shape() {
            Shape::Text => request.texts.push(entry.str().into_iter().collect()),
            // A token, or a list of them.
            Shape::Number | Shape::Array => request.needs.add(Needs::TOKEN_IDS),
            _ => return Err(Unread::new("input", "must be a text, or a list of texts or tokens")),
        }
    }
    if request.texts.is_empty() && !request.needs.has(Needs::TOKEN_IDS) {
        return Err(Unread::new("input", "must be a text, or a list of texts or tokens"));
    }
    if request.texts.len() > GEMINI_TEXTS_MAX {
        request.needs.add(Needs::COUNT);
    }
    Ok(request)
}

fn read_gemini(root: Value<'_>) -> Result<Request<'_>, Unread> {
    let Some(list) = member(root, "requests") else {
        let mut request = blank(false);
        request.dimensions = read_one(root, &mut request)?;
        return Ok(request);
    };
    let mut request = blank(true);
    for (at, one) in list.elements().enumerate() {
        let dimensions = read_one(one, &mut request)?;
        if at > 0 && dimensions != request.dimensions {
            return Err(Unread::new("requests", "ask for vectors of different lengths"));
        }
        request.dimensions = dimensions;
    }
    if request.texts.is_empty() {
        return Err(Unread::new("requests", "must be a list of requests"));
    }
    Ok(request)
}

/// Reads one request of Gemini's, and tells how long its vector is to be.
fn read_one<'t>(one: Value<'t>, request: &mut Request<'t>) -> Result<Option<u32>, Unread> {
    let mut dimensions = None;
    let mut content = None;
    for (name, value) in one.members().filter(|(_, value)| !value.is_null()) {
        match &*camel(name) {
            "content" => content = Some(value),
            "outputDimensionality" => dimensions = Some(length(value, "outputDimensionality")?),
            "model" => {}
            // `taskType` and `title` among them.
            _ => request.needs.add(Needs::OWN),
        }
    }
    let parts = content.and_then(|content| content.get("parts")).ok_or(Unread::new("content", "must have parts"))?;
    let mut texts = Vec::new();
    for part in listed(parts) {
        match part.text("text") {
            Some(text) => texts.push(text),
            None => request.needs.add(kind_of(part)),
        }
    }
    request.texts.push(texts);
    Ok(dimensions)
}

/// What a part is that is no text.
fn kind_of(part: Value<'_>) -> Needs {
    let media = |name| member(part, name).and_then(|blob| member(blob, "mimeType")).and_then(Value::str);
    match (media("inlineData"), member(part, "fileData").is_some()) {
        (Some(media), _) if media.raw().starts_with(b"image/") => Needs::IMAGE,
        (Some(media), _) if media.raw().starts_with(b"audio/") => Needs::AUDIO,
        (_, true) => Needs::DOCUMENT_URL,
        _ => Needs::DOCUMENT,
    }
}

/// Writes a request for a provider in `to`. What it needs and the dialect lacks must have been looked at
/// before: it is left out here.
pub fn write(to: Dialect, request: &Request<'_>, model: &str, dimensions: Option<u32>, rope: &mut Rope<'_>) {
    rope.open_object();
    if to == Dialect::Gemini {
        let resource = gemini::resource(model);
        rope.key("requests").open_array();
        for texts in &request.texts {
            rope.open_object().key("model").text(&resource);
            rope.key("content").open_object().key("parts").open_array();
            rope.open_object().key("text").strs(texts).close_object();
            rope.close_array().close_object();
            if let Some(dimensions) = dimensions {
                rope.key("outputDimensionality").number(dimensions.into());
            }
            rope.close_object();
        }
        rope.close_array();
    } else {
        rope.key("model").text(model).key("input");
        if request.list {
            rope.open_array();
            request.texts.iter().for_each(|texts| {
                rope.strs(texts);
            });
            rope.close_array();
        } else {
            rope.strs(request.texts.first().map_or(&[][..], Vec::as_slice));
        }
        rope.key("encoding_format").text("float");
        if let Some(dimensions) = dimensions {
            rope.key("dimensions").number(dimensions.into());
        }
    }
    rope.close_object();
}

/// Writes a request in its own dialect again, with another model's name or another length of its vectors.
/// All else stays as it is.
pub fn write_again(dialect: Dialect, root: Value<'_>, model: &str, length: Length, rope: &mut Rope<'_>) {
    if dialect != Dialect::Gemini {
        return retouch(root, ["model", "dimensions"], model, length, rope);
    }
    let resource = gemini::resource(model);
    if member(root, "requests").is_none() {
        return retouch(root, ["model", "outputDimensionality"], &resource, length, rope);
    }
    rope.open_object();
    for (name, value) in root.members() {
        if !name.is("requests") {
            rope.key_of(name);
            match name.is("model") {
                true => rope.text(&resource),
                false => rope.json(value.raw()),
            };
            continue;
        }
        rope.key("requests").open_array();
        value.elements().for_each(|one| retouch(one, ["model", "outputDimensionality"], &resource, length, rope));
        rope.close_array();
    }
    rope.close_object();
}

fn retouch(object: Value<'_>, [model_key, length_key]: [&str; 2], model: &str, length: Length, rope: &mut Rope<'_>) {
    if !object.is_object() {
        rope.json(object.raw());
        return;
    }
    rope.open_object();
    for (name, value) in object.members() {
        // Both ways of writing a name are read, and OpenAI's have no second.
        let known = camel(name);
        if known == model_key {
            rope.key_of(name).text(model);
        } else if known != length_key || length == Length::AsAsked {
            rope.key_of(name).json(value.raw());
        }
    }
    if let Length::Of(length) = length {
        rope.key(length_key).number(length.into());
    }
    rope.close_object();
}

#[cfg(test)]
mod tests;
