//! The probabilities of tokens: Gemini's form of them, and OpenAI's.
//!
//! OpenAI has one list, each of whose tokens brings those that might have stood in its place; Gemini has
//! two lists, side by side.

use super::prompt::member;
use crate::head::write_number;
use crate::json::{Str, Tree, Value};

/// Appends `logprobsResult` in OpenAI's form: an array.
pub(super) fn read(result: Value<'_>, out: &mut Vec<u8>) {
    let list = |name: &str| member(result, name).into_iter().flat_map(Value::elements);
    let mut others = list("topCandidates");
    out.push(b'[');
    for (at, token) in list("chosenCandidates").enumerate() {
        out.extend_from_slice(if at > 0 { b",{" } else { b"{" });
        read_token(token, out);
        out.extend_from_slice(b",\"top_logprobs\":[");
        let others = others.next().and_then(|others| member(others, "candidates"));
        for (at, other) in others.into_iter().flat_map(Value::elements).enumerate() {
            out.extend_from_slice(if at > 0 { b",{" } else { b"{" });
            read_token(other, out);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }
    out.push(b']');
}

/// `"token":…,"logprob":…,"bytes":…`
fn read_token(token: Value<'_>, out: &mut Vec<u8>) {
    let text = token.text("token").unwrap_or(Str::plain(""));
    out.extend_from_slice(b"\"token\":\"");
    out.extend_from_slice(text.raw());
    out.extend_from_slice(b"\",\"logprob\":");
    // A number that is 0 is left out.
    out.extend_from_slice(member(token, "logProbability").and_then(Value::number).unwrap_or(b"0"));
    out.extend_from_slice(b",\"bytes\":[");
    for (at, byte) in text.decode().bytes().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_number(out, byte.into());
    }
    out.push(b']');
}

/// Appends OpenAI's form (the elements of the array, with commas between them) as `logprobsResult`.
pub(super) fn write(elements: &[u8], out: &mut Vec<u8>) {
    let array = [b"[", elements, b"]"].concat();
    let mut tree = Tree::new();
    let Ok(root) = tree.read(&array) else { return out.extend_from_slice(b"{}") };
    out.extend_from_slice(b"{\"chosenCandidates\":[");
    for (at, token) in root.elements().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_token(token, out);
    }
    out.push(b']');
    let others = |token: Value<'_>| token.get("top_logprobs").is_some_and(|others| others.elements().next().is_some());
    if root.elements().any(others) {
        out.extend_from_slice(b",\"topCandidates\":[");
        for (at, token) in root.elements().enumerate() {
            out.extend_from_slice(if at > 0 { b",{\"candidates\":[" } else { b"{\"candidates\":[" });
            for (at, other) in token.get("top_logprobs").into_iter().flat_map(Value::elements).enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_token(other, out);
            }
            out.extend_from_slice(b"]}");
        }
        out.push(b']');
    }
    out.push(b'}');
}

fn write_token(token: Value<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"token\":\"");
    out.extend_from_slice(token.text("token").map_or(&b""[..], Str::raw));
    out.extend_from_slice(b"\",\"logProbability\":");
    out.extend_from_slice(token.get("logprob").and_then(Value::number).unwrap_or(b"0"));
    out.push(b'}');
}
