//! Which member of a step a session is at home with.
//!
//! Weighted rendezvous hashing (Thaler and Ravishankar 1998; the weights as by Schindelhauer and Schomaker
//! 2005): each member draws a number from the session and its own id, and the largest is home. Nothing is
//! remembered, every shard finds the same, and when a member fails only its own sessions move, spread over
//! the others. Load is bounded as in Mirrokni, Thorup and Zadimoghaddam 2018: a home that is much busier than
//! its share passes on what comes, so that one large prefix cannot drown one member.
//!
//! Over the steps of a chain nothing is drawn, since they have an order: a session begins with the first one that
//! can be asked, and where the chain has it stay, goes on with whoever answered it.

use super::{Attempt, Exchange, balance::Choice, choose::Manner};
use crate::{board::Board, moment::Moment, prepared::Prepared};
use policy::{TargetId, chain::Affinity};

/// A member may have so many times its share of the attempts in flight …
const LOAD_BOUND: f64 = 1.25;
/// … and so many more, since shares of little say little.
const LOAD_SLACK: f64 = 4.0;

/// A session: a hash of what makes its requests one. Zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session(u64);

impl Session {
    /// The session of a hash.
    pub const fn of(hash: u64) -> Session {
        // One hash in 2^64 shares its home with another.
        Session(if hash == 0 { 1 } else { hash })
    }

    /// True when there is none.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Bits that are the same for all of its requests, and have nothing to do with where it is at home.
    pub(super) const fn drawn(self) -> u64 {
        mix(self.0 ^ 0x5354_414e_4442_5921)
    }

    /// Where it is found in a table of `slots` entries, and what tells it from others there.
    pub(crate) const fn place(self, slots: usize) -> (usize, u64) {
        (self.0 as usize % slots, self.0 >> 14)
    }
}

impl Exchange {
    /// The first attempt, where the session stays with a target of some step, as its chain says, and that can
    /// be asked.
    #[inline]
    pub(super) fn at_home(&mut self, prepared: &Prepared, board: &Board, now: Moment, random: &mut impl FnMut() -> u64) -> Option<Attempt> {
        if self.session.is_none() || !self.trail.is_empty() || !self.rules(prepared).affinity.is_some_and(|affinity| affinity.stays) {
            return None;
        }
        let home = board.home(self.session)?;
        let at = self.candidates().iter().position(|candidate| candidate.target == home)?;
        self.look(prepared, board, at, now).ok()?;
        self.open(prepared, board, at, Manner::default(), now, random)
    }

    /// True when its session is at home with a target that only says nothing at the moment: it goes back there.
    pub(super) fn is_away(&self, board: &Board) -> bool {
        let silent = |candidate: &super::Candidate| matches!(candidate.skip(), Some(super::Skip::Silent { .. }));
        let home = || board.home(self.session);
        self.candidates.iter().any(|candidate| silent(candidate) && home() == Some(candidate.target))
    }

    /// True when a session stays with the target of a candidate that has answered it.
    pub(super) fn stays(&self, prepared: &Prepared, candidate: u8) -> bool {
        let chain = self.rules(prepared);
        let step = &chain.steps[usize::from(self.candidates[usize::from(candidate)].step)];
        [chain.affinity, step.affinity].into_iter().flatten().any(|affinity| affinity.stays)
    }
}

/// Picks among `count >= 1` choices, which `choice` looks up with their ids.
pub(super) fn pick<'a>(
    affinity: Affinity,
    session: Session,
    board: &Board,
    count: usize,
    choice: &dyn Fn(usize) -> (TargetId, Choice<'a>),
) -> usize {
    if affinity.stays
        && let Some(home) = board.home(session)
        && let Some(at) = (0..count).find(|at| choice(*at).0 == home)
    {
        return at;
    }
    let (mut weights, mut loads) = (0.0, 0.0);
    for at in 0..count {
        let (_, one) = choice(at);
        weights += f64::from(one.weight.max(1));
        loads += f64::from(one.row.in_flight());
    }
    // Of those with room the one that draws highest; somebody always has room, since not all are above the
    // average.
    let mut best = (f64::NEG_INFINITY, 0);
    for at in 0..count {
        let (id, one) = choice(at);
        let weight = f64::from(one.weight.max(1));
        let share = (loads + 1.0) * weight / weights;
        if f64::from(one.row.in_flight()) > share * LOAD_BOUND + LOAD_SLACK {
            continue;
        }
        let drawn = draw(session, id, weight);
        if drawn > best.0 {
            best = (drawn, at);
        }
    }
    best.1
}

/// `-weight / ln(u)` for `u` between 0 and 1, drawn from both: the chance to be the largest is the weight's
/// share.
fn draw(session: Session, id: TargetId, weight: f64) -> f64 {
    let mixed = mix(session.0 ^ mix(u64::from(id.0) + 1));
    let unit = ((mixed >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -weight / unit.ln()
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
