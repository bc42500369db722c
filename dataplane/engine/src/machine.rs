//! Declares a state machine: its states, what moves it, and every move that is legal.
//!
//! The declaration is the whole truth: code asks `after` for the next state and treats `None`
//! as a broken promise, and a test holds the drawing against what the documentation shows.

/// Declares the enum of states, the enum of events, the table `MOVES`, the function `after` that
/// reads it, and `drawing`, which writes it in Mermaid's language. The first state is where the
/// machine begins.
macro_rules! machine {
    (
        $(#[$state_doc:meta])* states $State:ident { $($(#[$s_doc:meta])* $state:ident),+ $(,)? }
        $(#[$event_doc:meta])* events $Event:ident { $($(#[$e_doc:meta])* $event:ident),+ $(,)? }
        moves { $($from:ident: $by:ident => $to:ident;)+ }
    ) => {
        $(#[$state_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $State { $($(#[$s_doc])* $state),+ }

        $(#[$event_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $Event { $($(#[$e_doc])* $event),+ }

        impl $State {
            /// Every state, in the order of declaration; the first is where the machine begins.
            pub const ALL: &'static [$State] = &[$($State::$state),+];

            /// Every legal move: from, by, to.
            pub const MOVES: &'static [($State, $Event, $State)] = &[$(($State::$from, $Event::$by, $State::$to)),+];

            /// The state after `event`; `None` when that is not legal here.
            pub const fn after(self, event: $Event) -> Option<$State> {
                match (self, event) {
                    $(($State::$from, $Event::$by) => Some($State::$to),)+
                    #[allow(unreachable_patterns)]
                    _ => None,
                }
            }

            /// The machine as a diagram in Mermaid's language.
            pub fn drawing() -> String {
                let mut text = format!("stateDiagram-v2\n    [*] --> {:?}\n", Self::ALL[0]);
                for (from, by, to) in Self::MOVES {
                    text.push_str(&format!("    {from:?} --> {to:?}: {by:?}\n"));
                }
                text
            }
        }
    };
}

pub(crate) use machine;

/// The drawing in a file's documentation, as [`machine`] writes one.
#[cfg(test)]
pub(crate) fn drawn(page: &str) -> String {
    let text = page.lines().filter_map(|line| line.strip_prefix("//! "));
    text.skip_while(|line| *line != "```mermaid").skip(1).take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect()
}
