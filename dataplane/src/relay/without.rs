//! A request without what its provider has said that it does not know. Rare, so that the request is simply
//! written once more.

use super::{Scene, edit::Edits, passage::Anew};
use codec::json;

/// The body as it would be sent, without the parameters that the target does not know; `None` when it knows
/// them all.
pub(super) fn body(scene: &Scene<'_>, anew: Option<&Anew>, edits: &Edits<'_>) -> Option<Vec<u8>> {
    if scene.unknown.is_empty() {
        return None;
    }
    let mut whole = Vec::with_capacity(anew.map_or_else(|| edits.length(scene.body.held.len()), Anew::len));
    match anew {
        Some(anew) => anew.write(scene, &mut whole),
        None => edits.write(&scene.body.held, &mut whole),
    }
    let mut rest = Vec::with_capacity(whole.len());
    json::without(&whole, &|name| scene.unknown.contains(&name), &mut rest);
    Some(rest)
}
