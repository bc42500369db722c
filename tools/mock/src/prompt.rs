//! What a request asks of the model, whichever dialect it was written in.
//!
//! Each dialect reads its own requests into a [`Prompt`]; what the model then does is decided once,
//! in [`crate::turn`], so that the same question gets the same answer from every provider.

use serde_json::Value;

/// A tool that may be called.
#[derive(Clone, Copy, Debug)]
pub struct Tool<'a> {
    /// Its name.
    pub name: &'a str,
    /// The schema of its arguments; null when it has none.
    pub schema: &'a Value,
}

/// Whether tools are to be called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice<'a> {
    /// As the model likes.
    #[default]
    Auto,
    /// Not at all.
    Never,
    /// Some tool must be called.
    Any,
    /// This tool must be called.
    Named(&'a str),
}

/// What the text must be.
#[derive(Clone, Copy, Debug, Default)]
pub enum Format<'a> {
    /// Anything.
    #[default]
    Text,
    /// Some JSON.
    Json,
    /// JSON of this schema.
    Schema(&'a Value),
}

/// What a request asks of the model.
#[derive(Clone, Debug, Default)]
pub struct Prompt<'a> {
    /// The texts of the last turn, if it is the user's: markers are looked for here.
    pub asks: Vec<&'a str>,
    /// The images of the last turn, described.
    pub images: Vec<String>,
    /// What tools returned in the last turn.
    pub results: Vec<String>,
    /// The text of an assistant's turn that stands last and is to be continued.
    pub prefill: Option<&'a str>,
    /// The tools.
    pub tools: Vec<Tool<'a>>,
    /// Whether they are to be called.
    pub choice: Choice<'a>,
    /// Whether only one may be called at a time.
    pub one_call: bool,
    /// The most tokens that the model may make, thoughts included.
    pub tokens_max: Option<u64>,
    /// What the text must be.
    pub format: Format<'a>,
    /// Whether the model thinks before it speaks.
    pub thinks: bool,
}

/// An image that came as base64: its media type and its size.
#[must_use]
pub fn image(media_type: &str, base64: &str) -> String {
    let digits = base64.bytes().filter(|byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte)).count();
    format!("image {media_type} {} bytes", digits * 3 / 4)
}

/// An image that is to be fetched.
#[must_use]
pub fn image_at(address: &str) -> String {
    match address.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
        Some((media_type, base64)) => image(media_type, base64),
        None => format!("image at {address}"),
    }
}

/// A marker in the prompt, by which a test says what the model shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker<'a> {
    /// `mock:call`, `mock:call=NAME`: call the first tool, or this one.
    Call(Option<&'a str>),
    /// `mock:calls=N`: so many calls, of one tool after the other.
    Calls(u64),
    /// `mock:say`: speak before calling.
    Say,
    /// `mock:refuse`: refuse.
    Refuse,
    /// `mock:words=N`: so many numbered words.
    Words(u64),
    /// `mock:think=N`: so many thoughts, where the request lets the model think.
    Think(u64),
}

impl Prompt<'_> {
    /// The markers of the last turn, in their order. What looks like none is text.
    pub fn markers(&self) -> impl Iterator<Item = Marker<'_>> {
        self.asks.iter().flat_map(|text| text.split_whitespace()).filter_map(marker)
    }
}

fn marker(word: &str) -> Option<Marker<'_>> {
    let word = word.strip_prefix("mock:")?;
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let number = || value.and_then(|value| value.parse().ok());
    match name {
        "call" => Some(Marker::Call(value)),
        "calls" => number().map(Marker::Calls),
        "say" => Some(Marker::Say),
        "refuse" => Some(Marker::Refuse),
        "words" => number().map(Marker::Words),
        "think" => number().map(Marker::Think),
        _ => None,
    }
}
