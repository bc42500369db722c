use super::*;
use crate::surface::Surface;

fn key(who: Option<&str>, chain: &str, question: &Question<'_>, body: &str) -> Option<Key> {
    Key::of(who, chain, question, [None, None], body.as_bytes())
}

const CHAT: Question<'static> = Question { surface: Surface::Chat, requested: "m", stream: false };
const BODY: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

#[test]
fn whatever_differs_has_a_key_of_its_own() {
    let other = r#"{"model":"m","user":"u","messages":[{"role":"user","content":"hi"}]}"#;
    let questions =
        [CHAT, Question { surface: Surface::Responses, ..CHAT }, Question { requested: "n", ..CHAT }, Question { stream: true, ..CHAT }];
    // Names that run into one another must not come to the same.
    let places = [(None, "c"), (Some(""), "c"), (Some("a"), "c"), (Some("ac"), ""), (Some(""), "ac"), (Some("a"), "d")];
    let mut keys = Vec::new();
    for (who, chain) in places {
        for question in &questions {
            for body in [BODY, other] {
                keys.push(key(who, chain, question, body).unwrap());
            }
        }
    }
    let different: std::collections::HashSet<Key> = keys.iter().copied().collect();
    assert_eq!(different.len(), keys.len());
}

#[test]
fn how_a_body_is_written_does_not_matter() {
    let again = "{ \"messages\": [ {\"content\": \"\\u0068i\", \"role\": \"user\"} ],\n \"model\": \"m\" }";
    assert_eq!(key(Some("a"), "c", &CHAT, BODY), key(Some("a"), "c", &CHAT, again));
    assert_eq!(key(Some("a"), "c", &CHAT, "{"), None);
}

/// Whatever tenants are called, none has another's key: over many pairs of names that resemble one another.
#[test]
fn no_tenant_has_another_ones_key() {
    let letters = ["", "a", "b", "\0", "aa", "ab"];
    let pairs: Vec<String> = letters.iter().flat_map(|one| letters.map(|two| format!("{one}{two}"))).collect();
    let names: Vec<String> = pairs.iter().flat_map(|pair| letters.map(|three| format!("{pair}{three}"))).collect();
    let mut owners = std::collections::HashMap::new();
    for who in &names {
        for chain in &names {
            let found = key(Some(who), chain, &CHAT, BODY).unwrap();
            let owner = owners.entry(found).or_insert((who, chain));
            assert_eq!(*owner, (who, chain), "two have one key");
        }
    }
}

fn keeping() -> Keeping {
    Keeping { key: Key([0; 32]), dialect: Dialect::Openai, stream: true, for_ms: 1, bytes: Vec::new(), too_large: false }
}

#[test]
fn an_answer_that_is_too_large_is_not_kept_in_part() {
    let mut all = keeping();
    all.take(&vec![b'a'; limits::EARLIER_BYTES_MAX]);
    assert!(!all.too_large && all.bytes.len() == limits::EARLIER_BYTES_MAX);
    all.take(b"b");
    assert!(all.too_large && all.bytes.is_empty());
    all.take(b"c");
    assert!(all.too_large && all.bytes.is_empty());
}

#[test]
fn too_much_on_its_way_is_turned_away() {
    let door = Door::default();
    let kept = |size| Kept { key: Key([0; 32]), dialect: Dialect::Openai, stream: true, for_ms: 1, bytes: vec![0; size], at: Instant(0) };
    for _ in 0..limits::EARLIER_QUEUE_BYTES_MAX / limits::EARLIER_BYTES_MAX {
        assert!(door.hand(kept(limits::EARLIER_BYTES_MAX)));
    }
    assert!(!door.hand(kept(1)), "no byte more");
    let small = Door::default();
    assert!((0..limits::EARLIER_QUEUE_MAX).all(|_| small.hand(kept(1))) && !small.hand(kept(1)));
    assert_eq!(small.waiting.load(Relaxed), limits::EARLIER_QUEUE_MAX as u64);
}
