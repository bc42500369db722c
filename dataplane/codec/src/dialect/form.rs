//! The form that a request asks its answer to have, what is called in it included, and whether it has.

use super::answer::{Answer, Block, Choice, Given};
use super::{Decoder, Delta, Dialect, Terms, Tree};
use crate::json::{Code, Finish, Refusal, Str, Value};
use crate::schema::{self, STEPS_MAX, Verdict};

/// The most of a stream that is gathered to be looked at, in bytes.
pub const GATHERED_SIZE_MAX: usize = 256 * 1024;
/// The most calls of strict tools that are looked at in one answer. They share the steps of one schema.
pub const STRICT_CALLS_MAX: u32 = 128;

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

/// A tool that is to be called by the letter.
#[derive(Clone, Copy, Debug)]
pub struct Strict<'f> {
    /// Its name.
    pub name: Str<'f>,
    /// What its arguments are to be.
    pub arguments: Form<'f>,
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

/// A form that was read; `None` where its schema has more values than are looked at.
type Known<'f> = Option<Rule<'f>>;

impl<'f> Form<'f> {
    fn read(self, tree: &'f mut Tree) -> Known<'f> {
        match self {
            Form::Object => Some(None),
            Form::Schema { schema, openapi } => tree.read(schema).ok().map(|schema| Some((schema, openapi))),
        }
    }
}

/// The tools that are to be called by the letter, and what is left for it.
struct Letter<'f> {
    tools: Vec<(Str<'f>, Known<'f>)>,
    calls_left: u32,
    steps_left: u32,
}

impl Answer {
    /// Whether every choice that came to its own end says what it was to, and calls `strict` tools as it was to.
    /// Beside a text that has a form, the arguments of any call are an object. A refusal is in no form.
    pub fn fits(&self, form: Option<Form<'_>>, strict: &[Strict<'_>]) -> Fit {
        let mut tree = Tree::new();
        let text = form.map(|form| form.read(&mut tree));
        let least = if matches!(text, Some(None)) { Fit::Beyond } else { Fit::Kept };
        let mut trees: Vec<Tree> = strict.iter().map(|_| Tree::new()).collect();
        let tools = strict.iter().zip(&mut trees).map(|(tool, tree)| (tool.name, tool.arguments.read(tree))).collect();
        let mut letter = Letter { tools, calls_left: STRICT_CALLS_MAX, steps_left: STEPS_MAX };
        self.choices.iter().map(|choice| choice.fits(text.flatten(), &mut letter)).max().unwrap_or(Fit::Kept).max(least)
    }

    /// True when a tool of this name is called.
    pub fn calls(&self, tool: Str<'_>) -> bool {
        self.blocks().any(|block| matches!(block, Block::Call { name, .. } if is_same(Str::escaped(name), tool)))
    }

    /// True when any tool is called.
    pub fn calls_any(&self) -> bool {
        self.blocks().any(|block| matches!(block, Block::Call { .. }))
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.choices.iter().flat_map(|choice| &choice.blocks)
    }
}

/// True when both mean the same characters, however they are written.
fn is_same(one: Str<'_>, other: Str<'_>) -> bool {
    one == other || (one.raw().contains(&b'\\') || other.raw().contains(&b'\\')) && one.decode() == other.decode()
}

impl Choice {
    /// Whether its text follows the rule, where there is one, and what it calls is called as it is to be.
    fn fits(&self, rule: Option<Rule<'_>>, letter: &mut Letter<'_>) -> Fit {
        // One that a limit cut is not whole, and says so.
        if !matches!(self.finish, Some(Finish::Stop | Finish::ToolCalls)) {
            return Fit::Kept;
        }
        let mut text = Vec::new();
        let mut calls = None;
        let (mut last, mut texts_count): (&[u8], usize) = (b"", 0);
        for block in &self.blocks {
            match block {
                Block::Text(more) => {
                    text.extend_from_slice(more);
                    (last, texts_count) = (more, texts_count + 1);
                }
                Block::Refusal(_) => return Fit::Kept,
                Block::Call { name, arguments, .. } => match letter.called(Str::escaped(name), arguments, rule.is_some()) {
                    Fit::Broken => return Fit::Broken,
                    fit => calls = calls.max(Some(fit)),
                },
                Block::Thought { .. } => {}
            }
        }
        // Beside calls a text says what they are for.
        if let Some(fit) = calls {
            return fit;
        }
        let Some(rule) = rule else { return Fit::Kept };
        match said(&text, rule, &mut { STEPS_MAX }) {
            // What was said before the last part may be about it.
            Fit::Broken if texts_count > 1 => said(last, rule, &mut { STEPS_MAX }),
            fit => fit,
        }
    }
}

