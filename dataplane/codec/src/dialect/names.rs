//! Names of tools, of which every dialect allows other letters.
//!
//! A name that a dialect would refuse is replaced by what it allows of it and a digest of all of it, so that
//! it is the same in every request; in the answer, the tool is called as its client calls it.

use super::ids::digest;
use super::prompt::Prompt;
use super::terms::Renamed;
use super::{Dialect, Rope};
use crate::json::Str;

/// The longest name. Some allow more; nobody refuses this.
const SIZE_MAX: usize = 64;
/// `_` and sixteen hexadecimal digits.
const DIGEST_SIZE: usize = 17;

/// How the tools of a request are called in a dialect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    to: Dialect,
    /// The client speaks the dialect: its provider is the judge of what it says.
    own: bool,
}

impl Names {
    pub(super) fn of(prompt: &Prompt<'_>, to: Dialect) -> Names {
        Names { to, own: prompt.own == Some(to) }
    }

    fn keeps(self, name: &[u8]) -> bool {
        self.own || fits(self.to, name)
    }

    /// Writes a name as a string.
    pub(super) fn write(self, name: Str<'_>, rope: &mut Rope<'_>) {
        if self.keeps(name.raw()) {
            rope.str(name);
            return;
        }
        rope.with(|out| {
            out.push(b'"');
            self.replace(name.raw(), out);
            out.push(b'"');
        });
    }

    /// Tools that are called otherwise than their client calls them: so, and so.
    pub(super) fn renamed(self, prompt: &Prompt<'_>) -> Vec<Renamed> {
        let foreign = prompt.tools.iter().map(|tool| tool.name.raw()).filter(|name| !self.keeps(name));
        let pair = |name: &[u8]| {
            let mut written = Vec::with_capacity(SIZE_MAX);
            self.replace(name, &mut written);
            (written.into(), name.into())
        };
        foreign.map(pair).collect()
    }

    fn replace(self, name: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        if self.to == Dialect::Gemini && !name.first().is_some_and(u8::is_ascii_alphabetic) {
            out.push(b'_');
        }
        let room = SIZE_MAX - DIGEST_SIZE - (out.len() - start);
        out.extend(name.iter().take(room).map(|byte| if is_plain(*byte) { *byte } else { b'_' }));
        let digest = digest(name);
        out.push(b'_');
        out.extend((0..16).rev().map(|digit| b"0123456789abcdef"[(digest >> (digit * 4)) as usize & 15]));
    }
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// True when a tool may be called so in a dialect.
fn fits(dialect: Dialect, name: &[u8]) -> bool {
    let sized = (1..=SIZE_MAX).contains(&name.len());
    sized
        && match dialect {
            Dialect::Openai | Dialect::Responses | Dialect::Anthropic => name.iter().all(|byte| is_plain(*byte)),
            Dialect::Gemini => {
                (name[0].is_ascii_alphabetic() || name[0] == b'_') && name.iter().all(|byte| is_plain(*byte) || matches!(byte, b'.' | b':'))
            }
        }
}

#[cfg(test)]
mod tests;
