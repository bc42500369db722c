//! What makes requests one session, so that a conversation stays where its prompt is cached.

use crate::{body::Body, relay::passage, request::Asked};
use codec::{
    dialect::Tree,
    head::Field,
    json::{Shape, Value},
};
use engine::exchange::Session;
use policy::chain::By;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Members by which clients of some dialect say who their user is, the narrowest first.
const USERS: [&str; 3] = ["prompt_cache_key", "user", "safety_identifier"];
/// Members that hold a system prompt …
const SYSTEMS: [&str; 4] = ["system", "instructions", "systemInstruction", "system_instruction"];
/// … and those that hold messages.
const MESSAGES: [&str; 3] = ["messages", "input", "contents"];

/// The session of a request; none where it has nothing that tells.
pub fn of(by: By, asked: &Asked, body: &Body<'_>) -> Session {
    let any = by == By::Any;
    if any || by == By::Session {
        let named = asked.field(Field::XThrowoverSession).filter(|name| !name.is_empty());
        if let Some(name) = named {
            return session(asked, |hasher| name.hash(hasher));
        }
        if !any {
            return Session::default();
        }
    }
    let mut joined = Vec::new();
    let mut tree = Tree::new();
    let Ok(root) = tree.read(passage::contiguous(&body.held, &mut joined)) else { return Session::default() };
    if (any || by == By::User)
        && let Some(user) = user(root)
    {
        return session(asked, |hasher| user.hash(hasher));
    }
    match prefix(root).filter(|_| any || by == By::Prefix) {
        Some(parts) => session(asked, |hasher| parts.hash(hasher)),
        None => Session::default(),
    }
}

/// Tenants have sessions of their own, whatever they call them. SipHash with fixed keys, so that every shard
/// finds the same; who guesses one gains no more than to be asked where somebody else is.
fn session(asked: &Asked, what: impl FnOnce(&mut DefaultHasher)) -> Session {
    let mut hasher = DefaultHasher::new();
    asked.tenant.map(|tenant| tenant.0).hash(&mut hasher);
    what(&mut hasher);
    Session::of(hasher.finish())
}

fn user<'t>(root: Value<'t>) -> Option<&'t [u8]> {
    let text = |value: Value<'t>| value.str().map(|text| text.raw()).filter(|text| !text.is_empty());
    let told = USERS.iter().find_map(|name| text(root.get(name)?));
    told.or_else(|| text(root.get("metadata")?.get("user_id")?))
}

/// How a conversation begins: its system prompt, and its messages up to the first one of the user's. Those
/// stay as they are while it goes on.
fn prefix<'t>(root: Value<'t>) -> Option<[&'t [u8]; 2]> {
    let system = SYSTEMS.iter().find_map(|name| root.get(name)).map_or(&b""[..], Value::raw);
    let messages = MESSAGES.iter().find_map(|name| root.get(name))?;
    if messages.shape() != Shape::Array {
        return Some([system, messages.raw()]);
    }
    let whole = messages.raw();
    let mut end = 0;
    for message in messages.elements() {
        let raw = message.raw();
        // A slice of the same text, so that the distance is within it.
        end = raw.as_ptr() as usize - whole.as_ptr() as usize + raw.len();
        let role = message.get("role").and_then(Value::str);
        if role.is_none_or(|role| role.is("user")) {
            break;
        }
    }
    (end > 0).then(|| [system, &whole[..end]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begins(text: &str) -> Option<Vec<u8>> {
        let mut tree = Tree::new();
        prefix(tree.read(text.as_bytes()).unwrap()).map(|parts| parts.concat())
    }

    #[test]
    fn a_conversation_begins_the_same_however_long_it_gets() {
        let first = r#"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"one"}]}"#;
        let later = r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"one"},{"role":"assistant","content":"x"},{"role":"user","content":"two"}],"n":1}"#;
        let other = r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"two"}]}"#;
        assert!(begins(first).is_some() && begins(first) == begins(later) && begins(first) != begins(other));
        let gemini = r#"{"systemInstruction":{"parts":[]},"contents":[{"parts":[{"text":"one"}]},{"role":"model","parts":[]}]}"#;
        assert_eq!(begins(gemini).unwrap(), br#"{"parts":[]}[{"parts":[{"text":"one"}]}"#);
        assert_eq!(begins(r#"{"instructions":"i","input":"hi"}"#).unwrap(), br#""i""hi""#);
        assert_eq!(begins(r#"{"messages":[]}"#), None);
        assert_eq!(begins("{}"), None);
    }

    #[test]
    fn users_are_found_where_dialects_put_them() {
        let found = |text: &str| {
            let mut tree = Tree::new();
            user(tree.read(text.as_bytes()).unwrap()).map(<[u8]>::to_vec)
        };
        assert_eq!(found(r#"{"user":"u","prompt_cache_key":"k"}"#).unwrap(), b"k");
        assert_eq!(found(r#"{"metadata":{"user_id":"u"}}"#).unwrap(), b"u");
        assert_eq!(found(r#"{"user":"","metadata":{"user_id":7}}"#), None);
    }
}
