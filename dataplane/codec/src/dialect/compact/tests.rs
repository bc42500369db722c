use super::*;
use crate::dialect::prompt::{Arguments, Call, Turn};
use proptest::prelude::*;
use std::collections::HashSet;

mod summary;

const LONG: &str = "a long text that stands for whatever somebody once said, over and over and over and over";

fn text(text: &'static str) -> Part<'static> {
    Part::Text { text: Str::plain(text), cache: None }
}

fn call(id: Option<&'static str>) -> Part<'static> {
    let arguments = Arguments::Text(Str::plain("{}"));
    Part::Call(Call { id: id.map(Str::plain), name: Str::plain("f"), arguments, signature: None })
}

fn outcome(id: Option<&'static str>, said: &'static str) -> Part<'static> {
    Part::Outcome(Outcome { id: id.map(Str::plain), name: None, parts: vec![text(said)], object: None, error: false, cache: None })
}

fn prompt(turns: Vec<(Role, Vec<Part<'static>>)>) -> Prompt<'static> {
    let turns = turns.into_iter().map(|(role, parts)| Turn { role, parts }).collect();
    Prompt { system: vec![text("be brief")], turns, ..Prompt::default() }
}

fn ids(prompt: &Prompt<'_>) -> (Vec<String>, Vec<String>) {
    let (mut calls, mut outcomes) = (Vec::new(), Vec::new());
    for part in prompt.turns.iter().flat_map(|turn| &turn.parts) {
        match part {
            Part::Call(call) => calls.extend(call.id.map(|id| id.decode().into_owned())),
            Part::Outcome(outcome) => outcomes.extend(outcome.id.map(|id| id.decode().into_owned())),
            _ => {}
        }
    }
    (calls, outcomes)
}

fn shown(prompt: &Prompt<'_>) -> String {
    format!("{:?} {:?}", prompt.system, prompt.turns)
}

#[test]
fn answers_of_tools_go_first_and_turns_only_when_that_is_not_enough() {
    use Role::{Assistant, User};
    let whole = || {
        prompt(vec![
            (User, vec![text("the task")]),
            (Assistant, vec![call(Some("1"))]),
            (User, vec![outcome(Some("1"), LONG)]),
            (Assistant, vec![text(LONG)]),
            (User, vec![text("go on")]),
            (Assistant, vec![call(Some("2"))]),
            (User, vec![outcome(Some("2"), LONG)]),
        ])
    };
    let mut some = whole();
    let told = compact(&mut some, 2, size(&whole()) - 10);
    assert_eq!((told.turns, told.outcomes, some.turns.len()), (0, 1, 7));
    let Part::Outcome(first) = &some.turns[2].parts[0] else { panic!() };
    assert!(matches!(first.parts[..], [Part::Text { text, .. }] if text == MARKER) && first.id.is_some());
    let Part::Outcome(last) = &some.turns[6].parts[0] else { panic!() };
    assert!(matches!(last.parts[..], [Part::Text { text, .. }] if text.is(LONG)), "it is of the last turns");
    let mut more = whole();
    let told = compact(&mut more, 2, size(&some) - 1);
    // The call and its outcome go together, though less would have done.
    assert_eq!((told.turns, told.outcomes, more.turns.len()), (2, 1, 5));
    assert_eq!(ids(&more), (vec!["2".to_owned()], vec!["2".to_owned()]));
    let mut all = whole();
    let told = compact(&mut all, 2, 0);
    assert_eq!((told.turns, all.turns.len()), (4, 3), "the task, the last call and its outcome");
    assert_eq!(size(&all), least(&whole(), 2));
    let mut none = whole();
    assert_eq!(compact(&mut none, 2, size(&whole())), Compacted::default());
    assert_eq!(shown(&none), shown(&whole()));
}

#[test]
fn outcomes_without_ids_belong_to_the_calls_before_them() {
    use Role::{Assistant, User};
    let mut prompt = prompt(vec![
        (User, vec![text("the task")]),
        (Assistant, vec![text(LONG)]),
        (Assistant, vec![call(None)]),
        (User, vec![outcome(None, LONG)]),
    ]);
    assert_eq!(compact(&mut prompt, 1, 0).turns, 1);
    assert!(matches!(prompt.turns[1].parts[..], [Part::Call(_)]), "{:?}", prompt.turns);
}

/// A conversation of any form: words, calls one or several at a time, outcomes at once or later, beside words.
fn any_prompt() -> impl Strategy<Value = Prompt<'static>> {
    const IDS: [&str; 24] = [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20", "21", "22",
        "23",
    ];
    prop::collection::vec((0..5_u8, 1..3_usize, any::<bool>()), 0..24).prop_map(|steps| {
        let mut prompt = prompt(Vec::new());
        let (mut next, mut open) = (0, Vec::new());
        for (kind, count, long) in steps {
            let said = if long { LONG } else { "hm" };
            match kind {
                0 => prompt.say(Role::User, text(said)),
                1 => prompt.say(Role::Assistant, text(said)),
                2 => {
                    for _ in 0..count {
                        if next < IDS.len() {
                            prompt.say(Role::Assistant, call(Some(IDS[next])));
                            open.push(IDS[next]);
                            next += 1;
                        }
                    }
                }
                3 => open.drain(..).for_each(|id| prompt.say(Role::User, outcome(Some(id), said))),
                _ => {
                    if let Some(id) = open.pop() {
                        prompt.say(Role::User, outcome(Some(id), said));
                    }
                }
            }
        }
        prompt
    })
}

proptest! {
    #[test]
    fn what_stays_is_whole(before in any_prompt(), keep in 0..5_usize, share in 0..110_u64) {
        let bytes_max = size(&before) * share / 100;
        let mut after = before.clone();
        let told = compact(&mut after, keep, bytes_max);
        // It fits, or nothing more could go.
        prop_assert!(size(&after) <= bytes_max || size(&after) == least(&before, keep));
        prop_assert_eq!(told.bytes, size(&before) - size(&after));
        prop_assert_eq!(told.turns as usize, before.turns.len() - after.turns.len());
        // A call is there when its outcome is, and the other way round where both were.
        let (calls, outcomes) = ids(&after);
        let (calls, outcomes): (HashSet<_>, HashSet<_>) = (calls.into_iter().collect(), outcomes.into_iter().collect());
        prop_assert!(outcomes.is_subset(&calls));
        let (_, answered) = ids(&before);
        prop_assert!(answered.iter().all(|id| calls.contains(id) == outcomes.contains(id)));
        // The system prompt and the last turns are as they were.
        prop_assert_eq!(format!("{:?}", after.system), format!("{:?}", before.system));
        let last = |prompt: &Prompt<'_>| {
            let from = prompt.turns.len().saturating_sub(keep.max(1));
            format!("{:?}", &prompt.turns[from..])
        };
        let kept = keep.max(1).min(before.turns.len());
        prop_assert!(after.turns.len() >= kept);
        prop_assert_eq!(last(&after), last(&before));
        // And so is what the user said first.
        let first = |prompt: &Prompt<'_>| prompt.turns.iter().find(|turn| turn.role == Role::User && turn.parts.iter().any(|part| !matches!(part, Part::Outcome(_)))).map(|turn| format!("{:?}", turn.parts));
        prop_assert_eq!(first(&after), first(&before));
        let mut again = before.clone();
        prop_assert_eq!(compact(&mut again, keep, bytes_max), told);
        prop_assert_eq!(shown(&again), shown(&after));
    }
}
