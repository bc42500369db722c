//! What a credential is to one target of its provider, and what makes it something else.
//!
//! ```mermaid
//! stateDiagram-v2
//!     [*] --> Usable
//!     Usable --> Usable: Ask
//!     Usable --> Spent: Spare
//!     Usable --> Limited: Exhaust
//!     Usable --> Paused: Pause
//!     Usable --> Denied: Deny
//!     Usable --> Out: Refuse
//!     Spent --> Spent: Ask
//!     Spent --> Spent: Spare
//!     Spent --> Limited: Exhaust
//!     Spent --> Paused: Pause
//!     Spent --> Denied: Deny
//!     Spent --> Out: Refuse
//!     Spent --> Usable: Lapse
//!     Spent --> Usable: Restore
//!     Limited --> Limited: Spare
//!     Limited --> Limited: Exhaust
//!     Limited --> Paused: Pause
//!     Limited --> Denied: Deny
//!     Limited --> Out: Refuse
//!     Limited --> Spent: Lapse
//!     Limited --> Usable: Restore
//!     Paused --> Paused: Spare
//!     Paused --> Paused: Exhaust
//!     Paused --> Paused: Pause
//!     Paused --> Denied: Deny
//!     Paused --> Out: Refuse
//!     Paused --> Limited: Lapse
//!     Paused --> Usable: Restore
//!     Denied --> Denied: Spare
//!     Denied --> Denied: Exhaust
//!     Denied --> Denied: Pause
//!     Denied --> Denied: Deny
//!     Denied --> Out: Refuse
//!     Denied --> Paused: Lapse
//!     Denied --> Usable: Restore
//!     Out --> Out: Spare
//!     Out --> Out: Exhaust
//!     Out --> Out: Pause
//!     Out --> Out: Deny
//!     Out --> Out: Refuse
//!     Out --> Denied: Lapse
//!     Out --> Usable: Restore
//! ```
//!
//! What is told of a credential holds until a moment, and each state has a word of its own for that: what it is told
//! in a worse state is not lost. So it is in the worst state whose moment is ahead, and when that has passed it comes
//! down step by step to the next that holds. Whether an attempt may be made with it is what the machine says to
//! [`Event::Ask`]; nothing else in the engine decides that.

use crate::{
    board::Pause,
    denials::Denials,
    machine::machine,
    moment::{Moment, NS_PER_US},
    quota::Quota,
};
use policy::{Class, Key, TargetId};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

machine! {
    /// What a credential is to one target.
    states State {
        /// Nothing speaks against it.
        Usable,
        /// Nothing remains of its limits, its provider says. It is asked when no other can be.
        Spent,
        /// It has used what the operator grants it.
        Limited,
        /// Its provider said "later".
        Paused,
        /// It may not use this target, and may use others.
        Denied,
        /// It was refused, or its account cannot pay.
        Out,
    }
    /// What moves it.
    events Event {
        /// An attempt is made with it.
        Ask,
        /// An answer says that nothing remains.
        Spare,
        /// What the operator grants it is used up.
        Exhaust,
        /// It is told to come later.
        Pause,
        /// It is refused for this target.
        Deny,
        /// It is refused for everything.
        Refuse,
        /// The moment of its state has come, or what was used of its limits was given back.
        Lapse,
        /// Its bytes were replaced.
        Restore,
    }
    moves {
        Usable: Ask => Usable;
        Usable: Spare => Spent;
        Usable: Exhaust => Limited;
        Usable: Pause => Paused;
        Usable: Deny => Denied;
        Usable: Refuse => Out;
        Spent: Ask => Spent;
        Spent: Spare => Spent;
        Spent: Exhaust => Limited;
        Spent: Pause => Paused;
        Spent: Deny => Denied;
        Spent: Refuse => Out;
        Spent: Lapse => Usable;
        Spent: Restore => Usable;
        Limited: Spare => Limited;
        Limited: Exhaust => Limited;
        Limited: Pause => Paused;
        Limited: Deny => Denied;
        Limited: Refuse => Out;
        Limited: Lapse => Spent;
        Limited: Restore => Usable;
        Paused: Spare => Paused;
        Paused: Exhaust => Paused;
        Paused: Pause => Paused;
        Paused: Deny => Denied;
        Paused: Refuse => Out;
        Paused: Lapse => Limited;
        Paused: Restore => Usable;
        Denied: Spare => Denied;
        Denied: Exhaust => Denied;
        Denied: Pause => Denied;
        Denied: Deny => Denied;
        Denied: Refuse => Out;
        Denied: Lapse => Paused;
        Denied: Restore => Usable;
        Out: Spare => Out;
        Out: Exhaust => Out;
        Out: Pause => Out;
        Out: Deny => Out;
        Out: Refuse => Out;
        Out: Lapse => Denied;
        Out: Restore => Usable;
    }
}

/// Who looks: an attempt at a target, of so many tokens.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Where it is to be made.
    pub target: TargetId,
    /// Tokens that it takes of the credential's limit.
    pub charge: u64,
    /// When.
    pub now: Moment,
}

/// One credential. Words as [`pack`] has them.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub struct Credential {
    /// When the last of what was told is over, in nanoseconds: nearly always it was long ago, or never.
    last: AtomicU64,
    out: AtomicU64,
    pause: AtomicU64,
    spent: AtomicU64,
    /// What was used of its own limits.
    pub quota: Quota,
    denials: Denials,
}

