//! What a request wants of the model that answers it, so that nobody is asked who cannot.

use crate::{body::Body, ledger::Story, relay::passage, surface::Surface};
use codec::dialect::{self, Needs, prompt::Part};
use engine::decide;
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

/// What the request wants of a model. One that everybody understands is not looked into.
pub fn of(body: &Body<'_>, question: &Question<'_>, story: &mut Story) -> decide::Wants {
    let facts = body.facts();
    let stream = if question.stream { Needs::STREAM } else { Needs::NONE };
    let tokens = |bytes: u64| u32::try_from(bytes / limits::BYTES_PER_TOKEN).unwrap_or(u32::MAX);
    let plain = decide::Wants { spoken: question.surface.spoken(), needs: stream, tokens: tokens(facts.prompt_bytes) };
    if !question.surface.generates() {
        return decide::Wants { needs: Needs::OWN, tokens: 0, ..plain };
    }
    if !facts.rich {
        return plain;
    }
    let mut joined = Vec::new();
    let mut tree = dialect::Tree::new();
    let Ok(root) = tree.read(passage::contiguous(&body.held, &mut joined)) else { return plain };
    match dialect::read_prompt(question.surface.dialect(), root, question.stream) {
        Ok(prompt) => {
            let answers_tool = prompt.turns.last().is_some_and(|turn| turn.parts.iter().any(|part| matches!(part, Part::Outcome(_))));
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
