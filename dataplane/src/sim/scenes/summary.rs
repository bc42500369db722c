//! What is left out of a prompt is summed up, and nothing is worse when it is not.

use super::*;
use crate::sim::{line::Leave, provider::find};
use engine::account::{self, Outcome};
use policy::{TargetId, chain::Compact};

/// A conversation of which the first provider can read a part.
fn long(stream: bool) -> Ask {
    Ask { stream, size: 4_000, turns: 12, ..Ask::default() }
}

/// Who answers reads 8,000 tokens, and another one sums up. All of it costs money.
fn draft() -> Draft {
    let mut draft = plan::draft(2);
    plan::add_chain(&mut draft, &[vec![0]], policy::Balance::Weighted);
    plan::add_chain(&mut draft, &[vec![1]], policy::Balance::Weighted);
    plan::add_budget(&mut draft);
    draft.targets.get_mut(TargetId(0)).expect("two providers").context_window = Some(8_000);
    draft.chains.get_mut(ChainId(0)).expect("chain 0 is there").compact = Some(Compact { keep_turns: 2, summary: Some(ChainId(1)) });
    draft
}

fn summary(scene: &Scene) -> account::Summary {
    let record = scene.stage.entries.last().and_then(|entry| entry.record.as_ref()).expect("the request is recorded");
    *record.summary.as_deref().expect("a summary was wanted")
}

/// The last body that was to be answered.
fn body(scene: &Scene, request: u32) -> Vec<u8> {
    scene.stage.book.borrow().attempts(request).last().expect("somebody was asked").body.clone()
}

/// What is left of the conversation is whole, and holds a summary or not.
fn is_sound(scene: &Scene, request: u32, summed_up: bool) {
    let body = body(scene, request);
    assert!(body.len() < 16_800 + 512, "{} bytes", body.len());
    let holds = |part: &str| find(&body, part.as_bytes());
    assert!(holds("the task") && holds("the question") && holds("turn 11 ") && !holds("turn 0 "));
    assert_eq!(holds("were left out. In short:] answer "), summed_up);
}

#[test]
fn a_summary_stands_in_the_place_of_what_was_left_out() {
    for stream in [false, true] {
        in_every_mood(|mood| {
            let mut scene = Scene::new(mood, draft(), &[&[], &[]]);
            let heard = scene.ask(long(stream));
            assert!(heard.is_whole() && heard.asked == [0], "mood {mood}: {}", heard.text());
            assert!(heard.field("x-throwover-compacted").contains(" summary_by=p1/m1 summary_ms="), "mood {mood}");
            is_sound(&scene, 1, true);
            let told = summary(&scene);
            assert_eq!((told.target, told.why, told.tokens_in, told.tokens_out), (Some(TargetId(1)), "", 3, 5), "mood {mood}");
            // Three tokens of a millionth of a dollar, and five of three.
            assert!(told.cost > policy::Money::NONE && told.bytes > 0, "mood {mood}: {told:?}");
            let question = scene.stage.book.borrow().summaries[0].body.clone();
            let told = |turn: &str| find(&question, turn.as_bytes());
            // The newest of what went, as much as somebody reads of whom nobody knows how much that is.
            assert!(question.len() < 22_000 && told("turn 8 ") && !told("turn 0 ") && !told("turn 11 "), "mood {mood}");
            scene.end();
        });
    }
}

