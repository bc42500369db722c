//! How many tokens a prompt has: Anthropic and Gemini can be asked, each in its own way.

use super::gemini::{self, prompt::member};
use super::prompt::Prompt;
use super::{Dialect, Failure, Means, Needs, Rope, Tree, Unread, Written, read_prompt, write_prompt};
use crate::dialect::read_error;
use crate::head::write_number;
use crate::json::{Value, escape_into};

#[cfg(test)]
mod tests;

/// What of a request's needs a count depends on: what is in the prompt. How the answer is to be drawn, or
/// how long it may be, costs no token of it.
pub const NEEDS: Needs = Needs::IMAGE
    .and(Needs::IMAGE_URL)
    .and(Needs::AUDIO)
    .and(Needs::DOCUMENT)
    .and(Needs::DOCUMENT_URL)
    .and(Needs::STATE)
    .and(Needs::TOOLS)
    .and(Needs::PROVIDER_TOOLS)
    .and(Needs::PREFILL)
    .and(Needs::OWN);

/// What Anthropic takes of a message's members where it only counts.
const COUNTED: [&str; 6] = ["model", "messages", "system", "tools", "tool_choice", "thinking"];

/// Reads what a client wants counted: a prompt, which Gemini's may have wrapped in a whole request.
///
/// # Errors
/// It is none that its own provider would understand, and why.
pub fn read(dialect: Dialect, root: Value<'_>) -> Result<Prompt<'_>, Unread> {
    let whole = if dialect == Dialect::Gemini { member(root, "generateContentRequest") } else { None };
    let mut prompt = read_prompt(dialect, whole.unwrap_or(root), false)?;
    prompt.needs = prompt.needs.common(NEEDS);
    Ok(prompt)
}

/// Writes the question to a provider in `to`, which is Anthropic's dialect or Gemini's. `None` when it is
/// larger in the other's words than can be read again.
pub fn write(to: Dialect, prompt: &Prompt<'_>, means: &Means<'_>) -> Option<Written> {
    let mut rope = Rope::new(b"", Vec::new());
    if to == Dialect::Gemini {
        // A whole request names its model, which elsewhere stands in the path alone.
        let mut set = b"\"model\":\"".to_vec();
        escape_into(&mut set, &gemini::resource(means.model));
        set.push(b'"');
        means.set.filter(|set| !set.is_empty()).into_iter().for_each(|more| set.extend([b",", more.as_bytes()].concat()));
        let set = String::from_utf8_lossy(&set);
        rope.open_object().key("generateContentRequest");
        write_prompt(to, prompt, &Means { set: Some(&set), ..*means }, &mut rope);
        rope.close_object();
        return Some(rope.finish());
    }
    write_prompt(to, prompt, means, &mut rope);
    let request = rope.finish().join(b"");
    let mut tree = Tree::new();
    let root = tree.read(&request).ok()?;
    let mut rope = Rope::new(b"", Vec::with_capacity(request.len()));
    rope.open_object();
    for (name, value) in root.members().filter(|(name, _)| COUNTED.iter().any(|known| name.is(known))) {
        rope.key_of(name).json(value.raw());
    }
    rope.close_object();
    Some(rope.finish())
}

/// Reads the answer of a provider in `dialect`.
///
/// # Errors
/// It says that the provider failed, or no number.
pub fn read_answer(dialect: Dialect, body: &[u8]) -> Result<u64, Failure> {
    let mut tree = Tree::new();
    let root = tree.read(body).map_err(|_| Failure::Malformed)?;
    if root.get("error").is_some() {
        return Err(Failure::Error(Box::new(read_error(body))));
    }
    root.get(name(dialect)).and_then(Value::u64).ok_or(Failure::Malformed)
}

/// Writes an answer for a client in `to`.
pub fn write_answer(to: Dialect, tokens: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(name(to).as_bytes());
    out.extend_from_slice(b"\":");
    write_number(out, tokens);
    out.push(b'}');
}

const fn name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Gemini => "totalTokens",
        _ => "input_tokens",
    }
}
