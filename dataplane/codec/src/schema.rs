//! Whether a JSON value follows a JSON Schema: drafts 7 to 2020-12, and the words of OpenAPI that Gemini has.
//!
//! Who asks throws an answer away that breaks its schema, so that a value is only said to break one where
//! that is certain. Truth has three values therefore: what is not checked (`pattern`, `format`, references
//! to other documents, words that are not known, rules that make no sense) leaves open what hangs on it,
//! and what is left open passes. Schema and value are walked where they lie, without a copy and without a
//! plan; depth and steps are bounded, and beyond a bound nothing is said.

mod array;
mod equal;
mod number;
mod object;
mod refer;

use crate::json::{Shape, Str, Value};
use number::Decimal;
use refer::References;
use std::cmp::Ordering;

/// The largest schema that is walked, in bytes.
pub const SCHEMA_SIZE_MAX: usize = 256 * 1024;
/// How deep schemas are walked within each other, references and alternatives included.
pub const DEPTH_MAX: usize = 128;
/// How many members, elements and rules are looked at for one value. Two milliseconds, about.
pub const STEPS_MAX: u32 = 1 << 17;

/// What is known of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It follows the schema.
    Follows,
    /// It breaks it; the word of the rule that says so.
    Breaks(&'static str),
    /// It breaks nothing that is checked, and not all is.
    Open,
    /// The schema or the value is beyond a bound.
    Beyond,
}

/// Checks `value` against `schema`. With `openapi`, types are in capitals and `nullable` counts.
pub fn check(schema: Value<'_>, openapi: bool, value: Value<'_>) -> Verdict {
    check_within(schema, openapi, value, &mut { STEPS_MAX })
}

/// The same for one of several values that share their steps: those that it takes are taken off `steps_left`.
pub fn check_within(schema: Value<'_>, openapi: bool, value: Value<'_>, steps_left: &mut u32) -> Verdict {
    if schema.raw().len() > SCHEMA_SIZE_MAX {
        return Verdict::Beyond;
    }
    let mut walk = Walk { references: References::of(schema), openapi, steps_left: *steps_left };
    let told = walk.schema(schema, value, 0);
    *steps_left = walk.steps_left;
    match told {
        Ok(Truth::Yes) => Verdict::Follows,
        Ok(Truth::No(word)) => Verdict::Breaks(word),
        Ok(Truth::Open) => Verdict::Open,
        Err(Beyond) => Verdict::Beyond,
    }
}

/// Whether a value follows a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    Yes,
    /// The word of the rule that it breaks.
    No(&'static str),
    /// It cannot be told.
    Open,
}

/// A bound was met.
#[derive(Debug)]
struct Beyond;

type Told = Result<Truth, Beyond>;

impl Truth {
    fn of(holds: bool, word: &'static str) -> Truth {
        if holds { Truth::Yes } else { Truth::No(word) }
    }

    fn of_known(holds: Option<bool>, word: &'static str) -> Truth {
        holds.map_or(Truth::Open, |holds| Truth::of(holds, word))
    }

    fn and(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::No(_), _) | (Truth::Open, Truth::Yes | Truth::Open) => self,
            _ => other,
        }
    }

    fn is_no(self) -> bool {
        matches!(self, Truth::No(_))
    }
}

/// How many of several schemas a value follows.
#[derive(Clone, Copy, Default)]
struct Tally {
    yes: u64,
    open: u64,
}

impl Tally {
    fn count(&mut self, truth: Truth) {
        match truth {
            Truth::Yes => self.yes += 1,
            Truth::Open => self.open += 1,
            Truth::No(_) => {}
        }
    }

    /// Whether `least` to `most` of them are followed.
    fn within(self, least: u64, most: u64, word: &'static str) -> Truth {
        match self.yes.saturating_add(self.open) {
            _ if self.yes > most => Truth::No(word),
            all if all < least => Truth::No(word),
            all if self.yes >= least && all <= most => Truth::Yes,
            _ => Truth::Open,
        }
    }
}

/// Rules of a schema that are looked at together, after the others.
#[derive(Clone, Copy, Default)]
struct Families {
    object: bool,
    array: bool,
    range: bool,
    choice: bool,
}

/// One value's way through one schema.
struct Walk<'s> {
    references: References<'s>,
    openapi: bool,
    steps_left: u32,
}

impl<'s> Walk<'s> {
    fn step(&mut self, count: usize) -> Result<(), Beyond> {
        let count = u32::try_from(count).map_err(|_| Beyond)?;
        self.steps_left = self.steps_left.checked_sub(count).ok_or(Beyond)?;
        Ok(())
    }

