//! Seals on what models thought, and on their calls, and how they find their way back.
//!
//! A provider takes back only what bears its own seal. A client keeps seals without knowing whose they
//! are; so one that leaves in another dialect than its origin's is marked.

use super::Dialect;
use crate::json::Str;

/// A provider's seal on what its model thought. It is worth nothing to another provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'t> {
    /// Whose.
    pub origin: Dialect,
    /// The seal.
    pub text: Str<'t>,
}

/// Begins a seal that goes to a client in a dialect that is not its origin's, so that it is known for
/// what it is when it comes back: base64 of `throwover:` and a letter and a colon, which can stand before
/// other base64.
const MARKS: [(Dialect, &[u8]); 4] = [
    (Dialect::Anthropic, b"dGhyb3dvdmVyOmE6"),
    (Dialect::Gemini, b"dGhyb3dvdmVyOmc6"),
    (Dialect::Responses, b"dGhyb3dvdmVyOnI6"),
    (Dialect::Openai, UNSEALED),
];

/// Stands where a client's dialect wants a seal on thoughts that nobody sealed, so that they are known when
/// they come back, and nobody takes them for its own.
pub(super) const UNSEALED: &[u8] = b"dGhyb3dvdmVyOm86";

/// What all marks begin with.
pub(super) const MARK: &[u8] = b"dGhyb3dvdmVyO";

/// True when a text, which comes in pieces, holds a seal that is not of the dialect that it is written
/// in: it refers to what another provider's model thought.
pub fn holds_foreign_seal<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> bool {
    let mut seam = Vec::new();
    for piece in pieces {
        seam.extend_from_slice(&piece[..piece.len().min(MARK.len() - 1)]);
        if memchr::memmem::find(&seam, MARK).is_some() || memchr::memmem::find(piece, MARK).is_some() {
            return true;
        }
        let kept = if piece.len() < MARK.len() { seam.as_slice() } else { piece };
        seam = kept[kept.len().saturating_sub(MARK.len() - 1)..].to_vec();
    }
    false
}

impl<'t> Signature<'t> {
    /// Reads a seal that came from a client in dialect `spoken`.
    pub fn read(text: Str<'t>, spoken: Dialect) -> Signature<'t> {
        let marked = MARKS.iter().find_map(|(origin, mark)| Some((*origin, text.raw().strip_prefix(*mark)?)));
        match marked {
            Some((origin, rest)) => Signature { origin, text: Str::escaped(rest) },
            None => Signature { origin: spoken, text },
        }
    }

    /// Appends the seal for a client in dialect `spoken`, as the characters of a string.
    pub fn write(origin: Dialect, text: &[u8], spoken: Dialect, out: &mut Vec<u8>) {
        if let Some((_, mark)) = MARKS.iter().find(|(known, _)| *known == origin && origin != spoken) {
            out.extend_from_slice(mark);
        }
        out.extend_from_slice(text);
    }
}
