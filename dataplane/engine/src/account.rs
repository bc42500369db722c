//! The decision record: everything that explains one answer, and nothing of its content.
//!
//! A small value that is pushed through a ring to the recorder, which turns ids into names with the
//! snapshot of the same generation.

use crate::{
    exchange::{CANDIDATES_FEW, Candidate, Exchange, Skip, State, TRAIL_FEW, Trail, trail::End},
    few::Few,
    moment::Moment,
    prepared::Way,
};
use codec::{dialect::compact::Compacted, json::Finish};
use policy::{ChainId, Money, TargetId, TenantId};

/// How an exchange ended for the tenant. There is exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer, to its proper end.
    Answered,
    /// With a provider's own error answer.
    Relayed,
    /// With an answer of the gateway's own: an estimate of what no provider counted.
    Estimated,
    /// With a text of the operator's.
    Templated,
    /// With an earlier answer to the identical request.
    Earlier,
    /// With an error answer of the gateway's own.
    OwnError {
        /// Its `error.code`.
        code: &'static str,
    },
    /// The tenant hung up first.
    HungUp,
    /// With an answer that broke off after it had begun, and said so.
    Cut,
    /// By the end of the process, which waited for it as long as it may.
    Stopped,
}

impl Outcome {
    /// The word that records and metrics use.
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Relayed => "relayed",
            Outcome::Estimated => "estimated",
            Outcome::Templated => "template",
            Outcome::Earlier => "earlier",
            Outcome::OwnError { .. } => "error",
            Outcome::HungUp => "hung_up",
            Outcome::Cut => "cut",
            Outcome::Stopped => "stopped",
        }
    }
}

/// How an answer says that it ended. Of several choices, what is further down here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// It was done.
    Stop,
    /// In a way that is not known here.
    Other,
    /// It wants tools to be called.
    Tools,
    /// The limit on tokens was reached.
    Length,
    /// The provider gave up.
    Error,
    /// A filter stopped it. Some dialects tell of a refusal by the same word.
    ContentFilter,
    /// The model refused.
    Refusal,
}

impl Ending {
    /// The word that records use.
    pub const fn word(self) -> &'static str {
        match self {
            Ending::Stop => "stop",
            Ending::Other => "other",
            Ending::Tools => "tools",
            Ending::Length => "length",
            Ending::Error => "error",
            Ending::ContentFilter => "content_filter",
            Ending::Refusal => "refusal",
        }
    }
}

impl From<Finish> for Ending {
    fn from(finish: Finish) -> Ending {
        match finish {
            Finish::Stop => Ending::Stop,
            Finish::Length => Ending::Length,
            Finish::ToolCalls => Ending::Tools,
            Finish::ContentFilter => Ending::ContentFilter,
            Finish::Error => Ending::Error,
            Finish::Other => Ending::Other,
        }
    }
}

/// What only the one who moved the bytes knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Status that the tenant got, 0 for none.
    pub status: u16,
    /// Tokens of the prompt, as the provider counted them.
    pub tokens_in: u32,
    /// Tokens of the answer, as the provider counted them.
    pub tokens_out: u32,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Time that the gateway itself took, in nanoseconds.
    pub overhead_ns: u64,
    /// What all attempts cost, as far as prices are known.
    pub cost: Money,
    /// What of it was for attempts that failed.
    pub failed_cost: Money,
    /// The price of something that was asked is known.
    pub priced: bool,
    /// What was left out of the prompt, where nobody could read all of it.
    pub compacted: Option<Compacted>,
    /// How the answer says that it ended, where it does, and was read to its end.
    pub ending: Option<Ending>,
}

/// What was left out of a prompt, in a few words: by whom, or why there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Who was asked, if anybody was.
    pub target: Option<TargetId>,
    /// Why there is none; empty when there is one.
    pub why: &'static str,
    /// Bytes that it has.
    pub bytes: u32,
    /// How long it took, in milliseconds.
    pub ms: u32,
    /// Tokens that were read for it, as the provider counted them.
    pub tokens_in: u32,
    /// Tokens that it has, as the provider counted them.
    pub tokens_out: u32,
    /// What of the exchange's cost was for it.
    pub cost: Money,
}

/// A candidate as it is written down.
#[derive(Clone, Copy, Debug)]
struct Considered {
    target: TargetId,
    skip: crate::exchange::candidate::Packed,
}

/// One decision record.
#[derive(Clone, Debug)]
pub struct Record {
    /// The generation whose ids these are.
    pub generation: u64,
    /// Number of the request, given by who moved the bytes.
    pub request: u64,
    /// The chain.
    pub chain: ChainId,
    /// How the request came to it.
    pub way: Way,
    /// Who asked.
    pub tenant: Option<TenantId>,
    /// The answer was to be a stream.
    pub stream: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// What was measured.
    pub measures: Measures,
    /// What was asked for in the place of what was left out. Boxed: rare.
    pub summary: Option<Box<Summary>>,
    /// When it began.
    pub started: Moment,
    /// From the beginning to the end, in nanoseconds.
    pub total_ns: u64,
    /// Attempts that counted against the cap …
    pub attempts_made: u8,
    /// … which was this.
    pub attempts_max: u8,
    candidates: Few<Considered, CANDIDATES_FEW>,
    trail: Few<Trail, TRAIL_FEW>,
}

// One is written and read for every exchange, in a ring of many: a larger one would push all else
// out of the cache.
const _: () = assert!(size_of::<Record>() <= 384);