    /// Whether `value` follows `schema`, as far as it can be told.
    fn schema(&mut self, schema: Value<'s>, value: Value<'_>, depth: usize) -> Told {
        self.step(1)?;
        if depth == DEPTH_MAX {
            return Err(Beyond);
        }
        match schema.shape() {
            Shape::Object => {}
            Shape::Bool => return Ok(Truth::of(schema.bool() == Some(true), "false")),
            _ => return Ok(Truth::Open),
        }
        if value.is_null() && schema.get("nullable").and_then(Value::bool) == Some(true) {
            return Ok(if self.openapi { Truth::Yes } else { Truth::Open });
        }
        let Some(reference) = self.references.within(schema) else { return self.rules(schema, value, depth) };
        let there = match self.references.find(reference) {
            Some(target) => self.schema(target, value, depth + 1)?,
            None => Truth::Open,
        };
        // Up to draft 7, what stands beside a reference means nothing.
        match self.references.beside_count() {
            _ if there.is_no() => Ok(there),
            Some(false) => Ok(there),
            Some(true) => Ok(there.and(self.rules(schema, value, depth)?)),
            None => match self.rules(schema, value, depth)? {
                Truth::Yes => Ok(there),
                Truth::Open | Truth::No(_) => Ok(Truth::Open),
            },
        }
    }

    /// Whether `value` follows all rules of a schema that is an object.
    fn rules(&mut self, schema: Value<'s>, value: Value<'_>, depth: usize) -> Told {
        let mut families = Families::default();
        let mut truth = Truth::Yes;
        for (name, rule) in schema.members() {
            self.step(1)?;
            truth = truth.and(self.rule(name.raw(), rule, value, &mut families, depth)?);
            if truth.is_no() {
                return Ok(truth);
            }
        }
        if families.range {
            truth = truth.and(range(schema, value));
        }
        if families.object && value.shape() == Shape::Object && !truth.is_no() {
            truth = truth.and(self.object(schema, value, depth)?);
        }
        if families.array && value.shape() == Shape::Array && !truth.is_no() {
            truth = truth.and(self.array(schema, value, depth)?);
        }
        if families.choice && !truth.is_no() {
            truth = truth.and(self.choice(schema, value, depth)?);
        }
        Ok(truth)
    }

    fn rule(&mut self, name: &[u8], rule: Value<'s>, value: Value<'_>, families: &mut Families, depth: usize) -> Told {
        match name {
            b"type" => Ok(self.kind(rule, value)),
            b"enum" => self.one_of(rule, value),
            b"const" => Ok(self.equal(rule, value)?.map_no("const")),
            b"properties"
            | b"required"
            | b"additionalProperties"
            | b"patternProperties"
            | b"minProperties"
            | b"maxProperties"
            | b"dependentRequired"
            | b"dependentSchemas"
            | b"dependencies"
            | b"propertyNames" => {
                families.object = true;
                Ok(Truth::Yes)
            }
            b"items" | b"prefixItems" | b"additionalItems" | b"minItems" | b"maxItems" | b"uniqueItems" | b"contains" | b"minContains"
            | b"maxContains" => {
                families.array = true;
                Ok(Truth::Yes)
            }
            b"minimum" | b"maximum" | b"exclusiveMinimum" | b"exclusiveMaximum" => {
                families.range = true;
                Ok(Truth::Yes)
            }
            b"if" | b"then" | b"else" => {
                families.choice = true;
                Ok(Truth::Yes)
            }
            b"anyOf" => self.several(rule, value, 1, u64::MAX, "anyOf", depth),
            b"oneOf" => self.several(rule, value, 1, 1, "oneOf", depth),
            b"allOf" => self.several(rule, value, rule.elements().count() as u64, u64::MAX, "allOf", depth),
            b"not" => Ok(match self.schema(rule, value, depth + 1)? {
                Truth::Yes => Truth::No("not"),
                Truth::No(_) => Truth::Yes,
                Truth::Open => Truth::Open,
            }),
            b"minLength" => Ok(self.length(rule, value, Ordering::Less, "minLength")),
            b"maxLength" => Ok(self.length(rule, value, Ordering::Greater, "maxLength")),
            b"multipleOf" => Ok(multiple_of(rule, value)),
            b"pattern" | b"format" => Ok(if value.shape() == Shape::Text { Truth::Open } else { Truth::Yes }),
            // One that is a string was followed before.
            b"$ref" => Ok(if rule.str().is_some() { Truth::Yes } else { Truth::Open }),
            b"title" | b"description" | b"default" | b"example" | b"examples" | b"$schema" | b"$id" | b"$anchor" | b"$comment"
            | b"$defs" | b"definitions" | b"deprecated" | b"readOnly" | b"writeOnly" | b"propertyOrdering" => Ok(Truth::Yes),
            // In its own dialect it was heeded before, and elsewhere it means nothing.
            b"nullable" => Ok(Truth::Yes),
            _ => Ok(Truth::Open),
        }
    }

    fn kind(&self, rule: Value<'_>, value: Value<'_>) -> Truth {
        match rule.shape() {
            Shape::Text => Truth::of_known(self.is_of_kind(rule, value), "type"),
            Shape::Array => {
                let mut known = Some(false);
                for word in rule.elements() {
                    match self.is_of_kind(word, value) {
                        Some(true) => return Truth::Yes,
                        Some(false) => {}
                        None => known = None,
                    }
                }
                Truth::of_known(known, "type")
            }
            _ => Truth::Open,
        }
    }

