//! Gemini generateContent.
//!
//! The model is named in the path and not in the body, and so is what is asked of it ([`Verb`]). A stream
//! has no mark at its end: after the last finish reason there is nothing but the end of the bytes.

pub mod array;
mod contents;
pub mod decoder;
pub mod encoder;
mod logprobs;
mod media;
mod part;
pub mod prompt;
pub mod request;

use crate::head::{self, write_number};
use crate::json::{Tree, Value, escape_into};

use super::signature::MARK;

pub use array::Array;

/// What is asked of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A whole answer.
    Generate,
    /// An answer in pieces.
    Stream,
    /// How many tokens a prompt has.
    Count,
    /// The embedding of one text.
    Embed,
    /// The embeddings of several.
    BatchEmbed,
}

impl Verb {
    /// Each.
    pub const ALL: [Verb; 5] = [Verb::Generate, Verb::Stream, Verb::Count, Verb::Embed, Verb::BatchEmbed];

    /// The word that stands behind the model's name.
    pub const fn word(self) -> &'static str {
        match self {
            Verb::Generate => "generateContent",
            Verb::Stream => "streamGenerateContent",
            Verb::Count => "countTokens",
            Verb::Embed => "embedContent",
            Verb::BatchEmbed => "batchEmbedContents",
        }
    }
}

/// Collections of models. A name without one is of the first.
const COLLECTIONS: [&str; 2] = ["models/", "tunedModels/"];

/// A model's name with its collection, as bodies have it.
pub fn resource(model: &str) -> String {
    let named = COLLECTIONS.into_iter().any(|collection| model.starts_with(collection));
    if named { model.to_owned() } else { format!("{}{model}", COLLECTIONS[0]) }
}

/// The path of a request, below the version: `/models/gemini-3.8-flash:generateContent`. A stream is asked
/// for as server-sent events, since it would be one JSON array else.
pub fn path(model: &str, verb: Verb) -> String {
    let collection = COLLECTIONS.into_iter().find(|collection| model.starts_with(collection));
    let name = collection.map_or(model, |collection| &model[collection.len()..]);
    let mut path = String::with_capacity(model.len() + 48);
    path.push('/');
    path.push_str(collection.unwrap_or(COLLECTIONS[0]));
    // RFC 3986 3.3: pchar without "%", and "/", since others refuse one that is hidden.
    head::percent_encode(name, b"-._~!$&'()*+,;=:@/", &mut path);
    path.push(':');
    path.push_str(verb.word());
    if verb == Verb::Stream {
        path.push_str("?alt=sse");
    }
    path
}

/// The model and the verb of a path that was percent-decoded, without its version and the slash behind it:
/// `models/gemini-3.8-flash:generateContent`. `models/` is no part of the name, `tunedModels/` is.
pub fn read_path(rest: &str) -> Option<(&str, Verb)> {
    let (name, word) = rest.rsplit_once(':')?;
    let verb = Verb::ALL.into_iter().find(|verb| verb.word() == word)?;
    let collection = COLLECTIONS.into_iter().find(|collection| name.starts_with(collection))?;
    if name.len() == collection.len() {
        return None;
    }
    Some((name.strip_prefix(COLLECTIONS[0]).unwrap_or(name), verb))
}

/// Writes what Google's SDKs write in base64's alphabet for URLs (pictures, sound, seals) in the common one,
/// which everybody else wants; the text keeps its length. It must be called before a request is read that
/// goes on to another dialect. A text that is no JSON stays as it is.
///
/// Seals of the Responses API stay, too: their own alphabet is that for URLs.
pub fn use_common_base64(body: &mut [u8], tree: &mut Tree) {
    let mut found = Vec::new();
    if let Ok(root) = tree.read(body) {
        let start = body.as_ptr() as usize;
        // What is to be counted may be a whole request.
        let root = prompt::member(root, "generateContentRequest").unwrap_or(root);
        encoded(root, &mut |raw: &[u8]| {
            if raw.iter().any(|byte| matches!(byte, b'-' | b'_')) {
                let at = raw.as_ptr() as usize - start;
                found.push(at..at + raw.len());
            }
        });
    }
    for range in found {
        for byte in body.get_mut(range).unwrap_or_default() {
            *byte = match *byte {
                b'-' => b'+',
                b'_' => b'/',
                other => other,
            };
        }
    }
}

