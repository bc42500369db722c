//! Writes the turns of a request.
//!
//! The user begins and the two sides take turns; what tools answered comes first in a turn. Each call of a
//! model that thinks bears its seal, and no other's.

use std::collections::HashMap;

use super::media;
use super::request::is_own;
use crate::dialect::Signature;
use crate::dialect::names::Names;
use crate::dialect::prompt::{Arguments, Call, Outcome, Part, Prompt, Role, Source};
use crate::dialect::{Dialect, Means, Needs, Rope, Thinking};
use crate::json::Str;

/// The seal that Google documents for calls that were not made by a Gemini. It must be there on the first
/// call of each step since the user last spoke; else models that think refuse the request.
pub(super) const NO_SEAL: &str = "skip_thought_signature_validator";

/// Writes what the model is told before the first turn.
pub(super) fn write_system(prompt: &Prompt<'_>, means: &Means<'_>, rope: &mut Rope<'_>) {
    let mut texts = prompt.system.iter().filter(|part| is_written(part)).peekable();
    if texts.peek().is_none() && means.prefix.is_none() && means.suffix.is_none() {
        return;
    }
    rope.key("systemInstruction").open_object().key("parts").open_array();
    means.prefix.iter().for_each(|text| own_text(text, rope));
    texts.for_each(|part| plain(part, rope));
    means.suffix.iter().for_each(|text| own_text(text, rope));
    rope.close_array().close_object();
}

fn own_text(text: &str, rope: &mut Rope<'_>) {
    rope.open_object().key("text").text(text).close_object();
}

/// What one side says, as it is written: neighbours of one role are one.
struct Content<'p, 't> {
    role: Role,
    parts: Vec<&'p Part<'t>>,
}

impl Content<'_, '_> {
    /// It says what the user wants, and not only what tools answered.
    fn opens_turn(&self) -> bool {
        self.role == Role::User && !self.parts.iter().any(|part| matches!(part, Part::Outcome(_)))
    }
}

/// What is known of the calls that tools answer.
struct Called<'c, 't> {
    by_id: &'c HashMap<&'t [u8], Str<'t>>,
    names: Names,
}

/// Thoughts go back to whom they came from, and to nobody else.
fn is_written(part: &Part<'_>) -> bool {
    match part {
        Part::Text { text, .. } | Part::Refusal(text) | Part::Document { source: Source::Text(text), .. } => !text.is_empty(),
        Part::Thought(thought) => thought.signature.is_some_and(is_ours),
        _ => true,
    }
}

fn is_ours(signature: Signature<'_>) -> bool {
    signature.origin == Dialect::Gemini
}

fn grouped<'p, 't>(prompt: &'p Prompt<'t>) -> Vec<Content<'p, 't>> {
    let mut all: Vec<Content<'p, 't>> = Vec::with_capacity(prompt.turns.len());
    for turn in &prompt.turns {
        for part in turn.parts.iter().filter(|part| is_written(part)) {
            let parts = match all.last_mut() {
                Some(last) if last.role == turn.role => &mut last.parts,
                _ => {
                    all.push(Content { role: turn.role, parts: Vec::new() });
                    let Some(last) = all.last_mut() else { return all };
                    &mut last.parts
                }
            };
            parts.push(part);
            // Not every model takes pictures within the answer of a tool: the user shows them.
            if let Part::Outcome(outcome) = part
                && !is_own(prompt)
            {
                parts.extend(outcome.parts.iter().filter(|part| !matches!(part, Part::Text { .. }) && is_written(part)));
            }
        }
    }
    for content in all.iter_mut().filter(|content| content.role == Role::User) {
        content.parts.sort_by_key(|part| !matches!(part, Part::Outcome(_)));
    }
    all
}

/// Writes what was said.
pub(super) fn write<'t>(prompt: &Prompt<'t>, means: &Means<'_>, rope: &mut Rope<'_>) {
    rope.key("contents").open_array();
    let all = grouped(prompt);
    if all.first().is_none_or(|content| content.role == Role::Assistant) {
        said("user", ".", rope);
    }
    let thinks = matches!(means.thinking, Thinking::Effort | Thinking::Unknown);
    let current = all.iter().rposition(Content::opens_turn).unwrap_or(0);
    let mut by_id: HashMap<&'t [u8], Str<'t>> = HashMap::new();
    let names = Names::of(prompt, Dialect::Gemini);
    for (at, content) in all.iter().enumerate() {
        match content.role {
            Role::User => user(content, is_own(prompt), &Called { by_id: &by_id, names }, rope),
            Role::Assistant => {
                model(content, is_own(prompt), (thinks && at >= current, names), rope);
                by_id.extend(content.parts.iter().filter_map(|part| match part {
                    Part::Call(Call { id: Some(id), name, .. }) => Some((id.raw(), *name)),
                    _ => None,
                }));
            }
        }
    }
    // What the client meant to be gone on with is left so.
    let ends = all.last().is_some_and(|content| content.role == Role::Assistant);
    if ends && !prompt.needs.has(Needs::PREFILL) {
        said("user", "Continue.", rope);
    }
    rope.close_array();
}

fn said(role: &str, text: &str, rope: &mut Rope<'_>) {
    rope.open_object().key("role").text(role).key("parts").open_array();
    own_text(text, rope);
    rope.close_array().close_object();
}

fn user(content: &Content<'_, '_>, own: bool, called: &Called<'_, '_>, rope: &mut Rope<'_>) {
    rope.open_object().key("role").text("user").key("parts").open_array();
    for part in &content.parts {
        match part {
            Part::Outcome(outcome) => response(outcome, own, called, rope),
            part => plain(part, rope),
        }
    }
    rope.close_array().close_object();
}

