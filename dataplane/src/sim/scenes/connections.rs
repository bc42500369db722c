//! Connections: when they are used again, and when never.

use super::*;
use crate::{
    io::Instant,
    sim::{
        book::Fault,
        line::{Leave, Line},
    },
};

#[test]
fn a_connection_is_used_again_after_a_whole_answer() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, plan::failover(1), &[&[]]);
        scene.stage.run_ms(100);
        for ask in [json(), stream(), json()] {
            assert!(scene.ask(ask).is_whole(), "mood {mood}");
            scene.stage.run_ms(50);
        }
        let opened = scene.stage.world.stats().connected;
        assert!(opened <= 3, "{opened} connections for three requests one after another, mood {mood}");
        scene.end();
    });
}

#[test]
fn a_stale_connection_is_retried_once_on_a_fresh_one() {
    in_every_mood(|mood| {
        // The provider resets the pooled connection at the moment it is used: the request was sent
        // and no byte came back.
        let mut scene = Scene::new(mood, plan::failover(2), &[&[Manner::Well, Manner::CloseBeforeHead], &[]]);
        assert!(scene.ask(json()).is_whole());
        scene.stage.run_ms(50);
        let heard = scene.ask(json());
        assert!(heard.is_whole(), "mood {mood}: {}", heard.text());
        assert_eq!(heard.asked, [0, 0], "the same provider again, mood {mood}");
        assert_eq!(heard.field("x-throwover-attempts"), "1", "which counts as one attempt");
        let reused: Vec<bool> = scene.stage.book.borrow().attempts(2).iter().map(|seen| seen.reused).collect();
        assert_eq!(reused, [true, false], "on a connection that had carried nothing, mood {mood}");
        scene.end();
    });
}

#[test]
fn a_pooled_connection_that_ends_late_was_not_stale() {
    in_every_mood(|mood| {
        // Whoever was asked has worked for a while: that is a failure of its own, and the next one's turn.
        let late = Manner::CloseLate(u64::from(crate::relay::STALE_MS_MAX) + 500);
        let mut scene = Scene::new(mood, plan::failover(2), &[&[Manner::Well, late], &[]]);
        assert!(scene.ask(json()).is_whole());
        scene.stage.run_ms(50);
        let heard = scene.ask(json());
        assert!(heard.is_whole(), "mood {mood}: {}", heard.text());
        assert_eq!(heard.asked, [0, 1], "mood {mood}");
        assert_eq!((heard.field("x-throwover-attempts"), heard.field("x-throwover-fallback-reason")), ("2".into(), "reset".into()));
        assert!(scene.stage.book.borrow().attempts(2)[0].reused, "mood {mood}");
        scene.end();
    });
}

#[test]
fn who_was_sent_a_prompt_and_gave_no_answer_is_paid_for_it() {
    let late = Manner::CloseLate(u64::from(crate::relay::STALE_MS_MAX) + 500);
    // A stale connection was read by nobody, and an error is free.
    let cases = [(late, true), (Manner::StallBeforeHead, true), (Manner::CloseBeforeHead, false), (Manner::Status(503, None), false)];
    for (manner, paid) in cases {
        in_every_mood(|mood| {
            let mut draft = plan::failover(2);
            plan::add_budget(&mut draft);
            let mut scene = Scene::new(mood, draft, &[&[Manner::Well, manner], &[]]);
            assert!(scene.ask(json()).is_whole());
            scene.stage.run_ms(50);
            assert!(scene.ask(json()).is_whole(), "{manner:?}, mood {mood}");
            scene.stage.run_ms(50);
            let record = scene.stage.entries.iter().filter_map(|entry| entry.record.as_ref()).next_back().expect("it was recorded");
            assert_eq!(record.measures.failed_cost > policy::Money::NONE, paid, "{manner:?}, mood {mood}");
            assert!(record.measures.cost > record.measures.failed_cost, "the answer costs more, {manner:?}, mood {mood}");
            scene.end();
        });
    }
}

#[test]
fn a_refused_body_leaves_the_next_request_whole() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, plan::failover(1), &[&[]]);
        let asks = vec![Ask { fault: Fault::BadJson, ..json() }, json(), Ask { fault: Fault::UnknownPath, ..json() }, stream()];
        let heard = scene.tell(Habits { pipelined: true, ..Habits::plain(asks) });
        let statuses: Vec<u16> = heard.iter().map(Heard::status).collect();
        // A refusal may end the connection when the body was not all there; it may never garble it.
        let sound = statuses.iter().zip([400, 200, 404, 200]).all(|(&got, wanted)| got == wanted || got == 0);
        assert!(sound && statuses[0] == 400, "mood {mood}: {statuses:?}");
        scene.end();
    });
}

#[test]
fn a_large_body_of_no_use_is_not_read_to_its_end() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, plan::failover(1), &[&[]]);
        let heard = scene.ask(Ask { fault: Fault::UnknownPath, size: 300_000, ..json() });
        assert_eq!((heard.status(), heard.told.body.whole), (404, true), "the refusal arrives, mood {mood}");
        assert_eq!(heard.field("connection"), "close");
        scene.end();
    });
}

#[test]
fn a_tenant_that_leaves_takes_its_attempt_along() {
    for how in [Leave::Fin, Leave::Reset] {
        in_every_mood(|mood| {
            let mut scene = Scene::new(mood, two(|chain| chain.patience.first_token_ms = 600), &[&[Manner::StallBeforeHead], &[]]);
            let heard = scene.tell(Habits { leave: Some((200, how)), ..Habits::plain(vec![json()]) }).pop().expect("one request");
            assert_eq!((heard.status(), &heard.asked[..]), (0, &[0][..]), "{how:?}, mood {mood}");
            scene.stage.run_ms(2_000);
            assert_eq!(scene.stage.book.borrow().asked(1), [0], "nobody is asked for somebody who left");
            scene.end();
        });
    }
}

#[test]
fn an_idle_connection_ends_in_time() {
    in_every_mood(|mood| {
        let mut draft = plan::failover(1);
        draft.gateway.keep_alive_ms = 3_000;
        let mut scene = Scene::new(mood, draft, &[&[]]);
        let (io, end) = (scene.stage.io(), scene.stage.connect());
        let (began, ended): (Instant, Instant) = scene.stage.play(async move {
            let mut line = Line::new(io, end);
            let began = line.now();
            while line.fill().await {}
            line.end.close();
            (began, line.now())
        });
        let lived = ended.millis_since(began);
        assert!((1_900..2_300).contains(&lived), "a connection on which no request comes lives for the time of a head: {lived} ms");
        scene.end();
    });
}

#[test]
fn a_head_that_comes_too_slowly_is_refused() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, plan::failover(1), &[&[]]);
        let (io, end) = (scene.stage.io(), scene.stage.connect());
        let text = scene.stage.play(async move {
            let mut line = Line::new(io, end);
            line.end.write(b"POST /v1/chat/comp");
            let head = line.head().await.expect("a refusal");
            line.end.close();
            head.first
        });
        assert_eq!(text, "HTTP/1.1 408 Request Timeout", "mood {mood}");
        scene.end();
    });
}