/// `microseconds (56 bits) | class (8 bits)`, so that the later of two moments is the larger word; 0 is never. Rounded
/// up: a pause that ends early would be an attempt before its time.
pub(crate) fn pack(moment: Moment, what: u8) -> u64 {
    moment.0.div_ceil(NS_PER_US).min((1 << 56) - 1) << 8 | u64::from(what)
}

pub(crate) fn moment_of(word: u64) -> Moment {
    Moment((word >> 8).saturating_mul(NS_PER_US))
}

pub(crate) fn unpack(word: u64) -> Option<Pause> {
    let class = *Class::ALL.get((word & 0xff) as usize)?;
    (word != 0).then(|| Pause { until: moment_of(word), class })
}

pub(crate) fn current(word: &AtomicU64, now: Moment) -> Option<Pause> {
    unpack(word.load(Relaxed)).filter(|pause| now < pause.until)
}

impl Credential {
    /// What it is.
    #[inline]
    pub fn state(&self, key: &Key, look: Look) -> State {
        if look.now.0 >= self.last.load(Relaxed) && !key.is_limited() { State::ALL[0] } else { self.worst(key, look) }
    }

    /// From the worst state down to the first that holds.
    #[cold]
    fn worst(&self, key: &Key, look: Look) -> State {
        let mut state = State::Out;
        while state != State::Usable && self.until(state, key, look).is_none() {
            state = state.after(Event::Lapse).expect("what is not usable comes down a step when its moment has come");
        }
        state
    }

    /// Until when a state holds, where it does, whether or not there is a worse one.
    pub fn until(&self, state: State, key: &Key, look: Look) -> Option<Moment> {
        let pause = match state {
            State::Usable => None,
            State::Limited => return self.quota.lacks(key, look.charge, look.now),
            State::Denied => self.denials.of(look.target, look.now),
            State::Spent => current(&self.spent, look.now),
            State::Paused => current(&self.pause, look.now),
            State::Out => current(&self.out, look.now),
        };
        pause.map(|pause| pause.until)
    }

    /// Hears that something holds until a moment. True when it did not before, or that is past: nobody tells twice of
    /// what goes on.
    fn hears(&self, event: Event, until: Moment, class: Class, now: Moment) -> bool {
        let state = State::Usable.after(event).expect("whatever is said of a usable credential moves it");
        let word = match state {
            State::Spent => &self.spent,
            State::Paused => &self.pause,
            State::Out => &self.out,
            State::Usable | State::Limited | State::Denied => unreachable!("{state:?} is not what was said of all of it"),
        };
        // Of two moments the later counts.
        let before = word.fetch_max(pack(until, class as u8), Relaxed);
        self.lasts(moment_of(pack(until, 0)));
        unpack(before).is_none_or(|pause| pause.until <= now)
    }

    fn lasts(&self, until: Moment) {
        self.last.fetch_max(until.0, Relaxed);
    }

    /// Nothing remains of its limits until then. True when that is news.
    pub fn spare(&self, until: Moment, now: Moment) -> bool {
        self.hears(Event::Spare, until, Class::RateLimit, now)
    }

    /// It is left alone until then.
    pub fn pause(&self, until: Moment, class: Class) {
        let event = if class == Class::RateLimit { Event::Pause } else { Event::Refuse };
        self.hears(event, until, class, Moment::START);
    }

    /// It is left alone for one target until then: it is good for others.
    pub fn deny(&self, target: TargetId, until: Moment, class: Class) {
        self.lasts(self.denials.add(target, until, class));
    }

    /// What an attempt takes of its limits, where the machine lets one be made; else nothing, and false.
    #[inline]
    pub fn ask(&self, key: &Key, look: Look) -> bool {
        self.state(key, look).after(Event::Ask).is_some() && self.quota.take(key, look.charge, look.now)
    }

    /// Why it is left alone at all targets, and until when.
    pub fn paused(&self, now: Moment) -> Option<Pause> {
        current(&self.out, now).or_else(|| current(&self.pause, now))
    }

    /// Why it is left alone at a target, by word of its provider, and until when: the worst of what was said.
    #[inline]
    pub fn refused(&self, target: TargetId, now: Moment) -> Option<Pause> {
        if now.0 >= self.last.load(Relaxed) {
            return None;
        }
        current(&self.out, now).or_else(|| self.denials.of(target, now)).or_else(|| current(&self.pause, now))
    }

    /// Of the targets that it is left alone for, the one that lasts longest.
    pub fn denied(&self, now: Moment) -> Option<Pause> {
        self.denials.longest(now)
    }

    /// Until when nothing remains of its limits, its provider says.
    pub fn spent(&self, now: Moment) -> Option<Moment> {
        current(&self.spent, now).map(|pause| pause.until)
    }

    /// Its bytes were replaced: whatever was told is of another one.
    pub fn restore(&self) {
        for word in [&self.out, &self.pause, &self.spent, &self.last] {
            word.store(0, Relaxed);
        }
        self.denials.reset();
        self.quota.reset();
    }
}

const _: () = assert!(size_of::<Credential>() == 128);

#[cfg(test)]
mod tests;
