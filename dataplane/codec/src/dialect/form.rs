//! The form that a request asks its answer to have, and whether it has.

use super::answer::{Answer, Block, Choice, Given};
use super::{Decoder, Dialect, Tree};
use crate::json::{Finish, Str, Value};
use crate::schema::{self, Verdict};

/// The most of a stream that is gathered to be looked at, in bytes.
pub const GATHERED_SIZE_MAX: usize = 256 * 1024;

/// What an answer's text is to be.
#[derive(Clone, Copy, Debug)]
pub enum Form<'f> {
    /// A JSON object.
    Object,
    /// JSON that follows a schema.
    Schema {
        /// The schema, as it came.
        schema: &'f [u8],
        /// It is in OpenAPI's words with types in capitals, as Gemini has it.
        openapi: bool,
    },
}

/// Whether an answer has its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// Nothing is known to be wrong with it.
    Kept,
    /// It is too large or too entangled to be told.
    Beyond,
    /// It has another.
    Broken,
}

/// The schema that is to be followed, and whether it is in OpenAPI's words; `None` for any object.
type Rule<'f> = Option<(Value<'f>, bool)>;

impl Answer {
    /// Whether every choice that came to its own end says what it was to, and every call's arguments are an
    /// object. A refusal is in no form.
    pub fn fits(&self, form: Form<'_>) -> Fit {
        let mut tree = Tree::new();
        let rule = match form {
            Form::Object => None,
            Form::Schema { schema, openapi } => match tree.read(schema) {
                Ok(schema) => Some((schema, openapi)),
                Err(_) => return Fit::Beyond,
            },
        };
        self.choices.iter().map(|choice| choice.fits(rule)).max().unwrap_or(Fit::Kept)
    }
}

impl Choice {
    fn fits(&self, rule: Rule<'_>) -> Fit {
        // One that a limit cut is not whole, and says so.
        if !matches!(self.finish, Some(Finish::Stop | Finish::ToolCalls)) {
            return Fit::Kept;
        }
        let mut text = Vec::new();
        let (mut last, mut texts_count): (&[u8], usize) = (b"", 0);
        for block in &self.blocks {
            match block {
                Block::Text(more) => {
                    text.extend_from_slice(more);
                    (last, texts_count) = (more, texts_count + 1);
                }
                Block::Refusal(_) => return Fit::Kept,
                Block::Call { arguments: Given::Text(given), .. } if !given.is_empty() && said(given, None) == Fit::Broken => {
                    return Fit::Broken;
                }
                Block::Thought { .. } | Block::Call { .. } => {}
            }
        }
        // Beside calls a text says what they are for.
        if self.blocks.iter().any(|block| matches!(block, Block::Call { .. })) {
            return Fit::Kept;
        }
        match said(&text, rule) {
            // What was said before the last part may be about it.
            Fit::Broken if texts_count > 1 => said(last, rule),
            fit => fit,
        }
    }
}

/// Whether a text, as a string holds it, is JSON in this form.
fn said(text: &[u8], rule: Rule<'_>) -> Fit {
    let text = Str::escaped(text).decode();
    let mut tree = Tree::new();
    let Ok(value) = tree.read(text.trim().as_bytes()) else { return Fit::Broken };
    let Some((schema, openapi)) = rule else { return if value.is_object() { Fit::Kept } else { Fit::Broken } };
    match schema::check(schema, openapi, value) {
        Verdict::Follows | Verdict::Open => Fit::Kept,
        Verdict::Beyond => Fit::Beyond,
        Verdict::Breaks(_) => Fit::Broken,
    }
}

/// Gathers what a stream says, so that it can be looked at when it is whole.
#[derive(Debug)]
pub struct Gatherer {
    decoder: Decoder,
    tree: Tree,
    answer: Answer,
    /// There was more than may be gathered, or something that cannot be read.
    lost: bool,
}

impl Gatherer {
    /// For a stream in `dialect`. Calls of the tool `unwrapped` are text.
    pub fn new(dialect: Dialect, unwrapped: Option<&'static str>) -> Gatherer {
        Gatherer { decoder: Decoder::new(dialect, unwrapped), tree: Tree::new(), answer: Answer::default(), lost: false }
    }

    /// Takes an event in.
    pub fn event(&mut self, name: Option<&[u8]>, data: &[u8]) {
        if self.lost {
            return;
        }
        let read = self.decoder.event(name, data, &mut self.tree, &mut self.answer);
        if read.is_err() || self.answer.size() > GATHERED_SIZE_MAX {
            self.lost = true;
            self.answer = Answer::default();
        }
    }

    /// Whether all of it has its form.
    pub fn fits(&self, form: Form<'_>) -> Fit {
        if self.lost { Fit::Beyond } else { self.answer.fits(form) }
    }
}

#[cfg(test)]
mod tests;
