//! The form that a request asks its answer to have: that of its text, and that of what tools are called with which
//! it declares as strict. A whole answer in another is none, and the next target is asked; what is left of a stream
//! when that is known goes out, and its target is remembered for it.

use super::Scene;
use crate::{held::Held, ledger::Story, meters::Meter};
use codec::{
    dialect::{
        Dialect,
        answer::Answer,
        form::{self, Fit, Gatherer},
        prompt::{self, Format, Prompt},
    },
    json::Str,
    schema::SCHEMA_SIZE_MAX,
};
use engine::judge::{self, Transport, Verdict};
use std::{ops::Range, rc::Rc};

/// The most strict tools of one request that are looked at.
const STRICT_TOOLS_MAX: usize = 128;

/// Where the form of an answer is said; nothing where anything will do. Schemas stay in the request's body, which
/// is kept for every attempt.
#[derive(Clone, Debug, Default)]
pub struct Form(Option<Rc<Demand>>);

/// What an answer is held to.
#[derive(Debug)]
struct Demand {
    text: Text,
    /// `strict.len() <= STRICT_TOOLS_MAX`
    strict: Box<[Strict]>,
    /// There were more of them.
    more: bool,
}

/// What the text of an answer is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    /// Any text.
    Free,
    /// JSON, which is all that Gemini's media type says.
    Json,
    /// A JSON object.
    Object,
    /// JSON that follows a schema.
    Schema(Schema),
}

/// A schema, in the request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Schema {
    at: Span,
    /// It is in OpenAPI's words.
    openapi: bool,
}

/// A tool whose arguments are to follow its schema, which may be none: any object.
#[derive(Clone, Copy, Debug)]
struct Strict {
    name: Span,
    schema: Option<Schema>,
}

/// A part of the body. `start + size <= body.held.len()`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: u32,
    size: u32,
}

impl Form {
    /// What a prompt asks for that was read from `source`, which is the body.
    pub fn of(prompt: &Prompt<'_>, source: &[u8]) -> Form {
        let text = Text::of(prompt, source);
        let mut tools = prompt.tools.iter().filter(|tool| tool.strict == Some(true)).peekable();
        if text == Text::Free && tools.peek().is_none() {
            return Form::default();
        }
        let strict = tools.by_ref().take(STRICT_TOOLS_MAX).filter_map(|tool| Strict::of(tool, source)).collect();
        Form(Some(Rc::new(Demand { text, strict, more: tools.peek().is_some() })))
    }

    /// True when there is nothing to be looked at.
    pub fn is_free(&self) -> bool {
        self.0.is_none()
    }

    /// Whether an answer has this form; one that is not there is too large to be told.
    fn ask(&self, scene: &Scene<'_>, answer: Option<&Answer>) -> Fit {
        let Some(demand) = &self.0 else { return Fit::Kept };
        let fit = answer.map_or(Fit::Beyond, |answer| demand.ask(&scene.body.held, answer));
        if fit == Fit::Beyond {
            scene.shard.meters().count(Meter::Unchecked);
        }
        fit
    }
}

impl Text {
    fn of(prompt: &Prompt<'_>, source: &[u8]) -> Text {
        match prompt.format {
            Format::Text => Text::Free,
            Format::Json if prompt.own == Some(Dialect::Gemini) => Text::Json,
            Format::Json => Text::Object,
            // Who says that it need not be to the letter takes what comes.
            Format::Schema(schema) if schema.strict == Some(false) => Text::Free,
            Format::Schema(schema) => Schema::of(schema.schema, schema.openapi, source).map_or(Text::Free, Text::Schema),
        }
    }
}

impl Schema {
    fn of(schema: &[u8], openapi: bool, source: &[u8]) -> Option<Schema> {
        Some(Schema { at: Span::of(schema, source)?, openapi })
    }
}

impl Strict {
    fn of(tool: &prompt::Tool<'_>, source: &[u8]) -> Option<Strict> {
        let schema = match tool.parameters {
            Some(schema) => Some(Schema::of(schema, tool.openapi, source)?),
            None => None,
        };
        Some(Strict { name: Span::of(tool.name.raw(), source)?, schema })
    }
}

