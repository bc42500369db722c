use super::*;
use crate::dialect::answer::{Answer, Block, Choice};
use crate::dialect::{Dialect, Means, Rope, Tree, read_prompt, write_prompt};
use crate::json::Finish;

const SUMMARY: Str<'static> = Str::plain("[In short:] they talked");

fn told(prompt: &Prompt<'_>, keep_turns: usize, bytes_max: u64, most: usize) -> String {
    String::from_utf8(transcript(prompt, keep_turns, bytes_max, most)).unwrap()
}

fn conversation() -> Prompt<'static> {
    use Role::{Assistant, User};
    prompt(vec![
        (User, vec![text("the task")]),
        (Assistant, vec![text("I look"), call(Some("1"))]),
        (User, vec![outcome(Some("1"), LONG)]),
        (Assistant, vec![text("it was there")]),
        (User, vec![text("go on")]),
    ])
}

#[test]
fn what_goes_is_told_and_nothing_else() {
    let whole = conversation();
    let all = "Assistant: I look\\nAssistant: calls f with {}\\nA tool answered: ";
    assert_eq!(told(&whole, 1, 0, 1_000), format!("{all}{LONG}\\nAssistant: it was there\\n"));
    // Only what the tool answered has to go.
    assert_eq!(told(&whole, 1, size(&whole) - 1, 1_000), format!("A tool answered: {LONG}\\n"));
    assert_eq!(told(&whole, 1, size(&whole), 1_000), "");
}

#[test]
fn the_oldest_of_what_goes_is_told_no_more_when_there_is_too_much() {
    let whole = conversation();
    let all = told(&whole, 1, 0, 1_000);
    for most in 0..all.len() {
        let some = told(&whole, 1, 0, most);
        assert!(some.len() <= most && all.ends_with(&some), "{most}: {some}");
        assert!(some.is_empty() || all[..all.len() - some.len()].ends_with([' ', 'n']), "{most}: {some}");
    }
    let some = told(&whole, 1, 0, 60);
    assert!(some.len() > 50 && some.ends_with("and over\\nAssistant: it was there\\n"), "{some}");
}

#[test]
fn a_summary_stands_with_what_the_user_said_first() {
    let mut some = conversation();
    let bytes_max = least(&some, 1) + SUMMARY.raw().len() as u64;
    let told = compact_with(&mut some, 1, bytes_max, SUMMARY);
    assert_eq!((told.turns, told.summary as usize, size(&some)), (3, SUMMARY.raw().len(), bytes_max));
    assert!(matches!(some.turns[0].parts[..], [Part::Text { .. }, Part::Text { text, .. }] if text == SUMMARY), "{:?}", some.turns);
    // With a byte less there is no room for it, and nothing changes but that.
    let (mut without, mut bare) = (conversation(), conversation());
    assert_eq!(compact_with(&mut without, 1, bytes_max - 1, SUMMARY), compact(&mut bare, 1, bytes_max - 1));
    assert_eq!(shown(&without), shown(&bare));
    // Nothing went, so that there is nothing to sum up.
    let mut whole = conversation();
    assert_eq!(compact_with(&mut whole, 1, size(&conversation()) + 100, SUMMARY), Compacted::default());
    assert_eq!(shown(&whole), shown(&conversation()));
}

fn answer(blocks: Vec<Block>, finish: Finish) -> Answer {
    Answer { choices: vec![Choice { blocks, finish: Some(finish), ..Choice::default() }], ..Answer::default() }
}

