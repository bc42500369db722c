//! What a chain answers when nobody can.

use crate::time;
use policy::Chain;

/// What stands in the place of an error that no request is to blame for, the first that there is.
pub(super) fn of(chain: &Chain) -> Vec<String> {
    let mut words = Vec::new();
    if chain.earlier_ms > 0 {
        words.push(format!("an earlier answer to the identical request, at most {} old, where one is kept", time::words(chain.earlier_ms)));
    }
    if chain.template.is_some() {
        words.push("the chain's own text".to_owned());
    }
    words
}

/// The same, a line each.
pub(super) fn text(words: &[String]) -> String {
    words.iter().enumerate().map(|(at, word)| format!("{}{word}\n", if at == 0 { "instead   " } else { "or        " })).collect()
}
