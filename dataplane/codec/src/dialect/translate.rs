//! From one dialect to another: requests, and whole answers.

use super::answer::Answer;
use super::prompt::{Prompt, Unread};
use super::{Decoder, Delta, Dialect, Encoder, Failure, Manner, Means, Needs, Rope, Terms, anthropic, gemini, openai, responses};
use crate::json::{Tree, Value};

/// Reads a request that a client has made in `dialect`. For Gemini, whose paths say it, `stream` tells
/// whether the answer is to be one; elsewhere the request does.
///
/// # Errors
/// It is none that its own provider would understand, and why.
pub fn read_prompt(dialect: Dialect, root: Value<'_>, stream: bool) -> Result<Prompt<'_>, Unread> {
    let mut prompt = match dialect {
        Dialect::Openai => openai::prompt::read(root),
        Dialect::Responses => responses::prompt::read(root),
        Dialect::Anthropic => anthropic::prompt::read(root),
        Dialect::Gemini => gemini::prompt::read(root, stream),
    }?;
    prompt.own = Some(dialect);
    Ok(prompt)
}

/// Writes a request that a provider in `dialect` understands.
pub fn write_prompt(dialect: Dialect, prompt: &Prompt<'_>, means: &Means<'_>, rope: &mut Rope<'_>) {
    match dialect {
        Dialect::Openai => openai::request::write(prompt, means, rope),
        Dialect::Responses => responses::request::write(prompt, means, rope),
        Dialect::Anthropic => anthropic::request::write(prompt, means, rope),
        Dialect::Gemini => gemini::request::write(prompt, means, rope),
    }
}

/// What a dialect has no words for, whoever speaks it.
pub const fn lacks(dialect: Dialect) -> Needs {
    match dialect {
        Dialect::Openai => openai::request::LACKS,
        Dialect::Responses => responses::request::LACKS,
        Dialect::Anthropic => anthropic::request::LACKS,
        Dialect::Gemini => gemini::request::LACKS,
    }
}

/// Reads a whole answer of a provider in `dialect`, to a request that was written on `terms`.
///
/// # Errors
/// It says that the provider failed, or nothing that can be read.
pub fn read_answer(dialect: Dialect, body: &[u8], tree: &mut Tree, terms: &Terms) -> Result<Answer, Failure> {
    let root = tree.read(body).map_err(|_| Failure::Malformed)?;
    let mut answer = Answer::default();
    let mut hear = |choice: u32, delta: Delta<'_>| terms.tell(choice, delta, &mut answer);
    Decoder::new(dialect, terms.unwrapped).whole(root, &mut hear)?;
    Ok(answer)
}

/// Writes a whole answer for a client in `dialect`.
pub fn write_answer(dialect: Dialect, answer: &Answer, manner: &Manner, out: &mut Vec<u8>) {
    Encoder::write_answer(dialect, answer, manner, out);
}

#[cfg(test)]
mod tests;
