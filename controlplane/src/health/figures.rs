//! Figures that a server publishes about itself, in the text format of Prometheus and OpenMetrics.
//!
//! Only what rules ask for is kept, so that a page of a hundred thousand series costs no memory. Labels are
//! stepped over and never read: what is made of several series of one name is the rule's to say.

use policy::health::{Bound, Gather, Rule};

/// A rule that is broken, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub String);

/// Why a page says nothing about a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is no text.
    NoText,
    /// None of the figures that rules are about is there.
    NoFigure,
}

/// Holds a page against rules; the first that is broken.
///
/// # Errors
/// The page says nothing about any rule. One figure that is missing breaks no rule: servers publish some only
/// while they are used.
pub fn broken(page: &[u8], rules: &[Rule]) -> Result<Option<Broken>, Unread> {
    let text = std::str::from_utf8(page).map_err(|_| Unread::NoText)?;
    let mut values: Vec<Option<f64>> = vec![None; rules.len()];
    for line in text.lines() {
        let Some((name, value)) = sample(line) else { continue };
        for (rule, known) in rules.iter().zip(&mut values).filter(|(rule, _)| rule.metric == name) {
            *known = Some(gathered(rule.of, *known, value));
        }
    }
    if values.iter().all(Option::is_none) {
        return Err(Unread::NoFigure);
    }
    let breaks = |(rule, value): (&Rule, &Option<f64>)| {
        let value = (*value)?;
        let (broken, word, bound) = match rule.bound {
            Bound::Above(bound) => (value > bound as f64 / 1e6, "above", bound),
            Bound::Below(bound) => (value < bound as f64 / 1e6, "below", bound),
        };
        broken.then(|| Broken(format!("{} is {value}, {word} {}", rule.metric, bound as f64 / 1e6)))
    };
    Ok(rules.iter().zip(&values).find_map(breaks))
}

fn gathered(of: Gather, known: Option<f64>, value: f64) -> f64 {
    let Some(known) = known else { return value };
    match of {
        Gather::Max => known.max(value),
        Gather::Min => known.min(value),
        Gather::Sum => known + value,
    }
}

/// Name and value of a line: `name{label="value"} 1.5 1700000000`. `None` for comments, for what is none,
/// and for a value that is no number.
fn sample(line: &str) -> Option<(&str, f64)> {
    let line = line.trim_start();
    let end = line.find(|c: char| c == '{' || c.is_ascii_whitespace())?;
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with('#') {
        return None;
    }
    let rest = match rest.strip_prefix('{') {
        Some(labels) => &labels[labels_end(labels)? + 1..],
        None => rest,
    };
    let value: f64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    // `NaN` is what a server says when it has nothing to say.
    (!value.is_nan()).then_some((name, value))
}

/// Where the brace is that ends labels; one within a quoted value does not.
fn labels_end(labels: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in labels.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
