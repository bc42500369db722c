//! The rules of objects.

use super::{Told, Truth, Walk, equal::same};
use crate::json::{Shape, Value};
use std::cmp::Ordering;

impl<'s> Walk<'s> {
    /// Whether an object follows the rules of `schema` that are about objects.
    pub(super) fn object(&mut self, schema: Value<'s>, value: Value<'_>, depth: usize) -> Told {
        let mut truth = self.members(schema, value, depth)?;
        for (name, rule) in schema.members() {
            let told = match name.raw() {
                _ if truth.is_no() => return Ok(truth),
                b"required" => self.required(rule, value, "required")?,
                b"minProperties" => self.count(rule, value.members().count(), Ordering::Less, "minProperties"),
                b"maxProperties" => self.count(rule, value.members().count(), Ordering::Greater, "maxProperties"),
                b"dependentRequired" | b"dependentSchemas" | b"dependencies" => self.dependent(rule, value, depth)?,
                b"propertyNames" => Truth::Open,
                _ => Truth::Yes,
            };
            truth = truth.and(told);
        }
        Ok(truth)
    }

    /// Members that are named, and the others.
    fn members(&mut self, schema: Value<'s>, value: Value<'_>, depth: usize) -> Told {
        let properties = schema.get("properties");
        if properties.is_some_and(|properties| !properties.is_object()) {
            return Ok(Truth::Open);
        }
        let patterns = schema.get("patternProperties").is_some_and(|patterns| patterns.members().next().is_some());
        let others = schema.get("additionalProperties");
        if properties.is_none() && others.is_none() && !patterns {
            return Ok(Truth::Yes);
        }
        let mut truth = Truth::Yes;
        let all = || properties.into_iter().flat_map(Value::members);
        let count = all().count();
        // Models write members in the order of the schema: each is looked for behind the one before it first.
        let mut behind = all();
        for (name, member) in value.members() {
            self.step(1)?;
            let mut rule = behind.next().filter(|(known, _)| same(*known, name));
            if rule.is_none() {
                self.step(count)?;
                behind = all();
                rule = behind.find(|(known, _)| same(*known, name));
            }
            let told = match (rule, others) {
                (Some((_, rule)), _) => self.schema(rule, member, depth + 1)?,
                (None, Some(others)) => match self.schema(others, member, depth + 1)? {
                    // It may be named by a pattern.
                    Truth::No(_) if patterns => Truth::Open,
                    Truth::No("false") => Truth::No("additionalProperties"),
                    told => told,
                },
                (None, None) => Truth::Yes,
            };
            truth = truth.and(told);
            if truth.is_no() {
                return Ok(truth);
            }
            if patterns {
                truth = Truth::Open;
            }
        }
        Ok(truth)
    }

    /// Whether all members are there that a list names.
    fn required(&mut self, rule: Value<'_>, value: Value<'_>, word: &'static str) -> Told {
        if rule.shape() != Shape::Array {
            return Ok(Truth::Open);
        }
        let mut truth = Truth::Yes;
        for name in rule.elements() {
            let Some(name) = name.str() else {
                truth = Truth::Open;
                continue;
            };
            if self.member(value, name)?.is_none() {
                return Ok(Truth::No(word));
            }
        }
        Ok(truth)
    }

    /// What must be there, or must hold of the object, where a member is. Draft 7 has one word for both.
    fn dependent(&mut self, rule: Value<'s>, value: Value<'_>, depth: usize) -> Told {
        if !rule.is_object() {
            return Ok(Truth::Open);
        }
        let mut truth = Truth::Yes;
        for (name, rule) in rule.members() {
            if self.member(value, name)?.is_none() {
                continue;
            }
            truth = truth.and(match rule.shape() {
                Shape::Array => self.required(rule, value, "dependentRequired")?,
                _ => self.schema(rule, value, depth + 1)?,
            });
            if truth.is_no() {
                break;
            }
        }
        Ok(truth)
    }

    /// Whether there are as many of something as there may be.
    pub(super) fn count(&self, rule: Value<'_>, count: usize, wrong: Ordering, word: &'static str) -> Truth {
        Truth::of_known(self.size(rule).map(|bound| (count as u64).cmp(&bound) != wrong), word)
    }
}