/// Finds the strings in base64 that a request's contents and system instruction hold.
fn encoded<'t>(root: Value<'t>, found: &mut dyn FnMut(&'t [u8])) {
    let contents = prompt::member(root, "contents").into_iter().flat_map(Value::elements);
    for part in
        contents.chain(prompt::member(root, "systemInstruction")).filter_map(|content| content.get("parts")).flat_map(Value::elements)
    {
        let response = prompt::member(part, "functionResponse").and_then(|response| response.get("parts"));
        for part in response.into_iter().flat_map(Value::elements).chain([part]) {
            if let Some(data) = prompt::member(part, "inlineData").and_then(|blob| blob.text("data")) {
                found(data.raw());
            }
        }
        if let Some(seal) = prompt::member(part, "thoughtSignature").and_then(Value::str) {
            // `MARK` and the letter of the origin: "I6" ends "r:".
            let responses = seal.raw().strip_prefix(MARK).is_some_and(|rest| rest.starts_with(b"nI6"));
            if !responses && seal.raw() != contents::NO_SEAL.as_bytes() {
                found(seal.raw());
            }
        }
    }
}

/// For how long an error asks to be left alone, in milliseconds: `retryDelay` of its `RetryInfo`, which is
/// Google's `Retry-After`.
pub fn retry_delay_ms(body: &[u8]) -> Option<u64> {
    memchr::memmem::find(body, b"retryDelay")?;
    let mut tree = Tree::new();
    let root = tree.read(body).ok()?;
    // The stream's endpoint wraps it in an array.
    let root = root.elements().next().unwrap_or(root);
    let details = root.get("error")?.get("details")?;
    let delay = details.elements().find_map(|detail| detail.text("retryDelay"))?;
    let seconds: f64 = std::str::from_utf8(delay.raw()).ok()?.strip_suffix('s')?.parse().ok()?;
    (0.0..=31_536_000.0).contains(&seconds).then_some((seconds * 1_000.0) as u64)
}

/// Google's word for an HTTP status (google.rpc.Code).
const fn status_word(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        402 | 412 => "FAILED_PRECONDITION",
        403 => "PERMISSION_DENIED",
        404 | 410 => "NOT_FOUND",
        405 | 501 => "UNIMPLEMENTED",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        416 => "OUT_OF_RANGE",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        502 | 503 | 529 => "UNAVAILABLE",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

/// Writes `{"error":{...}}`, from which Google's SDKs raise `ClientError` and `ServerError`. `code` says
/// more exactly what is wrong, and `request_id` whose fault is to be looked for.
pub fn error_body(out: &mut Vec<u8>, status: u16, message: &str, code: &str, request_id: &str) {
    out.extend_from_slice(b"{\"error\":{\"code\":");
    write_number(out, status.into());
    let members = [
        (",\"message\":\"", message),
        ("\",\"status\":\"", status_word(status)),
        ("\",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"", code),
    ];
    for (name, value) in members {
        out.extend_from_slice(name.as_bytes());
        escape_into(out, value);
    }
    out.extend_from_slice(b"\",\"domain\":\"throwover\"}");
    if !request_id.is_empty() {
        out.extend_from_slice(b",{\"@type\":\"type.googleapis.com/google.rpc.RequestInfo\",\"requestId\":\"");
        escape_into(out, request_id);
        out.extend_from_slice(b"\"}");
    }
    out.extend_from_slice(b"]}}");
}

/// Writes the event that tells the readers of a stream that it failed.
pub fn error_event(out: &mut Vec<u8>, status: u16, message: &str, code: &str, request_id: &str) {
    out.extend_from_slice(b"data: ");
    error_body(out, status, message, code, request_id);
    out.extend_from_slice(b"\r\n\r\n");
}

#[cfg(test)]
mod tests;
