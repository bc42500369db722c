//! A prompt that is too long, made to fit: what is oldest goes first.
//!
//! The system prompt, the tools, the first thing that the user said and the last turns stay as they are. Of what
//! lies between, the oldest answers of tools are replaced by a word that says so, and then the oldest turns go
//! whole. A call and its outcome are one: both stay, or both go.

use super::prompt::{Outcome, Part, Prompt, Role};
use crate::json::Str;
use std::borrow::Cow;
use std::collections::HashMap;

mod summary;

pub use summary::{Useless, compact_with, question, read_summary, room, transcript};

/// Stands in the place of what a tool answered.
const MARKER: Str<'static> = Str::plain("[left out: too long ago]");
/// What is not text is taken for so many bytes: nobody knows what it costs to read.
const MEDIA_BYTES: u64 = 4_800;

/// What was left out of a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Turns that went whole.
    pub turns: u32,
    /// Answers of tools that were replaced, in those turns too.
    pub outcomes: u32,
    /// Bytes that went.
    pub bytes: u64,
    /// Bytes of a summary that stands in their place; 0 is none.
    pub summary: u32,
}

/// About how many bytes a prompt has to be read.
pub fn size(prompt: &Prompt<'_>) -> u64 {
    let media: usize = prompt.system.iter().chain(prompt.turns.iter().flat_map(|turn| &turn.parts)).map(media).sum();
    prompt.text_bytes() + media as u64 * MEDIA_BYTES
}

fn media(part: &Part<'_>) -> usize {
    match part {
        Part::Image { .. } | Part::Audio { .. } => 1,
        Part::Document { source, .. } => usize::from(!matches!(source, super::prompt::Source::Text(_))),
        Part::Outcome(outcome) => outcome.parts.iter().map(media).sum(),
        Part::Text { .. } | Part::Call(_) | Part::Thought(_) | Part::Refusal(_) => 0,
    }
}

fn weight(part: &Part<'_>) -> u64 {
    part.text_bytes() as u64 + media(part) as u64 * MEDIA_BYTES
}

/// The least that [`compact`] can make of a prompt, in bytes.
pub fn least(prompt: &Prompt<'_>, keep_turns: usize) -> u64 {
    let mut rest = prompt.clone();
    compact(&mut rest, keep_turns, 0);
    size(&rest)
}

/// Leaves out what is oldest until the prompt has no more than `bytes_max`, or nothing is left that may go, and
/// tells what went. The last `keep_turns` turns stay.
pub fn compact(prompt: &mut Prompt<'_>, keep_turns: usize, bytes_max: u64) -> Compacted {
    let (told, gone) = blank_oldest(prompt, keep_turns, bytes_max);
    let mut at = 0;
    prompt.turns.retain(|_| {
        at += 1;
        !gone[at - 1]
    });
    told
}

/// Replaces the oldest answers of tools, and tells what goes with the turns that are to go as well: which those are,
/// by turn.
fn blank_oldest(prompt: &mut Prompt<'_>, keep_turns: usize, bytes_max: u64) -> (Compacted, Vec<bool>) {
    let before = size(prompt);
    let mut bytes = before;
    let mut told = Compacted::default();
    let pairs = Pairs::of(prompt);
    let free = free(prompt, keep_turns, &pairs);
    for at in (0..free.len()).filter(|at| free[*at]) {
        for part in &mut prompt.turns[at].parts {
            if bytes <= bytes_max {
                break;
            }
            bytes -= blank(part, &mut told);
        }
    }
    let mut gone = vec![false; free.len()];
    for at in (0..free.len()).filter(|at| free[*at]) {
        if bytes <= bytes_max {
            break;
        }
        for one in pairs.with(at) {
            if !std::mem::replace(&mut gone[one], true) {
                bytes -= prompt.turns[one].parts.iter().map(weight).sum::<u64>();
                told.turns += 1;
            }
        }
    }
    told.bytes = before - bytes;
    (told, gone)
}

/// Replaces what a tool answered, when that is longer than what stands for it, and tells how many bytes that spares.
fn blank(part: &mut Part<'_>, told: &mut Compacted) -> u64 {
    let before = weight(part);
    let Part::Outcome(outcome) = part else { return 0 };
    if before <= MARKER.raw().len() as u64 {
        return 0;
    }
    let Outcome { parts, object, .. } = outcome;
    *object = None;
    *parts = vec![Part::Text { text: MARKER, cache: None }];
    told.outcomes += 1;
    before - weight(part)
}

/// Which turns may go: those between the user's first and the last ones, and nothing that one of those is a pair
/// with.
fn free(prompt: &Prompt<'_>, keep_turns: usize, pairs: &Pairs) -> Vec<bool> {
    let count = prompt.turns.len();
    let mut free = vec![true; count];
    // Whoever speaks last is answered.
    free[count.saturating_sub(keep_turns.max(1))..].fill(false);
    let said = |part: &Part<'_>| !matches!(part, Part::Outcome(_));
    let first = prompt.turns.iter().position(|turn| turn.role == Role::User && turn.parts.iter().any(said));
    if let Some(first) = first {
        free[first] = false;
    }
    let stays: Vec<usize> = (0..count).filter(|at| !free[*at]).collect();
    for at in stays {
        for one in pairs.with(at) {
            free[one] = false;
        }
    }
    free
}

/// Turns that hold calls and their outcomes, which stay or go together.
struct Pairs {
    /// By turn: the least turn of those that it goes with.
    group: Vec<usize>,
    /// By least turn: all of the group, ascending; empty for the others.
    members: Vec<Vec<usize>>,
}

impl Pairs {
    fn of(prompt: &Prompt<'_>) -> Pairs {
        let count = prompt.turns.len();
        let mut group: Vec<usize> = (0..count).collect();
        let mut calls: HashMap<Cow<'_, str>, usize> = HashMap::new();
        let mut last_call = None;
        for (at, turn) in prompt.turns.iter().enumerate() {
            for part in &turn.parts {
                let call = match part {
                    Part::Call(call) => {
                        last_call = Some(at);
                        if let Some(id) = call.id {
                            calls.insert(id.decode(), at);
                        }
                        continue;
                    }
                    // Who has no ids answers the calls before it.
                    Part::Outcome(outcome) => outcome.id.and_then(|id| calls.get(&id.decode()).copied()).or(last_call),
                    _ => continue,
                };
                if let Some(call) = call {
                    let (one, other) = (root(&mut group, call), root(&mut group, at));
                    group[one.max(other)] = one.min(other);
                }
            }
        }
        let mut members = vec![Vec::new(); count];
        for at in 0..count {
            let least = root(&mut group, at);
            group[at] = least;
            members[least].push(at);
        }
        Pairs { group, members }
    }

    /// A turn, and all that it goes with.
    fn with(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        self.members[self.group[at]].iter().copied()
    }
}

/// The least turn of a group; the way there is shortened for who comes next.
fn root(group: &mut [usize], mut at: usize) -> usize {
    while group[at] != at {
        group[at] = group[group[at]];
        at = group[at];
    }
    at
}

#[cfg(test)]
mod tests;
