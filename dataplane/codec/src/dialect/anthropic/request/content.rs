//! Writes what was said: messages and their blocks.

use super::super::plan::is_ours;
use super::marks::Marks;
use crate::dialect::Rope;
use crate::dialect::ids::Ids;
use crate::dialect::media;
use crate::dialect::names::Names;
use crate::dialect::prompt::{Arguments, Call, Outcome, Part, Role, Source, Thought, Turn, is_blank};
use crate::json::Str;

/// Writes messages.
#[derive(Debug)]
pub(super) struct Content<'w, 't> {
    pub(super) ids: &'w Ids,
    pub(super) names: Names,
    pub(super) marks: &'w mut Marks,
    pub(super) rope: &'w mut Rope<'t>,
    /// The answer is to say where in the documents it comes from.
    pub(super) cited: bool,
}

/// True when there is something of it to write.
pub(super) fn is_writable(turn: &Turn<'_>) -> bool {
    turn.parts.iter().any(|part| has_words(turn.role, part))
}

/// True for a part that Anthropic has a block for, in the mouth of `role`.
fn has_words(role: Role, part: &Part<'_>) -> bool {
    match part {
        // Blocks of nothing but white space are refused.
        Part::Text { text, .. } | Part::Refusal(text) | Part::Document { source: Source::Text(text), .. } => !is_blank(*text),
        Part::Image { .. } | Part::Document { .. } | Part::Outcome(_) => role == Role::User,
        Part::Call(_) => role == Role::Assistant,
        Part::Thought(thought) => role == Role::Assistant && is_ours(thought),
        Part::Audio { .. } => false,
    }
}

impl Content<'_, '_> {
    /// Writes the turns of one role as one message; `first` is the number of the first.
    pub(super) fn message(&mut self, role: Role, turns: &[Turn<'_>], first: usize) {
        let parts = || {
            let turns = turns.iter().enumerate().filter(|(_, turn)| turn.role == role);
            let parts = turns.flat_map(|(at, turn)| turn.parts.iter().enumerate().map(move |(part, what)| ((first + at, part), what)));
            parts.filter(|(_, part)| has_words(role, part))
        };
        let word = if role == Role::User { "user" } else { "assistant" };
        self.rope.open_object().key("role").text(word).key("content");
        let mut all = parts();
        if let (Some((_, Part::Text { text, cache: None })), None) = (all.next(), all.next()) {
            self.rope.str(*text).close_object();
            return;
        }
        self.rope.open_array();
        // What tools answered comes first.
        let is_outcome = |part: &Part<'_>| matches!(part, Part::Outcome(_));
        parts().filter(|(_, part)| is_outcome(part)).for_each(|(place, part)| self.block(place, part, role));
        parts().filter(|(_, part)| !is_outcome(part)).for_each(|(place, part)| self.block(place, part, role));
        self.rope.close_array().close_object();
    }

    fn block(&mut self, place: (usize, usize), part: &Part<'_>, role: Role) {
        match part {
            Part::Outcome(outcome) => return self.outcome(place, outcome),
            Part::Call(call) => return self.call(place, call),
            Part::Thought(thought) => return self.thought(thought),
            _ => {}
        }
        self.rope.open_object();
        match part {
            Part::Text { text, cache } => {
                self.text(*text);
                self.marks.write(*cache, self.rope);
            }
            Part::Refusal(text) => self.text(*text),
            Part::Image { source, cache, .. } => {
                self.rope.key("type").text("image").key("source");
                self.source(source);
                self.marks.write(*cache, self.rope);
            }
            // A document in the model's mouth is refused; its text is not.
            Part::Document { source: Source::Text(text), .. } if role == Role::Assistant => self.text(*text),
            Part::Document { source, name, cache } => {
                self.rope.key("type").text("document").key("source");
                self.source(source);
                if let Some(name) = name.filter(|name| !name.is_empty()) {
                    self.rope.key("title").str(name);
                }
                if self.cited {
                    self.rope.key("citations").open_object().key("enabled").bool(true).close_object();
                }
                self.marks.write(*cache, self.rope);
            }
            // They have no words, or were written above.
            Part::Audio { .. } | Part::Outcome(_) | Part::Call(_) | Part::Thought(_) => {}
        }
        self.rope.close_object();
    }

    fn text(&mut self, text: Str<'_>) {
        self.rope.key("type").text("text").key("text").str(text);
    }

    fn source(&mut self, source: &Source<'_>) {
        let rope = &mut *self.rope;
        rope.open_object();
        match source {
            Source::Url { url, .. } => {
                rope.key("type").text("url").key("url").str(*url);
            }
            Source::Text(text) => {
                rope.key("type").text("text").key("media_type").text("text/plain").key("data").str(*text);
            }
            // Of files in base64 there are PDFs only.
            Source::Data { media, data } if media::is_text(*media) => {
                rope.key("type").text("text").key("media_type").text("text/plain").key("data").with(|out| media::write_text(*data, out));
            }
            Source::Data { media, data } => {
                let media = media::of_image(*media, *data);
                rope.key("type").text("base64").key("media_type").str(media).key("data").str(*data);
            }
        }
        rope.close_object();
    }

    fn outcome(&mut self, (turn, part): (usize, usize), outcome: &Outcome<'_>) {
        self.rope.open_object().key("type").text("tool_result").key("tool_use_id");
        self.ids.write(self.rope, turn, part, outcome.id);
        let inner = |part: &&Part<'_>| has_words(Role::User, part) && !matches!(part, Part::Outcome(_));
        let mut parts = outcome.parts.iter().filter(inner).peekable();
        match (outcome.object, &outcome.parts[..]) {
            (Some(object), _) => {
                self.rope.key("content").json_in_text(object);
            }
            (None, [Part::Text { text, cache: None }]) if parts.peek().is_some() => {
                self.rope.key("content").str(*text);
            }
            (None, _) if parts.peek().is_some() => {
                self.rope.key("content").open_array();
                parts.for_each(|part| self.block((turn, 0), part, Role::User));
                self.rope.close_array();
            }
            (None, _) => {}
        }
        if outcome.error {
            self.rope.key("is_error").bool(true);
        }
        self.marks.write(outcome.cache, self.rope);
        self.rope.close_object();
    }

    fn call(&mut self, (turn, part): (usize, usize), call: &Call<'_>) {
        self.rope.open_object().key("type").text("tool_use").key("id");
        self.ids.write(self.rope, turn, part, call.id);
        self.rope.key("name");
        self.names.write(call.name, self.rope);
        self.rope.key("input");
        match call.arguments {
            Arguments::Text(text) => self.rope.object_in(text),
            Arguments::Object(json) => self.rope.json(json),
        };
        self.rope.close_object();
    }

    fn thought(&mut self, thought: &Thought<'_>) {
        let Some(seal) = thought.signature else { return };
        self.rope.open_object();
        if thought.redacted {
            self.rope.key("type").text("redacted_thinking").key("data").str(seal.text);
        } else {
            self.rope.key("type").text("thinking").key("thinking").str(thought.text).key("signature").str(seal.text);
        }
        self.rope.close_object();
    }
}
