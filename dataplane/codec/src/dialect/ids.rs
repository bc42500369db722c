//! Ids of tool calls, which every dialect writes in its own way.
//!
//! An id that a dialect would refuse is replaced by a digest of itself, so that a call and its
//! answer, in this request or a later one, still agree. Where there is none, calls are counted.

use super::Rope;
use super::prompt::{Call, Outcome, Part, Prompt};
use crate::json::Str;
use std::collections::{HashMap, VecDeque};

/// What an id may look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdRule {
    /// Any text (OpenAI, Gemini).
    Free,
    /// 1 to 64 letters, digits, `_` and `-` (Anthropic).
    Word,
    /// Nine letters and digits (Mistral).
    Short,
}

/// The ids of the calls of a request.
#[derive(Debug)]
pub struct Ids {
    rule: IdRule,
    /// Of calls and answers without an id: turn, part, and the number of the call; in that order.
    counted: Vec<(usize, usize, usize)>,
    /// Of those whose id was another call's before: turn, part, and how often it was. Some models number
    /// their calls anew in every turn, and some dialects refuse an id that comes twice.
    again: Vec<(usize, usize, u64)>,
}

impl Ids {
    /// Numbers the calls that have no id, and finds the answers to them: to the first call of the same tool
    /// that has none yet.
    pub fn of(prompt: &Prompt<'_>, rule: IdRule) -> Ids {
        let mut counted = Vec::new();
        let mut again = Vec::new();
        let mut seen: HashMap<&[u8], u64> = HashMap::new();
        let mut waiting: HashMap<&[u8], VecDeque<usize>> = HashMap::new();
        for (turn, said) in prompt.turns.iter().enumerate() {
            for (part, what) in said.parts.iter().enumerate() {
                match what {
                    Part::Call(call) if call.id.is_none() => {
                        let number = counted.len();
                        waiting.entry(call.name.raw()).or_default().push_back(number);
                        counted.push((turn, part, number));
                    }
                    Part::Call(Call { id: Some(id), .. }) => {
                        let before = seen.entry(id.raw()).and_modify(|count| *count += 1).or_default();
                        if *before > 0 {
                            again.push((turn, part, *before));
                        }
                    }
                    Part::Outcome(Outcome { id: Some(id), .. }) => {
                        if let Some(&before) = seen.get(id.raw()).filter(|before| **before > 0) {
                            again.push((turn, part, before));
                        }
                    }
                    Part::Outcome(outcome) if outcome.id.is_none() => {
                        let of_tool = outcome.name.and_then(|name| waiting.get_mut(name.raw()));
                        let number = of_tool.and_then(VecDeque::pop_front).unwrap_or(counted.len());
                        counted.push((turn, part, number));
                    }
                    _ => {}
                }
            }
        }
        Ids { rule, counted, again }
    }

    /// Writes the id of a call or of an answer to one, as a string.
    pub fn write(&self, rope: &mut Rope<'_>, turn: usize, part: usize, id: Option<Str<'_>>) {
        let found = self.counted.binary_search_by_key(&(turn, part), |(turn, part, _)| (*turn, *part));
        let number = found.ok().map(|at| self.counted[at].2);
        let again = self.again.binary_search_by_key(&(turn, part), |(turn, part, _)| (*turn, *part));
        // Where any text will do, neighbours belong together, whatever came before.
        let before = again.ok().filter(|_| self.rule != IdRule::Free).map_or(0, |at| self.again[at].2);
        rope.with(|out| {
            out.push(b'"');
            match id {
                Some(id) if before > 0 => mint(self.rule, digest(id.raw()).wrapping_add(before), out),
                Some(id) if fits(self.rule, id.raw()) => out.extend_from_slice(id.raw()),
                Some(id) => mint(self.rule, digest(id.raw()), out),
                None => mint(self.rule, number.unwrap_or_default() as u64, out),
            }
            out.push(b'"');
        });
    }
}

/// True when the rule allows `id`.
pub fn fits(rule: IdRule, id: &[u8]) -> bool {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'-';
    match rule {
        IdRule::Free => true,
        IdRule::Word => (1..=64).contains(&id.len()) && id.iter().all(word),
        IdRule::Short => id.len() == 9 && id.iter().all(u8::is_ascii_alphanumeric),
    }
}

/// Appends an id that every dialect of the rule accepts, made from a number.
pub fn mint(rule: IdRule, number: u64, out: &mut Vec<u8>) {
    let (digits, base): (u32, u64) = if rule == IdRule::Short { (9, 36) } else { (16, 16) };
    if rule != IdRule::Short {
        out.extend_from_slice(b"call_");
    }
    let alphabet = b"0123456789abcdefghijklmnopqrstuvwxyz";
    out.extend((0..digits).rev().map(|at| alphabet[(number / base.pow(at) % base) as usize]));
}

/// FNV-1a: to tell ids apart, not to hide them.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
