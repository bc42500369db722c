//! Whether two values are the same one, as JSON Schema has it: `1` is `1.0`, and members have no order.

use super::{Beyond, Decimal, Told, Truth, Walk};
use crate::json::{Shape, Str, Value};

/// True when two strings say the same, however they are written.
pub(super) fn same(one: Str<'_>, other: Str<'_>) -> bool {
    for (&here, &there) in one.raw().iter().zip(other.raw()) {
        if here == b'\\' || there == b'\\' {
            return one.decode() == other.decode();
        }
        if here != there {
            return false;
        }
    }
    // What is left of one of them means a character at least.
    one.raw().len() == other.raw().len()
}

/// True for a whole number without a fraction, an exponent or a sign: it has no other form of that kind.
fn is_bare(number: &[u8]) -> bool {
    number.iter().all(u8::is_ascii_digit)
}

impl Walk<'_> {
    /// Whether a value is one of a list.
    pub(super) fn one_of(&mut self, rule: Value<'_>, value: Value<'_>) -> Told {
        if rule.shape() != Shape::Array {
            return Ok(Truth::Open);
        }
        // OpenAPI lists what numbers may be as strings.
        let otherwise = if self.openapi && value.shape() != Shape::Text { Truth::Open } else { Truth::No("enum") };
        let mut truth = otherwise;
        for choice in rule.elements() {
            match self.equal(choice, value)? {
                Truth::Yes => return Ok(Truth::Yes),
                Truth::Open => truth = Truth::Open,
                Truth::No(_) => {}
            }
        }
        Ok(truth)
    }

    /// Whether two values are equal.
    pub(super) fn equal(&mut self, one: Value<'_>, other: Value<'_>) -> Told {
        self.step(1)?;
        if one.shape() != other.shape() {
            return Ok(Truth::No("equal"));
        }
        match one.shape() {
            Shape::Null => Ok(Truth::Yes),
            Shape::Bool => Ok(Truth::of(one.bool() == other.bool(), "equal")),
            Shape::Text => Ok(Truth::of_known(one.str().zip(other.str()).map(|(one, other)| same(one, other)), "equal")),
            Shape::Number if one.raw() == other.raw() => Ok(Truth::Yes),
            Shape::Number if is_bare(one.raw()) && is_bare(other.raw()) => Ok(Truth::No("equal")),
            Shape::Number => {
                let numbers = one.number().and_then(Decimal::of).zip(other.number().and_then(Decimal::of));
                Ok(Truth::of_known(numbers.map(|(one, other)| one == other), "equal"))
            }
            Shape::Array => self.equal_arrays(one, other),
            Shape::Object => self.equal_objects(one, other),
        }
    }

    // Values lie no deeper within each other than `json::DEPTH_MAX`, so that neither of these needs a bound.
    fn equal_arrays(&mut self, one: Value<'_>, other: Value<'_>) -> Told {
        let (mut one, mut other) = (one.elements(), other.elements());
        let mut truth = Truth::Yes;
        loop {
            truth = match (one.next(), other.next()) {
                (None, None) => return Ok(truth),
                (Some(one), Some(other)) => truth.and(self.equal(one, other)?),
                _ => Truth::No("equal"),
            };
            if truth.is_no() {
                return Ok(truth);
            }
        }
    }

    fn equal_objects(&mut self, one: Value<'_>, other: Value<'_>) -> Told {
        if one.members().count() != other.members().count() {
            return Ok(Truth::No("equal"));
        }
        let mut truth = Truth::Yes;
        for (name, value) in one.members() {
            let there = self.member(other, name)?;
            truth = truth.and(there.map_or(Ok(Truth::No("equal")), |there| self.equal(value, there))?);
            if truth.is_no() {
                break;
            }
        }
        Ok(truth)
    }

    /// The member of this name, `null` included.
    pub(super) fn member<'v>(&mut self, value: Value<'v>, name: Str<'_>) -> Result<Option<Value<'v>>, Beyond> {
        for (other, member) in value.members() {
            self.step(1)?;
            if same(other, name) {
                return Ok(Some(member));
            }
        }
        Ok(None)
    }
}
