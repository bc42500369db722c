use super::*;
use crate::judge::tests::fixtures::FIXTURES;
use regex::{Regex, RegexBuilder};
use std::collections::{HashMap, HashSet};

/// The rules as regular expressions, tried one after the other: what the compiled table must agree with.
struct Reference(HashMap<&'static str, Regex>);

fn rows() -> impl Iterator<Item = &'static Row> {
    Family::ALL.iter().map(|family| of(*family)).chain([any::ANY]).flatten()
}

fn patterns(row: &Row) -> impl Iterator<Item = &'static str> {
    [row.kind, row.code, row.message].into_iter().flatten()
}

impl Reference {
    fn new() -> Reference {
        let compile = |text| RegexBuilder::new(text).case_insensitive(true).dot_matches_new_line(true).build().unwrap();
        Reference(rows().flat_map(patterns).map(|text| (text, compile(text))).collect())
    }

    fn find(&self, family: Family, status: u16, fields: &ErrorFields<'_>) -> Option<&'static Row> {
        let lent: &[Row] = if family == Family::Vertex { google::GEMINI } else { &[] };
        let found = |pattern: Option<&str>, field: Option<&str>| {
            pattern.is_none_or(|pattern| field.is_some_and(|field| self.0[pattern].is_match(field)))
        };
        of(family).iter().chain(lent).chain(any::ANY).find(|row| {
            row.is_for(status) && found(row.kind, fields.kind) && found(row.code, fields.code) && found(row.message, fields.message)
        })
    }
}

/// Numbers without a pattern, and the same ones every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn among<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// A word that is like something which a pattern looks for.
    fn like(&mut self, pattern: &str) -> String {
        let choice: Vec<&str> = pattern.split('|').collect();
        let mut text = String::new();
        for letter in self.among(&choice).chars() {
            match letter {
                '(' | ')' | '^' | '$' | '\\' => {}
                '.' => text.push_str(self.among::<&str>(&["", " ", "x", "’", " of ", "\n"])),
                '*' | '+' | '?' => {}
                letter => text.push(letter),
            }
        }
        text
    }

    fn mutated(&mut self, text: &str) -> String {
        let mut letters: Vec<char> = text.chars().collect();
        for _ in 0..self.below(4) {
            let at = self.below(letters.len() + 1);
            match self.below(6) {
                0 => letters.truncate(at),
                1 => letters.insert(at, *self.among(&['x', ' ', '’', '\n', '_', '0', '語'])),
                2 if at < letters.len() => letters[at] = letters[at].to_ascii_uppercase(),
                3 if at < letters.len() => letters[at] = letters[at].to_ascii_lowercase(),
                4 if at < letters.len() => _ = letters.remove(at),
                _ => letters.splice(at..at, " and ".chars()).for_each(drop),
            }
        }
        letters.into_iter().collect()
    }
}

#[test]
fn every_rule_is_written_down_and_can_be_said() {
    let mut compiled = Patterns::default();
    for pattern in rows().flat_map(patterns) {
        compiled.add(pattern).unwrap_or_else(|no| panic!("{pattern}: {no}"));
    }
    for row in rows() {
        assert!(crate::judge::DETAILS.binary_search(&row.detail).is_ok(), "{}", row.detail);
        assert!(row.statuses.iter().all(|status| matches!(status, 4 | 5 | 200 | 400..600)), "{row:?}");
        assert!(row.reads_fields() || !row.statuses.is_empty(), "{row:?} would fit everything");
    }
    let known = Family::ALL.iter().filter(|family| **family != Family::Other).map(|family| of(*family).len()).sum::<usize>();
    assert_eq!(known + any::ANY.len(), ERRORS + ENDINGS);
    assert_eq!(TABLE.rules.len(), known + any::ANY.len() + compatible::COMPATIBLE.len());
}

/// Rules for error objects …
const ERRORS: usize = 280;
/// … and for words within answers that began well.
const ENDINGS: usize = 28;