impl Letter<'_> {
    /// Whether a tool is called as it is to be. With `objects`, any tool is called with an object at least.
    fn called(&mut self, name: Str<'_>, arguments: &Given, objects: bool) -> Fit {
        let Some(known) = self.tools.iter().find(|(tool, _)| is_same(*tool, name)).map(|(_, known)| *known) else {
            return match arguments {
                Given::Text(text) if objects && !text.is_empty() => said(text, None, &mut self.steps_left),
                _ => Fit::Kept,
            };
        };
        let (Some(rule), Some(calls_left)) = (known, self.calls_left.checked_sub(1)) else { return Fit::Beyond };
        self.calls_left = calls_left;
        match arguments {
            // Some say nothing at all where a tool takes nothing.
            Given::Text(text) if text.is_empty() => follows(b"{}", rule, &mut self.steps_left),
            Given::Text(text) => said(text, rule, &mut self.steps_left),
            Given::Object(json) => follows(json, rule, &mut self.steps_left),
        }
    }
}

/// Whether a text, as a string holds it, is JSON in this form.
fn said(text: &[u8], rule: Rule<'_>, steps_left: &mut u32) -> Fit {
    follows(Str::escaped(text).decode().trim().as_bytes(), rule, steps_left)
}

/// Whether a text is JSON in this form.
fn follows(json: &[u8], rule: Rule<'_>, steps_left: &mut u32) -> Fit {
    let mut tree = Tree::new();
    let value = match tree.read(json) {
        Ok(value) => value,
        Err(Refusal { code: Code::Depth | Code::TooManyValues, .. }) => return Fit::Beyond,
        Err(_) => return Fit::Broken,
    };
    let Some((schema, openapi)) = rule else { return if value.is_object() { Fit::Kept } else { Fit::Broken } };
    match schema::check_within(schema, openapi, value, steps_left) {
        Verdict::Follows | Verdict::Open => Fit::Kept,
        Verdict::Beyond => Fit::Beyond,
        Verdict::Breaks(_) => Fit::Broken,
    }
}

/// Gathers what a stream says, so that it can be looked at when it is whole.
#[derive(Debug)]
pub struct Gatherer {
    decoder: Decoder,
    terms: Terms,
    tree: Tree,
    answer: Answer,
    /// There was more than may be gathered, or something that cannot be read.
    lost: bool,
}

impl Gatherer {
    /// For a stream in `dialect`, whose request was written on these terms.
    pub fn new(dialect: Dialect, terms: Terms) -> Gatherer {
        let decoder = Decoder::new(dialect, terms.unwrapped);
        Gatherer { decoder, terms, tree: Tree::new(), answer: Answer::default(), lost: false }
    }

    /// Takes an event in.
    pub fn event(&mut self, name: Option<&[u8]>, data: &[u8]) {
        if self.lost {
            return;
        }
        let Gatherer { decoder, terms, tree, answer, .. } = self;
        let read = decoder.event(name, data, tree, &mut |choice: u32, delta: Delta<'_>| terms.tell(choice, delta, answer));
        if read.is_err() || self.answer.size() > GATHERED_SIZE_MAX {
            self.lost = true;
            self.answer = Answer::default();
        }
    }

    /// What it says; `None` where that is too much to be looked at.
    pub fn answer(&self) -> Option<&Answer> {
        (!self.lost).then_some(&self.answer)
    }
}

#[cfg(test)]
mod tests;
