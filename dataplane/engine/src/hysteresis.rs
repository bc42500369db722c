//! When something that is looked at again and again is called unwell, and when it is called well.
//!
//! ```mermaid
//! stateDiagram-v2
//!     [*] --> Unknown
//!     Unknown --> Well: Good
//!     Unknown --> Doubtful: Bad
//!     Unknown --> Unwell: Last
//!     Well --> Doubtful: Bad
//!     Well --> Unwell: Last
//!     Doubtful --> Well: Good
//!     Doubtful --> Doubtful: Bad
//!     Doubtful --> Unwell: Last
//!     Unwell --> Mending: Good
//!     Unwell --> Well: Enough
//!     Mending --> Mending: Good
//!     Mending --> Well: Enough
//!     Mending --> Unwell: Bad
//! ```
//!
//! One bad result is an accident, and one good one after many bad ones is another: only so many in a
//! row move it from one side to the other.

use crate::machine::machine;

machine! {
    /// What is thought of something.
    states State {
        /// Nobody has looked.
        Unknown,
        /// All is well.
        Well,
        /// It was well, and its last results are bad.
        Doubtful,
        /// So many results in a row were bad.
        Unwell,
        /// It was unwell, and its last results are good.
        Mending,
    }
    /// What a result does.
    events Event {
        /// A good result, of which it takes more while it is unwell.
        Good,
        /// A bad result, of which it takes more while it is not.
        Bad,
        /// The bad result that makes them enough.
        Last,
        /// The good result that makes them enough.
        Enough,
    }
    moves {
        Unknown: Good => Well;
        Unknown: Bad => Doubtful;
        Unknown: Last => Unwell;
        Well: Bad => Doubtful;
        Well: Last => Unwell;
        Doubtful: Good => Well;
        Doubtful: Bad => Doubtful;
        Doubtful: Last => Unwell;
        Unwell: Good => Mending;
        Unwell: Enough => Well;
        Mending: Good => Mending;
        Mending: Enough => Well;
        Mending: Bad => Unwell;
    }
}

/// The state of one thing that is looked at, and how many results in a row speak against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hysteresis {
    state: State,
    against: u32,
}

impl Default for Hysteresis {
    fn default() -> Self {
        Hysteresis { state: State::ALL[0], against: 0 }
    }
}

impl Hysteresis {
    /// What is thought of it.
    pub fn state(&self) -> State {
        self.state
    }

    /// True while it counts as unwell.
    pub fn is_unwell(&self) -> bool {
        matches!(self.state, State::Unwell | State::Mending)
    }

    /// Takes a result in. `failures` bad ones in a row make it unwell, `successes` good ones well again; both
    /// are at least 1. True when it has changed sides by that.
    pub fn take(&mut self, good: bool, failures: u32, successes: u32) -> bool {
        let unwell = self.is_unwell();
        self.against = if good == unwell { self.against.saturating_add(1) } else { 0 };
        let event = match (unwell, good) {
            (true, true) if self.against >= successes => Event::Enough,
            (_, true) => Event::Good,
            (false, false) if self.against >= failures => Event::Last,
            (_, false) => Event::Bad,
        };
        // What changes nothing is no move: good while well, bad while unwell.
        self.state = self.state.after(event).unwrap_or(self.state);
        let changed = self.is_unwell() != unwell;
        if changed {
            self.against = 0;
        }
        changed
    }
}

#[cfg(test)]
mod tests;