/// Asks both, and tells which rule fits.
fn agreed(reference: &Reference, family: Family, status: u16, fields: &ErrorFields<'_>) -> Option<&'static Row> {
    let mut room = Room::new();
    let found = find(family, Among::Status(status), &Prepared::new(fields, &mut room));
    let expected = reference.find(family, status, fields);
    let place = |row: &'static Row| std::ptr::from_ref(row);
    assert_eq!(found.map(place), expected.map(place), "{family:?} {status} {fields:?}: {found:?} and not {expected:?}");
    found
}

#[test]
fn the_table_agrees_with_regular_expressions() {
    let reference = Reference::new();
    let rows: Vec<&Row> = rows().collect();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut statuses: Vec<u16> = rows.iter().flat_map(|row| row.statuses).copied().filter(|status| *status >= 100).collect();
    statuses.extend([418, 599, 302]);
    let mut reached = HashSet::new();
    for round in 0..30_000 {
        // A row of the family's own where there is one: most of the others would fall through.
        let family = *dice.among(Family::ALL);
        let own: Vec<&Row> = of(family).iter().filter(|row| row.reads_fields()).collect();
        let row = if round % 4 == 0 || own.is_empty() { *dice.among(&rows) } else { *dice.among(&own) };
        let mut made = |pattern: Option<&str>| -> Option<String> {
            let other = *dice.among(&rows);
            let text = match (pattern, dice.below(8)) {
                (Some(pattern), 1..) => dice.like(pattern),
                (_, 0) => dice.like(other.message.or(other.code).unwrap_or("")),
                _ => return None,
            };
            let text = if dice.below(2) == 0 { dice.mutated(&text) } else { text };
            Some(text.trim().to_owned())
        };
        let texts = [made(row.kind), made(row.code), made(row.message)];
        let fields = ErrorFields { kind: texts[0].as_deref(), code: texts[1].as_deref(), param: None, message: texts[2].as_deref() };
        let status = match row.statuses.iter().find(|status| **status >= 100) {
            Some(status) if dice.below(8) > 0 => *status,
            _ => *dice.among(&statuses),
        };
        reached.extend(agreed(&reference, family, status, &fields).map(std::ptr::from_ref));
    }
    // Some can never be: a rule before them takes all that they would.
    assert!(reached.len() >= REACHED_MIN, "{} of {} rules decided something", reached.len(), rows.len());
}

/// Rules that have to decide something among so many answers, of about 330.
const REACHED_MIN: usize = 280;

#[test]
fn whatever_was_seen_is_judged_alike_by_every_familys_rules() {
    let reference = Reference::new();
    let mut dice = Dice(11);
    for &(_, status, kind, code, message, _) in FIXTURES {
        for &family in Family::ALL {
            let present = |text: &'static str| (!text.is_empty()).then_some(text);
            agreed(
                &reference,
                family,
                status,
                &ErrorFields { kind: present(kind), code: present(code), param: None, message: present(message) },
            );
            let texts = [kind, code, message].map(|text| dice.mutated(text).trim().to_owned());
            let [kind, code, message] = [&texts[0], &texts[1], &texts[2]].map(|text| Some(text.as_str()));
            agreed(&reference, family, status, &ErrorFields { kind, code, param: None, message });
        }
    }
}

#[test]
fn any_text_is_judged() {
    let mut dice = Dice(7);
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..dice.below(3_000)).map(|_| dice.below(256) as u8).collect();
        let text = String::from_utf8_lossy(&bytes);
        let fields = ErrorFields { kind: Some(&text), code: Some(&text), param: Some(&text), message: Some(&text) };
        let (family, status) = (*dice.among(Family::ALL), dice.below(1 << 16) as u16);
        let told = [
            crate::judge::answer(family, status, &fields, None, None),
            crate::judge::failure(family, &fields, None),
            crate::judge::finish(family, &text).unwrap_or(crate::judge::failure(family, &ErrorFields::default(), None)),
        ];
        assert!(told.iter().all(|verdict| crate::judge::DETAILS.contains(&verdict.detail)));
    }
}
