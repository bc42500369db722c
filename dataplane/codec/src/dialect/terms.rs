//! What a request and the answer to it agree on: what the reader of the answer has to know of how the
//! request was written.

use super::names::Names;
use super::prompt::Prompt;
use super::{Delta, Dialect, Listener, Means, anthropic};
use crate::json::Str;

/// A tool that has another name: as it was written, and as the client calls it.
pub type Renamed = (Box<[u8]>, Box<[u8]>);

/// What was agreed on.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Calls of this tool are the answer itself: the schema was given as a tool.
    pub unwrapped: Option<&'static str>,
    /// The client wants one call at a time. Not every dialect can be told, and not every provider that is told
    /// heeds it; the first call is then the answer. A model that still wants another one calls it in the next
    /// turn, while a client that asked for one would take the first of several and lose the others' results,
    /// without which no provider goes on.
    pub one_call: bool,
    /// Tools that were called otherwise than the client calls them: so, and so.
    pub renamed: Vec<Renamed>,
}

impl Terms {
    /// On which a request is written in dialect `to`.
    pub fn of(prompt: &Prompt<'_>, to: Dialect, means: &Means<'_>) -> Terms {
        Terms {
            unwrapped: if to == Dialect::Anthropic { anthropic::request::unwraps(prompt, means) } else { None },
            one_call: prompt.parallel == Some(false),
            renamed: Names::of(prompt, to).renamed(prompt),
        }
    }

    /// Tells `to` what keeps to the terms.
    pub(super) fn tell(&self, choice: u32, delta: Delta<'_>, to: &mut dyn Listener) {
        match delta {
            Delta::Call { index, .. } | Delta::Arguments { index, .. } | Delta::Object { index, .. } if self.one_call && index > 0 => {}
            Delta::Call { index, id, name, signature } => {
                let name = self.own_name(name);
                to.hear(choice, Delta::Call { index, id, name, signature });
            }
            delta => to.hear(choice, delta),
        }
    }

    fn own_name<'n>(&'n self, name: Str<'n>) -> Str<'n> {
        let found = self.renamed.iter().find(|(written, _)| **written == *name.raw());
        found.map_or(name, |(_, own)| Str::escaped(own))
    }
}
