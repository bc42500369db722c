//! References from one place of a schema to another.
//!
//! Only those that are a pointer into the same document are followed. A schema with names of its own for its
//! parts (`$id` below the root) moves what a pointer begins at, so that none of its references is.

use crate::json::{Shape, Str, Value};
use memchr::memmem;
use std::borrow::Cow;

/// What is known of a document's references.
pub(super) struct References<'s> {
    root: Value<'s>,
    /// There are some.
    any: bool,
    /// They can be followed.
    followed: bool,
    /// What stands beside a reference counts; `None` where the document does not say by which draft it goes.
    beside: Option<bool>,
}

impl<'s> References<'s> {
    /// Looks a document over.
    pub(super) fn of(root: Value<'s>) -> References<'s> {
        let text = root.raw();
        let any = memmem::find(text, b"$ref").is_some() || memmem::find(text, b"\\u").is_some();
        if !any {
            return References { root, any, followed: false, beside: None };
        }
        let names = memmem::find_iter(text, b"\"$id\"").count();
        let own = usize::from(root.members().any(|(name, _)| name.is("$id")));
        let draft = root.text("$schema").map(|draft| draft.decode());
        let beside = draft.and_then(|draft| match &*draft {
            draft if draft.contains("/draft-0") => Some(false),
            draft if draft.contains("/2019-09/") || draft.contains("/2020-12/") => Some(true),
            _ => None,
        });
        References { root, any, followed: names == own, beside }
    }

    /// The reference that a schema is.
    pub(super) fn within(&self, schema: Value<'s>) -> Option<Str<'s>> {
        if self.any { schema.text("$ref") } else { None }
    }

    /// What stands beside a reference counts; `None` where nobody says.
    pub(super) fn beside_count(&self) -> Option<bool> {
        self.beside
    }

    /// What a reference points to: `#`, or `#/` and the way from the root (RFC 6901).
    pub(super) fn find(&self, reference: Str<'_>) -> Option<Value<'s>> {
        if !self.followed {
            return None;
        }
        let reference = reference.decode();
        let fragment = percent_decoded(reference.strip_prefix('#')?)?;
        let fragment = &*fragment;
        if fragment.is_empty() {
            return Some(self.root);
        }
        let mut at = self.root;
        for token in fragment.strip_prefix('/')?.split('/') {
            let token = if token.contains('~') { Cow::Owned(token.replace("~1", "/").replace("~0", "~")) } else { Cow::Borrowed(token) };
            at = match at.shape() {
                Shape::Object => at.members().find(|(name, _)| name.is(&token))?.1,
                Shape::Array => at.elements().nth(token.parse().ok()?)?,
                _ => return None,
            };
        }
        Some(at)
    }
}

fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                out.push(u8::try_from(digit(high)? << 4 | digit(low)?).ok()?);
                tail
            }
            (b'%', _) => return None,
            _ => {
                out.push(*first);
                tail
            }
        };
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}
