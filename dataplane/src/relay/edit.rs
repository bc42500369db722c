//! What changes in a body on its way to a provider: the model's name, and for streams the wish to
//! be told the usage. All else goes byte for byte.

use crate::{held::Held, io::Io, surface::Surface, wire::Wire};
use codec::json::{self, Facts};
use policy::limits;
use std::ops::Range;

/// Asks a provider to count.
const INCLUDE_USAGE: &[u8] = br#""stream_options":{"include_usage":true}"#;
/// The value alone.
const INCLUDE_USAGE_VALUE: &[u8] = br#"{"include_usage":true}"#;

/// At most two replacements, in ascending order.
pub(super) struct Edits<'m> {
    edits: [Option<Edit<'m>>; 2],
}

struct Edit<'m> {
    at: Range<usize>,
    text: Text<'m>,
}

enum Text<'m> {
    /// A name that needs no escaping, as nearly all: quoted where it is written.
    Model(&'m str),
    Usage {
        comma: bool,
    },
    Value(Vec<u8>),
}

impl Edit<'_> {
    fn length(&self) -> usize {
        match &self.text {
            Text::Model(text) => text.len() + 2,
            Text::Value(text) => text.len(),
            Text::Usage { comma } => INCLUDE_USAGE.len() + usize::from(*comma),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match &self.text {
            Text::Model(text) => {
                out.push(b'"');
                out.extend_from_slice(text.as_bytes());
                out.push(b'"');
            }
            Text::Value(text) => out.extend_from_slice(text),
            Text::Usage { comma } => {
                out.extend_from_slice(INCLUDE_USAGE);
                if *comma {
                    out.push(b',');
                }
            }
        }
    }
}

impl<'m> Edits<'m> {
    /// What has to change so that `model` is asked for; nothing when it is the one `requested`.
    pub(super) fn new(facts: &Facts, body: &Held, surface: Surface, model: &'m str, requested: &str) -> Edits<'m> {
        // Gemini's paths name it.
        let model = (model != requested && surface.verb().is_none()).then(|| Edit { at: facts.model_range.clone(), text: quoted(model) });
        let wanted = facts.stream && surface.has_stream_options() && !facts.include_usage;
        let usage = wanted.then(|| match &facts.stream_options {
            None => Edit { at: facts.open..facts.open, text: Text::Usage { comma: !facts.empty } },
            Some(range) => Edit { at: range.clone(), text: Text::Value(with_usage(body, range.clone())) },
        });
        let mut edits = [usage, model];
        let start = |edit: &Option<Edit>| edit.as_ref().map_or(usize::MAX, |edit| edit.at.start);
        if start(&edits[0]) > start(&edits[1]) {
            edits.swap(0, 1);
        }
        Edits { edits }
    }

    /// The length of the body once edited.
    pub(super) fn length(&self, before: usize) -> usize {
        self.edits.iter().flatten().fold(before, |length, edit| length - edit.at.len() + edit.length())
    }

    /// Appends the edited body to `out`.
    pub(super) fn write(&self, body: &Held, out: &mut Vec<u8>) {
        let mut at = 0;
        for edit in self.edits.iter().flatten() {
            body.write_range(at..edit.at.start, out);
            edit.write(out);
            at = edit.at.end;
        }
        body.write_range(at..body.len(), out);
    }

    /// Sends `out`, and the edited body behind it: in one piece when it is small, gathered from
    /// where it lies when it is not.
    pub(super) fn send(&self, mut out: Vec<u8>, body: &Held, io: &Io, wire: &mut Wire) {
        let mut at = 0;
        let small = body.len() <= limits::BODY_INLINE_BYTES;
        for edit in self.edits.iter().flatten() {
            if small {
                body.write_range(at..edit.at.start, &mut out);
            } else {
                wire.send(std::mem::take(&mut out));
                body.send_range(at..edit.at.start, io, wire);
            }
            edit.write(&mut out);
            at = edit.at.end;
        }
        if small {
            body.write_range(at..body.len(), &mut out);
            wire.send(out);
        } else {
            wire.send(out);
            body.send_range(at..body.len(), io, wire);
        }
    }
}

fn quoted(model: &str) -> Text<'_> {
    if model.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        return Text::Model(model);
    }
    let mut text = vec![b'"'];
    json::escape_into(&mut text, model);
    text.push(b'"');
    Text::Value(text)
}

/// The tenant's `stream_options` with the wish to be told the usage; what else it says stays.
fn with_usage(body: &Held, range: Range<usize>) -> Vec<u8> {
    let mut value = Vec::new();
    body.write_range(range, &mut value);
    match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&value) {
        Ok(mut options) => {
            options.insert("include_usage".to_owned(), true.into());
            serde_json::to_vec(&options).expect("a map of JSON values is JSON")
        }
        // `null`, or what the provider will refuse: replaced in the first case, and in the second
        // the provider's answer would be the same.
        Err(_) if value == b"null" => INCLUDE_USAGE_VALUE.to_vec(),
        Err(_) => value,
    }
}