#[test]
fn what_is_no_summary_is_none() {
    let text = |text: &str| Block::Text(text.as_bytes().to_vec());
    let read = |answer: &Answer| read_summary(answer, 10).map(|summary| String::from_utf8(summary).unwrap());
    let said = read(&answer(vec![text("all "), text("is well")], Finish::Stop));
    assert!(said.as_ref().is_err_and(|why| *why == Useless::TooLong), "{said:?}");
    let said = read(&answer(vec![text("all "), text("well")], Finish::Length)).unwrap();
    assert!(said.starts_with('[') && said.ends_with("] all well"), "{said}");
    for (blocks, finish, why) in [
        (vec![], Finish::Stop, Useless::Empty),
        (vec![text(" \\n ")], Finish::Stop, Useless::Empty),
        (vec![text("well")], Finish::ContentFilter, Useless::Filtered),
        (vec![Block::Refusal(b"no".to_vec())], Finish::Stop, Useless::Filtered),
    ] {
        assert_eq!(read(&answer(blocks, finish)), Err(why));
    }
    assert_eq!(read(&Answer::default()), Err(Useless::Empty));
}

#[test]
fn the_question_is_one_in_every_dialect() {
    for dialect in [Dialect::Openai, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini] {
        let mut rope = Rope::new(b"", Vec::new());
        write_prompt(dialect, &question(Str::escaped(b"User: \\\"hm\\\"\\n"), 77), &Means::of("m"), &mut rope);
        let body = rope.finish().join(b"");
        let mut tree = Tree::new();
        let read = read_prompt(dialect, tree.read(&body).unwrap(), false).unwrap();
        assert_eq!((read.max_tokens, read.turns.len(), read.system.len()), (Some(77), 1, 1), "{dialect:?}");
        assert!(matches!(read.turns[0].parts[..], [Part::Text { text, .. }] if text.decode() == "User: \"hm\"\n"), "{dialect:?}");
    }
}

proptest! {
    #[test]
    fn a_summary_keeps_the_form_of_a_conversation(before in any_prompt(), keep in 0..5_usize, share in 0..110_u64) {
        let bytes_max = size(&before) * share / 100;
        let mut after = before.clone();
        let told = compact_with(&mut after, keep, bytes_max, SUMMARY);
        let (mut bare, cost) = (before.clone(), u64::from(told.summary));
        let plain = compact(&mut bare, keep, bytes_max.saturating_sub(cost));
        prop_assert_eq!((told.turns, told.outcomes, told.bytes), (plain.turns, plain.outcomes, plain.bytes));
        // It fits where anything did, the summary with it.
        prop_assert!(size(&after) <= bytes_max || size(&after) == least(&before, keep));
        prop_assert_eq!(size(&after), size(&bare) + cost);
        let is_summary = |part: &&Part<'_>| matches!(part, Part::Text { text, .. } if *text == SUMMARY);
        let count = after.turns.iter().flat_map(|turn| &turn.parts).filter(is_summary).count();
        prop_assert_eq!(count, usize::from(cost > 0));
        // The user says it, and nobody speaks twice who did not before.
        let roles = |prompt: &Prompt<'_>| prompt.turns.iter().map(|turn| turn.role).collect::<Vec<_>>();
        let nobody = bare.turns.iter().all(|turn| turn.role == Role::Assistant);
        if cost > 0 && nobody {
            prop_assert_eq!(roles(&after), [&[Role::User], &roles(&bare)[..]].concat());
        } else {
            prop_assert_eq!(roles(&after), roles(&bare));
        }
        prop_assert!(after.turns.iter().all(|turn| turn.role == Role::User || !turn.parts.iter().any(|part| is_summary(&part))));
        prop_assert_eq!(ids(&after), ids(&bare));
        // Of a text that goes in the end, the end is told.
        let transcript = transcript(&before, keep, bytes_max, 200);
        prop_assert!(transcript.len() <= 200 && (plain.turns + plain.outcomes > 0 || transcript.is_empty()));
        for dialect in [Dialect::Openai, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini] {
            let mut rope = Rope::new(b"", Vec::new());
            write_prompt(dialect, &after, &Means::of("m"), &mut rope);
            let body = rope.finish().join(b"");
            prop_assert!(Tree::new().read(&body).is_ok());
            let found = String::from_utf8_lossy(&body).matches("they talked").count();
            prop_assert_eq!(found, usize::from(cost > 0), "{:?}", dialect);
        }
    }
}