    fn is_of_kind(&self, word: Value<'_>, value: Value<'_>) -> Option<bool> {
        let word = word.str()?.raw();
        let shape = value.shape();
        let lower;
        let word = if self.openapi {
            lower = word.to_ascii_lowercase();
            &lower[..]
        } else {
            word
        };
        match word {
            b"string" => Some(shape == Shape::Text),
            b"number" => Some(shape == Shape::Number),
            b"object" => Some(shape == Shape::Object),
            b"array" => Some(shape == Shape::Array),
            b"boolean" => Some(shape == Shape::Bool),
            b"null" => Some(shape == Shape::Null),
            b"integer" => match value.number() {
                Some(number) => Decimal::of(number).map(|number| number.is_whole()),
                None => Some(false),
            },
            _ => None,
        }
    }

    fn several(&mut self, rule: Value<'s>, value: Value<'_>, least: u64, most: u64, word: &'static str, depth: usize) -> Told {
        if rule.shape() != Shape::Array || rule.elements().next().is_none() {
            return Ok(Truth::Open);
        }
        let mut tally = Tally::default();
        for schema in rule.elements() {
            let truth = self.schema(schema, value, depth + 1)?;
            tally.count(truth);
            // What the others say changes nothing any more.
            if word == "anyOf" && truth == Truth::Yes || word == "allOf" && truth.is_no() {
                return Ok(truth);
            }
        }
        Ok(tally.within(least, most, word))
    }

    fn choice(&mut self, schema: Value<'s>, value: Value<'_>, depth: usize) -> Told {
        let word = |name: &str| schema.members().find(|(key, _)| key.is(name)).map(|(_, rule)| rule);
        let Some(condition) = word("if") else { return Ok(Truth::Yes) };
        let truth = self.schema(condition, value, depth + 1)?;
        let mut branch = |rule: Option<Value<'s>>| rule.map_or(Ok(Truth::Yes), |rule| self.schema(rule, value, depth + 1));
        match truth {
            Truth::Yes => branch(word("then")),
            Truth::No(_) => branch(word("else")),
            Truth::Open => Ok(match (branch(word("then"))?, branch(word("else"))?) {
                (Truth::No(word), Truth::No(_)) => Truth::No(word),
                (Truth::Yes, Truth::Yes) => Truth::Yes,
                _ => Truth::Open,
            }),
        }
    }

    fn length(&self, rule: Value<'_>, value: Value<'_>, wrong: Ordering, word: &'static str) -> Truth {
        let Some(text) = value.str() else { return Truth::Yes };
        Truth::of_known(self.size(rule).map(|bound| characters(text).cmp(&bound) != wrong), word)
    }

    /// A rule that is a count. In OpenAPI's words it may be written as a string.
    fn size(&self, rule: Value<'_>) -> Option<u64> {
        match rule.str() {
            Some(text) if self.openapi => std::str::from_utf8(text.raw()).ok()?.parse().ok(),
            _ => rule.u64(),
        }
    }
}

impl Truth {
    fn map_no(self, word: &'static str) -> Truth {
        if self.is_no() { Truth::No(word) } else { self }
    }
}

/// The code points of a text.
fn characters(text: Str<'_>) -> u64 {
    let count = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() as u64;
    if text.raw().contains(&b'\\') { count(text.decode().as_bytes()) } else { count(text.raw()) }
}

/// The four bounds of numbers. In draft 4, as OpenAPI has it, the exclusive ones say of the others that they are.
fn range(schema: Value<'_>, value: Value<'_>) -> Truth {
    let Some(number) = value.number() else { return Truth::Yes };
    let Some(number) = Decimal::of(number) else { return Truth::Open };
    let mut truth = Truth::Yes;
    for (name, rule) in schema.members() {
        let (wrong, exclusive, beside, word) = match name.raw() {
            b"minimum" => (Ordering::Less, false, Some("exclusiveMinimum"), "minimum"),
            b"maximum" => (Ordering::Greater, false, Some("exclusiveMaximum"), "maximum"),
            b"exclusiveMinimum" => (Ordering::Less, true, None, "exclusiveMinimum"),
            b"exclusiveMaximum" => (Ordering::Greater, true, None, "exclusiveMaximum"),
            _ => continue,
        };
        if rule.shape() == Shape::Bool && exclusive {
            continue;
        }
        let exclusive = exclusive || beside.and_then(|beside| schema.get(beside)).and_then(Value::bool) == Some(true);
        let order = rule.number().and_then(Decimal::of).map(|bound| number.order(&bound));
        truth = truth.and(Truth::of_known(order.map(|order| order != wrong && !(exclusive && order == Ordering::Equal)), word));
    }
    truth
}

fn multiple_of(rule: Value<'_>, value: Value<'_>) -> Truth {
    let Some(number) = value.number() else { return Truth::Yes };
    let divided = Decimal::of(number).zip(rule.number().and_then(Decimal::of));
    Truth::of_known(divided.and_then(|(number, part)| number.is_multiple_of(&part)), "multipleOf")
}

#[cfg(test)]
mod tests;
