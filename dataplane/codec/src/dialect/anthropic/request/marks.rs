//! Marks for a cache: where a prompt may be cached up to.

use crate::dialect::Rope;
use crate::dialect::prompt::{Cache, Part, Prompt};

/// Anthropic refuses more.
const MARKS_MAX: usize = 4;

/// How many marks can still be written.
#[derive(Debug)]
pub(super) struct Marks {
    left: usize,
    /// Marks of the messages, all of them.
    told: usize,
    /// Marks to pass over: of too many in the messages, the last ones cover the most.
    skip: usize,
    /// A short one was written; no long one may follow.
    short: bool,
}

impl Marks {
    pub(super) fn of(prompt: &Prompt<'_>) -> Marks {
        let told = prompt.turns.iter().flat_map(|turn| &turn.parts).map(count).sum();
        Marks { left: MARKS_MAX, told, skip: 0, short: false }
    }

    /// The marks of tools and of the system prompt are written.
    pub(super) fn begin_messages(&mut self) {
        self.skip = self.told.saturating_sub(self.left);
    }

    /// Writes a mark as a member of what it stands on.
    pub(super) fn write(&mut self, cache: Option<Cache>, rope: &mut Rope<'_>) {
        let Some(cache) = cache else { return };
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        rope.key("cache_control").open_object().key("type").text("ephemeral");
        if cache == Cache::Long && !self.short {
            rope.key("ttl").text("1h");
        } else {
            self.short = true;
        }
        rope.close_object();
    }
}

fn count(part: &Part<'_>) -> usize {
    match part {
        Part::Text { cache, .. } | Part::Image { cache, .. } | Part::Document { cache, .. } => usize::from(cache.is_some()),
        Part::Outcome(outcome) => usize::from(outcome.cache.is_some()) + outcome.parts.iter().map(count).sum::<usize>(),
        Part::Audio { .. } | Part::Call(_) | Part::Thought(_) | Part::Refusal(_) => 0,
    }
}
