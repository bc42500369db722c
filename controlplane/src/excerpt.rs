//! Lines of a policy as they may be shown: what stands where a credential belongs is starred out.
//!
//! Complaints show the line that they are about. They are printed, logged by the daemon, and told
//! to operators who may only look; a secret that stands in the policy itself must not travel along.

use crate::{
    complaint::Span,
    reference::{self, Reference},
    tree::{Node, Value},
};

/// A key whose name holds one of these words has a credential for its value, whether the policy
/// knows such a key or not: `api_key` is a mistake, and what follows it is still a secret.
const WORDS: [&str; 6] = ["key", "secret", "token", "password", "authorization", "sha256"];
/// Shortest word that is taken for a credential where the file is no YAML.
const DOUBTFUL_CHARS_MIN: usize = 16;

/// Adds the places of all that is not to be shown below `node`.
pub fn hide(node: &Node, out: &mut Vec<Span>) {
    walk(node, false, out);
}

fn walk(node: &Node, secret: bool, out: &mut Vec<Span>) {
    match &node.value {
        Value::Text(text) => {
            let reveals = secret && !text.starts_with('/') && reference::parse(text) == Reference::Literal;
            // `https://user:password@host`
            if reveals || (text.contains("://") && text.contains('@')) {
                out.push(node.span);
            }
        }
        Value::Whole(_) | Value::Fraction(_) if secret => out.push(node.span),
        Value::Null | Value::Bool(_) | Value::Whole(_) | Value::Fraction(_) => {}
        Value::List(items) => items.iter().for_each(|item| walk(item, secret, out)),
        Value::Map(entries) => {
            for entry in entries {
                walk(&entry.node, entry.key != "weight" && (secret || names_secret(&entry.key)), out);
            }
        }
    }
}

/// True for the name of a key that has a credential for its value.
pub fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// A line with the characters of `hidden` starred out; columns stay where they are.
pub fn starred(line: &str, number: u32, hidden: impl Iterator<Item = Span>) -> String {
    let mut chars: Vec<char> = line.chars().collect();
    for span in hidden.filter(|span| span.line == number) {
        let from = span.column.saturating_sub(1) as usize;
        for char in chars.iter_mut().skip(from).take(span.length as usize) {
            *char = '*';
        }
    }
    chars.into_iter().collect()
}

/// A line of a file that is no YAML, where nobody knows what is a value: whatever follows a key
/// that names a secret is starred out, and so is every long word of letters and digits.
pub fn guarded(line: &str) -> String {
    let colons = line.match_indices(':').map(|(at, _)| at);
    let after = colons
        .into_iter()
        .find(|at| line[..*at].rsplit([' ', '{', ',', '"', '\'', '-']).find(|word| !word.is_empty()).is_some_and(names_secret));
    let (shown, secret) = line.split_at(after.map_or(line.len(), |at| at + 1));
    let mut out = String::with_capacity(line.len());
    for word in shown.split_inclusive(|char: char| char.is_whitespace() || "\"'[]{},".contains(char)) {
        let doubtful = word.chars().count() > DOUBTFUL_CHARS_MIN
            && word.bytes().any(|byte| byte.is_ascii_digit())
            && word.bytes().any(|byte| byte.is_ascii_alphabetic());
        if doubtful { out.extend(word.chars().map(star)) } else { out.push_str(word) }
    }
    out.extend(secret.chars().map(star));
    out
}

fn star(char: char) -> char {
    if char.is_whitespace() || "\"'[]{},".contains(char) { char } else { '*' }
}

#[cfg(test)]
mod tests;
