//! Routes: which request takes which chain.

use crate::{ChainId, TenantId};
use serde::{Deserialize, Serialize};

/// One route. Routes are tried in the order of the policy; the first whose every predicate holds
/// decides. A request that no route takes is answered by the name in its `model`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The operator's name for it, or one made from its position.
    pub name: String,
    /// What must hold.
    pub when: Predicate,
    /// Which chain it leads to.
    pub chain: ChainId,
}

/// What must hold for a route; absent members hold always.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predicate {
    /// The request's `model`.
    pub model: Option<Pattern>,
    /// Who asks.
    pub tenant: Option<TenantId>,
    /// Request fields that must have exactly these values; names in lower case.
    pub headers: Vec<(String, String)>,
}

/// A name, or the two ends of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pattern {
    /// Every name.
    Any,
    /// This name.
    Exact(String),
    /// Names that begin with the first and end with the second: one `*` in the operator's words.
    Ends(String, String),
}

impl Pattern {
    /// Reads the operator's form: at most one `*`.
    pub fn parse(text: &str) -> Option<Pattern> {
        match text.split_once('*') {
            None => Some(Pattern::Exact(text.to_owned())),
            Some((_, rest)) if rest.contains('*') => None,
            Some(("", "")) => Some(Pattern::Any),
            Some((begin, end)) => Some(Pattern::Ends(begin.to_owned(), end.to_owned())),
        }
    }

    /// True when `name` fits.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Exact(exact) => exact == name,
            Pattern::Ends(begin, end) => {
                name.len() >= begin.len() + end.len() && name.starts_with(begin.as_str()) && name.ends_with(end.as_str())
            }
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pattern::Any => f.write_str("*"),
            Pattern::Exact(name) => f.write_str(name),
            Pattern::Ends(begin, end) => write!(f, "{begin}*{end}"),
        }
    }
}