/// What is wrong with a record: a promise of ours that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// More attempts than the cap allows.
    TooManyAttempts,
    /// An attempt that never ended.
    StillRunning,
    /// An attempt after one that answered, or that the tenant left.
    AfterTheEnd,
    /// More than one attempt that does not count.
    TwiceStale,
    /// An answer without an attempt that answered, or the other way round.
    OutcomeDiffers,
    /// More than one attempt beside another, or one that was outrun by none.
    TooManyBeside,
    /// An attempt ended before it began, or began before the one before it ended.
    TimeRunsBack,
}

impl Record {
    /// Writes down an exchange that is over.
    // Inlined so that it is made where it stays.
    #[inline]
    pub fn of(exchange: &Exchange, request: u64, outcome: Outcome, measures: Measures, now: Moment) -> Record {
        let blank = Considered { target: TargetId(0), skip: Candidate::BLANK.skip };
        let mut candidates = Few::new(blank, exchange.candidates().len());
        for candidate in exchange.candidates() {
            candidates.push(Considered { target: candidate.target, skip: candidate.skip });
        }
        let mut trail = Few::new(Trail::BLANK, exchange.trail().len());
        exchange.trail().iter().for_each(|attempt| trail.push(*attempt));
        Record {
            generation: exchange.generation(),
            request,
            chain: exchange.chain(),
            way: exchange.way(),
            tenant: exchange.tenant(),
            stream: exchange.is_stream(),
            outcome,
            measures,
            summary: None,
            started: exchange.started(),
            total_ns: now.since(exchange.started()),
            attempts_made: exchange.attempts_made(),
            attempts_max: exchange.attempts_max(),
            candidates,
            trail,
        }
    }

    /// The targets of the chain, in order, with why each was not asked when it was last looked at.
    pub fn candidates(&self) -> impl Iterator<Item = (TargetId, Option<Skip>)> + '_ {
        self.candidates.iter().map(|one| (one.target, one.skip.get()))
    }

    /// The attempts, in order.
    pub fn attempts(&self) -> &[Trail] {
        &self.trail
    }

    /// The target of an attempt.
    pub fn target(&self, attempt: &Trail) -> TargetId {
        self.candidates[usize::from(attempt.candidate)].target
    }

    /// How long the attempts took that failed, in microseconds.
    pub fn failed_us(&self) -> u64 {
        let failed = self.attempts().iter().filter(|attempt| matches!(attempt.end, End::Failed(_)));
        failed.map(|attempt| u64::from(attempt.end_us.saturating_sub(attempt.begun_us))).sum()
    }

    /// Checks what every record must hold.
    ///
    /// # Errors
    /// The first [`Flaw`] that is found.
    pub fn validate(&self) -> Result<(), Flaw> {
        let ends = |end: End| self.attempts().iter().filter(|attempt| attempt.end == end).count();
        let (stale, answered, abandoned) = (ends(End::Stale), ends(End::Answered), ends(End::Abandoned));
        if self.attempts_made > self.attempts_max || self.attempts().len() != usize::from(self.attempts_made) + stale {
            return Err(Flaw::TooManyAttempts);
        }
        if ends(End::Running) > 0 {
            return Err(Flaw::StillRunning);
        }
        if stale > 1 {
            return Err(Flaw::TwiceStale);
        }
        self.is_in_order()?;
        // Of two that ran beside each other, either may have been the last to end.
        let beside = self.attempts().iter().any(|attempt| attempt.hedge);
        let says = |end: &End| !beside || !matches!(end, End::Outrun | End::Stale);
        let last = self.attempts().iter().rev().map(|attempt| attempt.end).find(says);
        let fits = match self.outcome {
            Outcome::Answered => answered == 1,
            Outcome::Relayed | Outcome::Cut => matches!(last, Some(End::Failed(_))),
            Outcome::OwnError { .. } | Outcome::Estimated | Outcome::Templated | Outcome::Earlier => answered == 0 && abandoned == 0,
            Outcome::HungUp | Outcome::Stopped => answered == 0,
        };
        if !fits {
            return Err(Flaw::OutcomeDiffers);
        }
        Ok(())
    }

    /// Attempts follow each other, but for one that begins beside the one before it; and nothing follows an
    /// end.
    fn is_in_order(&self) -> Result<(), Flaw> {
        let (mut begun, mut clock, mut over) = (0, 0, None::<u32>);
        for attempt in self.attempts() {
            let least = if attempt.hedge { begun } else { clock };
            if attempt.begun_us < least || attempt.end_us < attempt.begun_us {
                return Err(Flaw::TimeRunsBack);
            }
            // Beside an attempt, another one may have begun before that came to its end.
            if over.is_some_and(|at| !attempt.hedge || attempt.begun_us > at) {
                return Err(Flaw::AfterTheEnd);
            }
            if matches!(attempt.end, End::Answered | End::Abandoned) {
                over = Some(attempt.end_us);
            }
            (begun, clock) = (attempt.begun_us, clock.max(attempt.end_us));
        }
        let hedges = self.attempts().iter().filter(|attempt| attempt.hedge).count();
        let outrun = self.attempts().iter().filter(|attempt| attempt.end == End::Outrun).count();
        if hedges > 1 || outrun > hedges { Err(Flaw::TooManyBeside) } else { Ok(()) }
    }
}

impl Exchange {
    /// True when it is over and may be written down.
    pub fn is_over(&self) -> bool {
        matches!(self.state(), State::Surrendered | State::Cut | State::Ended)
    }
}

#[cfg(test)]
mod tests;