fn model(content: &Content<'_, '_>, own: bool, (sealed, names): (bool, Names), rope: &mut Rope<'_>) {
    rope.open_object().key("role").text("model").key("parts").open_array();
    let mut held = None;
    let mut called = false;
    // Behind the thoughts that follow each other here: looked for once for all of them.
    let mut ahead = 0;
    let mut parts = content.parts.iter().enumerate().peekable();
    while let Some((at, part)) = parts.next() {
        match part {
            Part::Thought(thought) => {
                // Only calls bear seals, and dialects that have no place for one there have put it before.
                if ahead <= at {
                    ahead = at + content.parts[at..].iter().take_while(|part| matches!(part, Part::Thought(_))).count();
                }
                let next = content.parts.get(ahead);
                let moves = !own && matches!(next, Some(Part::Call(call)) if !call.signature.is_some_and(is_ours));
                if moves {
                    held = thought.signature;
                }
                if moves && thought.text.is_empty() {
                    continue;
                }
                rope.open_object();
                if !thought.text.is_empty() || thought.redacted {
                    rope.key("text").str(thought.text).key("thought").bool(true);
                } else {
                    rope.key("text").text("");
                }
                seal(thought.signature.filter(|_| !moves), rope);
                rope.close_object();
            }
            Part::Call(call) => {
                let own_seal = call.signature.filter(|signature| is_ours(*signature));
                function_call(call, names, own_seal.or(held.take()), sealed && !called, rope);
                called = true;
            }
            Part::Text { text, .. } => {
                rope.open_object().key("text").str(*text);
                // A seal without a thought was on the text before it.
                let next = parts.next_if(|(_, part)| own && matches!(part, Part::Thought(thought) if thought.text.is_empty()));
                if let Some((_, Part::Thought(thought))) = next {
                    seal(thought.signature, rope);
                }
                rope.close_object();
            }
            part => plain(part, rope),
        }
    }
    rope.close_array().close_object();
}

fn seal(signature: Option<Signature<'_>>, rope: &mut Rope<'_>) {
    if let Some(signature) = signature {
        rope.key("thoughtSignature").str(signature.text);
    }
}

fn function_call(call: &Call<'_>, names: Names, signature: Option<Signature<'_>>, sealed: bool, rope: &mut Rope<'_>) {
    rope.open_object().key("functionCall").open_object();
    if let Some(id) = call.id {
        rope.key("id").str(id);
    }
    rope.key("name");
    names.write(call.name, rope);
    rope.key("args");
    match call.arguments {
        Arguments::Text(text) => rope.object_in(text),
        Arguments::Object(json) => rope.json(json),
    };
    rope.close_object();
    seal(signature, rope);
    if sealed && signature.is_none() {
        rope.key("thoughtSignature").text(NO_SEAL);
    }
    rope.close_object();
}

/// What a tool answered, which must be an object.
fn response(outcome: &Outcome<'_>, own: bool, called: &Called<'_, '_>, rope: &mut Rope<'_>) {
    rope.open_object().key("functionResponse").open_object();
    if let Some(id) = outcome.id {
        rope.key("id").str(id);
    }
    let name = outcome.name.or_else(|| called.by_id.get(outcome.id?.raw()).copied());
    rope.key("name");
    called.names.write(name.unwrap_or(Str::plain("tool")), rope);
    rope.key("response");
    match outcome.object {
        Some(object) => {
            rope.json(object);
        }
        None => {
            let texts: Vec<Str<'_>> =
                outcome.parts.iter().filter_map(|part| if let Part::Text { text, .. } = part { Some(*text) } else { None }).collect();
            rope.open_object().key(if outcome.error { "error" } else { "output" }).strs(&texts).close_object();
        }
    }
    let mut shown = outcome.parts.iter().filter(|part| own && !matches!(part, Part::Text { .. })).peekable();
    if shown.peek().is_some() {
        rope.key("parts").open_array();
        shown.for_each(|part| plain(part, rope));
        rope.close_array();
    }
    rope.close_object().close_object();
}

/// A part that is the same whoever says it.
fn plain(part: &Part<'_>, rope: &mut Rope<'_>) {
    match part {
        Part::Text { text, .. } | Part::Refusal(text) | Part::Document { source: Source::Text(text), .. } => {
            rope.open_object().key("text").str(*text).close_object();
        }
        Part::Image { source, .. } => file(source, "image/jpeg", rope),
        Part::Document { source, .. } => file(source, "application/pdf", rope),
        Part::Audio { data, format } => {
            rope.open_object().key("inlineData").open_object().key("mimeType");
            if format.raw().contains(&b'/') {
                rope.str(*format);
            } else {
                rope.strs(&[Str::plain("audio/"), *format]);
            }
            rope.key("data").str(*data).close_object().close_object();
        }
        Part::Call(_) | Part::Outcome(_) | Part::Thought(_) => {}
    }
}

/// `usual` is what a file is taken for when nothing says it.
fn file(source: &Source<'_>, usual: &'static str, rope: &mut Rope<'_>) {
    match source {
        Source::Data { media, data } => {
            rope.open_object().key("inlineData").open_object();
            let media = crate::dialect::media::of_image(*media, *data);
            rope.key("mimeType").str(media).key("data").str(*data).close_object().close_object();
        }
        Source::Url { url, media } => {
            rope.open_object().key("fileData").open_object().key("mimeType");
            match media {
                Some(media) => rope.str(*media),
                None => rope.text(media::named_by(&url.decode()).unwrap_or(usual)),
            };
            rope.key("fileUri").str(*url).close_object().close_object();
        }
        Source::Text(text) => {
            rope.open_object().key("text").str(*text).close_object();
        }
    }
}