#[test]
fn without_a_summary_nothing_is_worse() {
    let manners = [
        (Manner::Status(500, None), "server_error"),
        (Manner::Status(429, None), "rate_limit"),
        (Manner::Status(401, None), "auth"),
        (Manner::ResetBeforeHead, "reset"),
        (Manner::StallBeforeHead, "timeout"),
        (Manner::StallWithin, "timeout"),
        (Manner::Empty, "empty"),
        (Manner::BadJson, "malformed"),
        (Manner::Page, "malformed"),
        (Manner::Large, "malformed"),
    ];
    for (manner, why) in manners {
        in_every_mood(|mood| {
            // A connection that was idle may have been closed unseen: then it is asked once more, and resets again.
            let mut scene = Scene::new(mood, draft(), &[&[], &[manner, manner]]);
            let heard = scene.ask(long(false));
            assert!(heard.is_whole() && heard.asked == [0], "mood {mood}, {manner:?}: {}", heard.text());
            let field = heard.field("x-throwover-compacted");
            assert!(field.contains(&format!(" no_summary={why} summary_ms=")), "mood {mood}, {manner:?}: {field}");
            is_sound(&scene, 1, false);
            let told = summary(&scene);
            assert_eq!((told.target, told.why, told.bytes), (Some(TargetId(1)), why, 0), "mood {mood}, {manner:?}");
            // A third of the four seconds that the exchange has.
            assert!(told.ms <= 1_400, "mood {mood}, {manner:?}: {told:?}");
            scene.end();
        });
    }
}

#[test]
fn who_fails_too_often_is_not_asked_to_sum_up() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, draft(), &[&[], &[Manner::Status(500, None); 9]]);
        for request in 1..=7 {
            assert!(scene.ask(long(false)).is_whole(), "mood {mood}");
            let told = summary(&scene);
            let expected = if request <= 5 { "server_error" } else { "breaker_open" };
            assert_eq!(told.why, expected, "mood {mood}, request {request}");
        }
        assert_eq!(scene.stage.book.borrow().summaries.len(), 5, "mood {mood}");
        scene.end();
    });
}

#[test]
fn comments_go_out_while_somebody_sums_up() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, draft(), &[&[], &[Manner::Late(900)]]);
        let heard = scene.ask(long(true));
        assert!(heard.text().starts_with(": keepalive\n\n") && heard.text().ends_with("data: [DONE]\n\n"), "mood {mood}: {}", heard.text());
        is_sound(&scene, 1, true);
        scene.end();
    });
}

#[test]
fn a_hang_up_ends_a_summary_at_once() {
    for stream in [false, true] {
        in_every_mood(|mood| {
            let mut scene = Scene::new(mood, draft(), &[&[], &[Manner::StallBeforeHead]]);
            let habits = Habits { leave: Some((400, Leave::Reset)), ..Habits::plain(vec![long(stream)]) };
            let heard = scene.tell(habits).pop().expect("one request");
            assert!(heard.asked.is_empty(), "mood {mood}: nobody is asked for an answer");
            scene.stage.run_ms(100);
            let record = scene.stage.entries.last().and_then(|entry| entry.record.as_ref()).expect("it is recorded");
            assert_eq!((record.outcome, record.attempts().len()), (Outcome::HungUp, 0), "mood {mood}");
            // Its prompt was sent, and is paid for.
            assert!(summary(&scene).why == "hung_up" && summary(&scene).cost == record.measures.cost, "mood {mood}");
            assert!(record.measures.cost > policy::Money::NONE, "mood {mood}");
            scene.end();
        });
    }
}

#[test]
fn a_drain_ends_a_summary() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, draft(), &[&[], &[Manner::StallBeforeHead]]);
        let (io, end, book) = (scene.stage.io(), scene.stage.connect(), scene.stage.book.clone());
        scene.stage.world.script(async move {
            tenant::play(io, end, Habits::plain(vec![long(false)]), Dice::new(1), book).await;
        });
        let book = scene.stage.book.clone();
        scene.stage.until("a summary is asked for", || !book.borrow().summaries.is_empty());
        scene.stage.process.drain(Some(100));
        let process = scene.stage.process.clone();
        scene.stage.until("the shard ends", || process.seats()[0].finished());
        let book = scene.stage.book.clone();
        scene.stage.until("it came to something", || book.borrow().told.len() == 1);
        assert_eq!(scene.heard(1).status(), 503, "mood {mood}");
        scene.end();
    });
}
