//! The rules of arrays.

use super::{Tally, Told, Truth, Walk};
use crate::json::{Shape, Value};
use std::cmp::Ordering;

impl<'s> Walk<'s> {
    /// Whether an array follows the rules of `schema` that are about arrays.
    pub(super) fn array(&mut self, schema: Value<'s>, value: Value<'_>, depth: usize) -> Told {
        let length = value.elements().count();
        let mut truth = Truth::Yes;
        for (name, rule) in schema.members() {
            truth = truth.and(match name.raw() {
                b"minItems" => self.count(rule, length, Ordering::Less, "minItems"),
                b"maxItems" => self.count(rule, length, Ordering::Greater, "maxItems"),
                _ => Truth::Yes,
            });
        }
        if !truth.is_no() {
            truth = truth.and(self.elements(schema, value, depth)?);
        }
        if !truth.is_no() && schema.get("contains").is_some() {
            truth = truth.and(self.contains(schema, value, depth)?);
        }
        if !truth.is_no()
            && let Some(rule) = schema.get("uniqueItems")
        {
            truth = truth.and(match rule.bool() {
                Some(true) => self.unique(value)?,
                Some(false) => Truth::Yes,
                None => Truth::Open,
            });
        }
        Ok(truth)
    }

    /// The first elements each by a schema of its own, the others by one. Up to 2019-09 both words were others.
    fn elements(&mut self, schema: Value<'s>, value: Value<'_>, depth: usize) -> Told {
        let items = schema.get("items");
        let tuple = items.filter(|items| items.shape() == Shape::Array);
        let (first, rest) = match (schema.get("prefixItems"), tuple) {
            (Some(_), Some(_)) => return Ok(Truth::Open),
            (Some(first), None) if first.shape() != Shape::Array => return Ok(Truth::Open),
            (Some(first), None) => (Some(first), items),
            (None, Some(first)) => (Some(first), schema.get("additionalItems")),
            (None, None) => (None, items),
        };
        let mut first = first.into_iter().flat_map(Value::elements);
        let mut truth = Truth::Yes;
        for element in value.elements() {
            self.step(1)?;
            let Some(rule) = first.next().or(rest) else { break };
            truth = truth.and(self.schema(rule, element, depth + 1)?);
            if truth.is_no() {
                break;
            }
        }
        Ok(truth)
    }

    fn contains(&mut self, schema: Value<'s>, value: Value<'_>, depth: usize) -> Told {
        let Some(rule) = schema.get("contains") else { return Ok(Truth::Yes) };
        let least = schema.get("minContains").map_or(Some(1), |rule| self.size(rule));
        let most = schema.get("maxContains").map_or(Some(u64::MAX), |rule| self.size(rule));
        let Some((least, most)) = least.zip(most) else { return Ok(Truth::Open) };
        let mut tally = Tally::default();
        for element in value.elements() {
            tally.count(self.schema(rule, element, depth + 1)?);
        }
        Ok(tally.within(least, most, "contains"))
    }

    /// Whether no two elements are equal. Each is compared with all others, as far as the steps allow.
    fn unique(&mut self, value: Value<'_>) -> Told {
        let mut truth = Truth::Yes;
        for (at, one) in value.elements().enumerate() {
            for other in value.elements().take(at) {
                match self.equal(one, other)? {
                    Truth::Yes => return Ok(Truth::No("uniqueItems")),
                    Truth::Open => truth = Truth::Open,
                    Truth::No(_) => {}
                }
            }
        }
        Ok(truth)
    }
}
