//! What a request wants of the model that answers it, so that nobody is asked who cannot.

use crate::{
    body::Body,
    ledger::Story,
    relay::{Form, passage},
    surface::Surface,
};
use codec::dialect::{self, Needs, prompt::Part};
use engine::{decide, vectors::Vectors};
use policy::limits;

/// What is asked.
pub struct Question<'q> {
    /// Of what kind.
    pub surface: Surface,
    /// What the request calls the model.
    pub requested: &'q str,
    /// The answer is to be a stream.
    pub stream: bool,
}

impl<'q> Question<'q> {
    /// What a request asks whose path names a model or none, and whose body is whole. Made anew where it is needed:
    /// a name that was kept beside the body would take room while the answer is waited for.
    pub fn of(surface: Surface, named: Option<&'q str>, body: &'q Body<'_>) -> Question<'q> {
        let facts = body.facts();
        let requested = named.or(facts.model.as_ref().map(|model| model.as_str())).unwrap_or_default();
        Question { surface, requested, stream: surface == Surface::StreamGenerate || facts.stream && surface.streams() }
    }
}

/// What the request wants of a model. One that everybody understands is not looked into.
pub fn of(body: &Body<'_>, question: &Question<'_>, story: &mut Story) -> decide::Wants {
    let facts = body.facts();
    let surface = question.surface;
    let stream = if question.stream { Needs::STREAM } else { Needs::NONE };
    let plain = decide::Wants {
        spoken: surface.spoken(),
        needs: stream,
        tokens: tokens(facts.prompt_bytes),
        charge: 0,
        known_to: surface.known_to(),
        vectors: Vectors::None,
        within_ms: 0,
    };
    if surface.embeds() {
        return embeddings(body, surface, story, plain);
    }
    if surface.counts() {
        return count(body, surface, story, plain);
    }
    if !surface.generates() {
        return decide::Wants { tokens: 0, ..plain };
    }
    if !facts.rich {
        return plain;
    }
    let mut joined = Vec::new();
    let mut tree = dialect::Tree::new();
    let source = passage::contiguous(&body.held, &mut joined);
    let Ok(root) = tree.read(source) else { return plain };
    match dialect::read_prompt(surface.dialect(), root, question.stream) {
        Ok(prompt) => {
            let answers_tool = prompt.turns.last().is_some_and(|turn| turn.parts.iter().any(|part| matches!(part, Part::Outcome(_))));
            story.form = Form::of(&prompt, source);
            story.may_say_nothing = answers_tool || !prompt.stop.is_empty();
            decide::Wants { needs: prompt.needs, tokens: tokens(prompt.text_bytes()), ..plain }
        }
        // A provider of the same dialect may understand it, and is the judge of it.
        Err(unread) => {
            story.unread = Some(unread);
            decide::Wants { needs: stream.and(Needs::OWN), ..plain }
        }
    }
}

/// Tokens that so many bytes are taken for.
fn tokens(bytes: u64) -> u32 {
    u32::try_from(bytes / limits::BYTES_PER_TOKEN).unwrap_or(u32::MAX)
}

/// Texts are measured one by one by who embeds them, and not together.
fn embeddings(body: &Body<'_>, surface: Surface, story: &mut Story, plain: decide::Wants) -> decide::Wants {
    // What cannot be read is left to the providers of its dialect.
    let mut wants = decide::Wants { tokens: 0, known_to: surface.spoken(), vectors: Vectors::Usual, ..plain };
    let mut joined = Vec::new();
    let mut tree = dialect::Tree::new();
    let Ok(root) = tree.read(passage::contiguous(&body.held, &mut joined)) else { return wants };
    match dialect::embeddings::read(surface.dialect(), root) {
        Ok(request) => {
            wants.needs = request.needs;
            wants.known_to = plain.known_to;
            wants.vectors = request.dimensions.map_or(Vectors::Usual, Vectors::Long);
        }
        Err(unread) => story.unread = Some(unread),
    }
    wants
}

/// A prompt may be counted that is too long to be answered.
fn count(body: &Body<'_>, surface: Surface, story: &mut Story, plain: decide::Wants) -> decide::Wants {
    story.estimate = u64::from(plain.tokens).max(1);
    let mut wants = decide::Wants { tokens: 0, known_to: surface.spoken(), ..plain };
    let mut joined = Vec::new();
    let mut tree = dialect::Tree::new();
    let Ok(root) = tree.read(passage::contiguous(&body.held, &mut joined)) else { return wants };
    match dialect::count::read(surface.dialect(), root) {
        Ok(prompt) => {
            story.estimate = u64::from(tokens(prompt.text_bytes())).max(1);
            wants.needs = prompt.needs;
            wants.known_to = plain.known_to;
        }
        Err(unread) => story.unread = Some(unread),
    }
    wants
}
