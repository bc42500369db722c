//! Embeddings: said to providers of another dialect, and told how long their vectors are to be.

use super::{Scene, answer, passage};
use crate::{held::Held, ledger::Story};
use codec::{
    dialect::{
        Dialect, Rope, Tree,
        embeddings::{self, Length, Request},
    },
    json::Usage,
};
use engine::{
    judge::{self, Transport, Verdict},
    vectors::{self, Vectors},
};
use policy::limits;

impl Scene<'_> {
    /// What the provider is told about the length of the vectors.
    fn told(&self, request: &Request<'_>) -> Length {
        vectors::told(self.policy.prepared(), self.chain, self.attempt.target, self.requested, vectors_of(request))
    }
}

fn vectors_of(request: &Request<'_>) -> Vectors {
    request.dimensions.map_or(Vectors::Usual, Vectors::Long)
}

/// The request in other words; `None` when it goes as it came, but perhaps for the model's name.
pub(super) fn anew(scene: &Scene<'_>) -> Result<Option<passage::Anew>, Transport> {
    let translates = scene.translates();
    let understands = &scene.policy.targets[scene.attempt.target].understands;
    // Bodies of Gemini's name the model as their paths do.
    let renamed = scene.at.dialect() == Dialect::Gemini && scene.model != scene.requested;
    if !translates && !renamed && understands.shortens_from.is_none() && understands.dimensions.is_none() {
        return Ok(None);
    }
    let mut joined = Vec::new();
    let source = passage::contiguous(&scene.body.held, &mut joined);
    let mut tree = Tree::new();
    let Ok(root) = tree.read(source) else { return if translates { Err(Transport::Unreadable) } else { Ok(None) } };
    let request = embeddings::read(scene.surface.dialect(), root);
    let mut rope = Rope::new(source, Vec::with_capacity(source.len().min(limits::BODY_INLINE_BYTES) + 512));
    if translates {
        let request = request.map_err(|_| Transport::Unreadable)?;
        let dimensions = scene.told(&request).said(request.dimensions);
        embeddings::write(scene.at.dialect(), &request, scene.model, dimensions, &mut rope);
    } else {
        let length = request.map_or(Length::AsAsked, |request| scene.told(&request));
        if length == Length::AsAsked && !renamed {
            return Ok(None);
        }
        embeddings::write_again(scene.at.dialect(), root, scene.model, length, &mut rope);
    }
    Ok(Some(passage::Anew::of(rope.finish())))
}

/// Reads an answer in another dialect than the client's, and says it in the client's. Where a provider
/// counts no tokens, as Gemini's do not, what is told is the gateway's estimate.
///
/// # Errors
/// It is none, or its vectors are not as long as they had to be.
pub(super) fn read(scene: &Scene<'_>, held: &Held, story: &mut Story) -> Result<Vec<u8>, Verdict> {
    let malformed = || judge::transport(Transport::MalformedBody);
    if held.is_empty() {
        return Err(judge::transport(Transport::Empty));
    }
    let (mut joined, mut asked) = (Vec::new(), Vec::new());
    let mut tree = Tree::new();
    let root = tree.read(passage::contiguous(&scene.body.held, &mut asked)).map_err(|_| malformed())?;
    let request = embeddings::read(scene.surface.dialect(), root).map_err(|_| malformed())?;
    let body = passage::contiguous(held, &mut joined);
    let mut answer =
        embeddings::read_answer(scene.at.dialect(), body, request.texts.len()).map_err(|failure| answer::judged(scene, failure, body))?;
    let (policy, chain) = (scene.policy.prepared(), scene.chain);
    let said = scene.told(&request).said(request.dimensions);
    let due = said.or_else(|| vectors::wanted(policy, chain, vectors_of(&request)).filter(|_| !policy.chains[chain].mix_dimensions));
    if due.is_some_and(|due| due as usize != answer.length()) {
        return Err(malformed());
    }
    let own = policy.targets[scene.attempt.target].understands.shortens_from;
    if scene.at.dialect() == Dialect::Gemini && said.is_some_and(|said| own.is_none_or(|own| said < own)) {
        answer.normalise();
    }
    if answer.tokens.is_some() {
        story.usage(&Usage { input: answer.tokens, ..Usage::default() });
    }
    let estimate = (request.text_bytes() / limits::BYTES_PER_TOKEN).max(1);
    let mut out = Vec::new();
    embeddings::write_answer(scene.surface.dialect(), &answer, &request, scene.model, estimate, &mut out);
    Ok(out)
}