impl Span {
    /// Where `part` lies, if it lies within `source`.
    fn of(part: &[u8], source: &[u8]) -> Option<Span> {
        // The difference of addresses is an offset where the one lies within the other, and is checked.
        let start = (part.as_ptr() as usize).wrapping_sub(source.as_ptr() as usize);
        start.checked_add(part.len()).filter(|end| *end <= source.len())?;
        Some(Span { start: u32::try_from(start).ok()?, size: u32::try_from(part.len()).ok()? })
    }

    /// Appends what lies there; where that is in `bytes`.
    fn copy(self, held: &Held, bytes: &mut Vec<u8>) -> Range<usize> {
        let (start, from) = (self.start as usize, bytes.len());
        held.write_range(start..start + self.size as usize, bytes);
        from..bytes.len()
    }
}

/// A tool that is called: where its name was copied to, and its schema, and whether that is in OpenAPI's words.
type Called = (Range<usize>, Option<(Range<usize>, bool)>);

impl Demand {
    fn ask(&self, held: &Held, answer: &Answer) -> Fit {
        let mut bytes = Vec::new();
        let text = if let Text::Schema(schema) = self.text { schema.at.copy(held, &mut bytes) } else { 0..0 };
        let (called, fit) = self.called(held, answer, &mut bytes);
        if self.text == Text::Free && called.is_empty() {
            return fit;
        }
        let form = match self.text {
            Text::Free => None,
            Text::Json => Some(form::Form::Schema { schema: b"true", openapi: false }),
            Text::Object => Some(form::Form::Object),
            Text::Schema(Schema { openapi, .. }) => Some(form::Form::Schema { schema: &bytes[text], openapi }),
        };
        let strict: Vec<form::Strict<'_>> = called
            .into_iter()
            .map(|(name, schema)| form::Strict {
                name: Str::escaped(&bytes[name]),
                arguments: schema.map_or(form::Form::Object, |(at, openapi)| form::Form::Schema { schema: &bytes[at], openapi }),
            })
            .collect();
        fit.max(answer.fits(form, &strict))
    }

    /// The strict tools that an answer calls, copied to `bytes`; `Fit::Beyond` where it is more than is looked at.
    fn called(&self, held: &Held, answer: &Answer, bytes: &mut Vec<u8>) -> (Vec<Called>, Fit) {
        let mut called = Vec::new();
        if !answer.calls_any() {
            return (called, Fit::Kept);
        }
        let mut fit = if self.more { Fit::Beyond } else { Fit::Kept };
        let mut room = SCHEMA_SIZE_MAX;
        for tool in &self.strict {
            let from = bytes.len();
            let name = tool.name.copy(held, bytes);
            if !answer.calls(Str::escaped(&bytes[name.clone()])) {
                bytes.truncate(from);
                continue;
            }
            let Some(rest) = room.checked_sub(tool.schema.map_or(0, |schema| schema.at.size as usize)) else {
                fit = Fit::Beyond;
                continue;
            };
            room = rest;
            called.push((name, tool.schema.map(|schema| (schema.at.copy(held, bytes), schema.openapi))));
        }
        (called, fit)
    }
}

/// Fails a whole answer that is in another form.
pub(super) fn heeded(scene: &Scene<'_>, form: &Form, answer: &Answer) -> Result<(), Verdict> {
    match form.ask(scene, Some(answer)) {
        Fit::Kept | Fit::Beyond => Ok(()),
        Fit::Broken => Err(judge::transport(Transport::SchemaViolation)),
    }
}

/// Notes whether a stream that is over was in its form.
#[cold]
pub(super) fn look_back(scene: &Scene<'_>, gatherer: &Gatherer, story: &mut Story) {
    story.flawed = story.form.ask(scene, gatherer.answer()) == Fit::Broken;
}

#[cfg(test)]
mod tests;
