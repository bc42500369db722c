//! Schemas: what is said of a value is said whichever way the schema puts it.

use crate::json::Tree;
use crate::schema::{Verdict, check};

/// A schema, a line end, and a value. What follows it follows nothing that says otherwise, and the other way
/// round.
pub fn schema(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else { return };
    let (text, value) = (&bytes[..end], &bytes[end + 1..]);
    for openapi in [false, true] {
        let Some(plain) = judged(text, value, openapi) else { return };
        let wrapped = |before: &str, behind: &str| {
            let text = [before.as_bytes(), text, behind.as_bytes()].concat();
            // References begin at another root.
            (!text.windows(4).any(|word| word == b"$ref" || word == b"\\u00")).then(|| judged(&text, value, openapi)).flatten()
        };
        let opposite = wrapped("{\"not\":", "}");
        let same = [wrapped("{\"allOf\":[", "]}"), wrapped("{\"if\":true,\"then\":", "}"), wrapped("{\"anyOf\":[", ",false]}")];
        for other in same.into_iter().flatten() {
            assert!(!contradicts(plain, other), "{plain:?} {other:?} {}", bytes.escape_ascii());
        }
        match (plain, opposite) {
            (Verdict::Follows, Some(Verdict::Follows)) | (Verdict::Breaks(_), Some(Verdict::Breaks(_))) => {
                panic!("{plain:?} and so is its opposite: {}", bytes.escape_ascii())
            }
            _ => {}
        }
    }
}

fn judged(schema: &[u8], value: &[u8], openapi: bool) -> Option<Verdict> {
    let (mut one, mut other) = (Tree::new(), Tree::new());
    Some(check(one.read(schema).ok()?, openapi, other.read(value).ok()?))
}

fn contradicts(one: Verdict, other: Verdict) -> bool {
    let says = |verdict| match verdict {
        Verdict::Follows => Some(true),
        Verdict::Breaks(_) => Some(false),
        Verdict::Open | Verdict::Beyond => None,
    };
    says(one).zip(says(other)).is_some_and(|(one, other)| one != other)
}
