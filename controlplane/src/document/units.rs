//! Quantities with their units: `800ms`, `8MiB`, `5%`.

use super::read::{Read, Reader};
use crate::{
    complaint::Complaint,
    tree::{Node, Value},
};
use serde_json::json;

/// A duration, in milliseconds: `800ms`, `5s`, `2m`, `1h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Duration(pub u64);

/// A bare number of milliseconds, for keys that end in `_ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Millis(pub u64);

/// A size, in bytes: `512KiB`, `8MiB`, `1GiB`; also `kB`, `MB`, `GB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size(pub u64);

/// A share, in thousandths: `0.05` or `5%`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share(pub u32);

/// A whole number, zero or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count(pub u64);

/// A number, zero or more, with or without a fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amount(pub f64);

const DURATIONS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Number and unit, in the smallest unit; `None` when either is not understood.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let (_, scale) = units.iter().find(|(unit, _)| *unit == text[end..].trim_start())?;
    let value = number * *scale as f64;
    (value.is_finite() && value < 1e15).then_some(value.round() as u64)
}

/// A number of percent, with or without its sign, in thousandths from 1 to 1,000.
pub fn share(text: &str) -> Option<u32> {
    let percent: f64 = text.trim().trim_end_matches('%').trim().parse().ok()?;
    Some((percent * 10.0).round() as u32).filter(|permille| (1..=1_000).contains(permille) && percent.is_finite())
}

impl Duration {
    /// The duration that a text is: `800ms`; `None` when it is none.
    pub fn of(text: &str) -> Option<Duration> {
        quantity(text, DURATIONS).map(Duration)
    }
}

impl Read for Duration {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Text(text) => {
                if let Some(duration) = Duration::of(text) {
                    return Some(duration);
                }
                reader.push(
                    Complaint::error(node.span, format!("`{text}` is no duration")).help("write a number and ms, s, m or h: `800ms`, `5s`"),
                );
            }
            Value::Whole(number) => {
                let mend = format!("say which unit: `{number}ms` or `{number}s`");
                reader.push(Complaint::error(node.span, "a duration needs its unit").help(mend));
            }
            _ => reader.wrong(node, "a duration"),
        }
        None
    }

    fn schema() -> serde_json::Value {
        json!({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|min|h|d)$"})
    }
}

impl Read for Size {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Text(text) => {
                if let Some(value) = quantity(text, SIZES) {
                    return Some(Size(value));
                }
                reader
                    .push(Complaint::error(node.span, format!("`{text}` is no size")).help("write a number and KiB, MiB or GiB: `32MiB`"));
            }
            Value::Whole(number) => {
                let mend = format!("say which unit: `{number}B` or `{number}MiB`");
                reader.push(Complaint::error(node.span, "a size needs its unit").help(mend));
            }
            _ => reader.wrong(node, "a size"),
        }
        None
    }

    fn schema() -> serde_json::Value {
        json!({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?(B|[kKMG]B|[KMG]iB)$"})
    }
}

impl Read for Share {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let share = match &node.value {
            Value::Whole(number) => *number as f64,
            Value::Fraction(number) => *number,
            Value::Text(text) => match text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok()) {
                Some(percent) => percent / 100.0,
                None => f64::NAN,
            },
            _ => f64::NAN,
        };
        if (0.0..=1.0).contains(&share) {
            return Some(Share((share * 1000.0).round() as u32));
        }
        reader.push(Complaint::error(node.span, "a share is wanted here").help("write it between 0 and 1, or in percent: `0.05`, `5%`"));
        None
    }

    fn schema() -> serde_json::Value {
        json!({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?%$"}]})
    }
}

fn whole(node: &Node, reader: &mut Reader, mend: &str) -> Option<u64> {
    if let Value::Whole(number) = node.value
        && let Ok(number) = u64::try_from(number)
    {
        return Some(number);
    }
    reader.push(Complaint::error(node.span, "a whole number is wanted here").help(mend));
    None
}

impl Read for Millis {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        whole(node, reader, "the unit is in the key: milliseconds, without a unit").map(Millis)
    }

    fn schema() -> serde_json::Value {
        json!({"type": "integer", "minimum": 0})
    }
}

impl Read for Count {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        whole(node, reader, "zero or more").map(Count)
    }

    fn schema() -> serde_json::Value {
        json!({"type": "integer", "minimum": 0})
    }
}

impl Read for Amount {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let amount = match node.value {
            Value::Whole(number) => number as f64,
            Value::Fraction(number) => number,
            _ => f64::NAN,
        };
        if amount >= 0.0 && amount.is_finite() {
            return Some(Amount(amount));
        }
        reader.wrong(node, "a number");
        None
    }

    fn schema() -> serde_json::Value {
        json!({"type": "number", "minimum": 0})
    }
}

#[cfg(test)]
mod tests;
