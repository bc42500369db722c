//! One form of a JSON text for all that say the same: whatever the order of members, the white space, and the
//! way in which characters are escaped. For digests, not for reading.

use super::{Shape, Value};
use std::borrow::Cow;

/// Feeds the canonical form of `value` to `take`. Two values have the same form only when they say the same:
/// every part says what it is and how long. Numbers are as they were written; of a name that is there twice,
/// both values count, in their order.
pub fn canonical(value: Value<'_>, take: &mut impl FnMut(&[u8])) {
    match value.shape() {
        Shape::Null => take(b"0"),
        Shape::Bool => take(if value.bool() == Some(true) { b"t" } else { b"f" }),
        Shape::Number => sized(b"n", value.raw(), take),
        Shape::Text => text(value.str().expect("a text is one"), take),
        Shape::Array => {
            count(b"a", value.elements().count(), take);
            value.elements().for_each(|element| canonical(element, take));
        }
        Shape::Object => {
            let mut members: Vec<(Cow<'_, str>, super::Str<'_>, Value<'_>)> =
                value.members().map(|(name, value)| (name.decode(), name, value)).collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            count(b"o", members.len(), take);
            for (_, name, value) in members {
                text(name, take);
                canonical(value, take);
            }
        }
    }
}

/// Half a surrogate pair has no characters of its own: such a text stands for nothing but itself.
fn text(text: super::Str<'_>, take: &mut impl FnMut(&[u8])) {
    let decoded = text.decode();
    if decoded.contains(char::REPLACEMENT_CHARACTER) && text.raw().contains(&b'\\') {
        return sized(b"r", text.raw(), take);
    }
    sized(b"s", decoded.as_bytes(), take);
}

fn sized(kind: &[u8], bytes: &[u8], take: &mut impl FnMut(&[u8])) {
    count(kind, bytes.len(), take);
    take(bytes);
}

fn count(kind: &[u8], count: usize, take: &mut impl FnMut(&[u8])) {
    take(kind);
    take(&(count as u64).to_le_bytes());
}

#[cfg(test)]
mod tests;
