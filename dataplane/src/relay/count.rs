//! Counts of tokens: asked of a provider of the other dialect that counts, or estimated.

use super::{Scene, answer, passage};
use crate::{downstream::Downstream, held::Held, ledger::Story, request::Ended, respond, shard::Shard};
use codec::dialect::{Tree, count};
use engine::{
    exchange::Exchange,
    judge::{self, Transport, Verdict},
};

/// The question in other words; `None` when it goes as it came.
pub(super) fn anew(scene: &Scene<'_>) -> Result<Option<passage::Anew>, Transport> {
    if !scene.translates() {
        return Ok(None);
    }
    let mut joined = Vec::new();
    let mut tree = Tree::new();
    let root = tree.read(passage::contiguous(&scene.body.held, &mut joined)).map_err(|_| Transport::Unreadable)?;
    let prompt = count::read(scene.surface.dialect(), root).map_err(|_| Transport::Unreadable)?;
    let written = count::write(scene.at.dialect(), &prompt, &scene.means()).ok_or(Transport::Unreadable)?;
    Ok(Some(passage::Anew::of(written)))
}

/// Reads an answer in another dialect than the client's, and says it in the client's.
///
/// # Errors
/// It is none.
pub(super) fn read(scene: &Scene<'_>, held: &Held) -> Result<Vec<u8>, Verdict> {
    if held.is_empty() {
        return Err(judge::transport(Transport::Empty));
    }
    let mut joined = Vec::new();
    let body = passage::contiguous(held, &mut joined);
    let tokens = count::read_answer(scene.at.dialect(), body).map_err(|failure| answer::judged(scene, failure, body))?;
    let mut out = Vec::new();
    count::write_answer(scene.surface.dialect(), tokens, &mut out);
    Ok(out)
}

/// Answers with the number that the gateway itself goes by, and says that it is an estimate.
pub fn estimate(shard: &Shard, tenant: &mut Downstream, exchange: &Exchange, story: &Story) -> Ended {
    let mut body = shard.io.vec();
    count::write_answer(story.dialect, story.estimate, &mut body);
    respond::estimated(shard, tenant, story.id, story.dialect, exchange.attempts_made(), &body);
    Ended::Estimated
}
