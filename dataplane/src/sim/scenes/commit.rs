//! The commit point, and what is said before and after it.

use super::*;

#[test]
fn what_fails_before_anything_was_seen_is_failed_over_unseen() {
    let streams = [
        Manner::Status(500, None),
        Manner::Status(503, None),
        Manner::Status(429, None),
        Manner::Status(401, None),
        Manner::CloseBeforeHead,
        Manner::ResetBeforeHead,
        Manner::StallBeforeHead,
        Manner::NoFinishUnseen,
        Manner::Empty,
        Manner::BadHead,
        Manner::Page,
    ];
    let answers = [
        Manner::StallWithin,
        Manner::CutWithin,
        Manner::ResetWithin,
        Manner::ErrorWithin,
        Manner::BadJson,
        Manner::BadChunk,
        Manner::Short,
        Manner::Long,
    ];
    let cases = streams.iter().map(|&manner| (manner, true)).chain(streams.iter().chain(&answers).map(|&manner| (manner, false)));
    for (manner, is_stream) in cases {
        if manner == Manner::NoFinishUnseen && !is_stream {
            continue;
        }
        in_every_mood(|mood| {
            // Twice, since a connection from the pool that ends without a word is given a second chance.
            let draft = two(|chain| chain.patience.keepalive_after_ms = 10_000);
            let mut scene = Scene::new(mood, draft, &[&[manner; 2], &[]]);
            let heard = scene.ask(Ask { stream: is_stream, ..stream() });
            assert!(heard.is_whole(), "{manner:?}, stream {is_stream}, mood {mood}: {:?} {}", heard.told.head, heard.text());
            let again = usize::from(heard.asked[..2] == [0, 0]);
            assert_eq!(heard.asked[again..], [0, 1], "{manner:?}, stream {is_stream}, mood {mood}");
            assert_eq!(heard.field("x-throwover-provider"), "p1");
            assert_eq!(heard.field("x-throwover-attempts"), "2");
            assert_ne!(heard.field("x-throwover-fallback-reason"), "");
            scene.end();
        });
    }
}

#[test]
fn what_fails_after_content_says_so_and_never_ends_well() {
    for manner in [Manner::NoFinish, Manner::ErrorAfterContent, Manner::StallAfterContent, Manner::ResetAfterContent] {
        in_every_mood(|mood| {
            let mut scene = Scene::new(mood, two(|_| {}), &[&[manner], &[]]);
            let heard = scene.ask(stream());
            assert!(heard.is_cut(), "{manner:?}, mood {mood}: {}", heard.text());
            assert_eq!(heard.asked, [0], "{manner:?}: past the commit point nobody else is asked");
            scene.end();
        });
    }
}

#[test]
fn a_stream_without_its_marker_gets_it_when_it_had_ended_all_the_same() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, two(|_| {}), &[&[Manner::NoMarker], &[]]);
        let heard = scene.ask(stream());
        assert!(heard.is_whole(), "mood {mood}: {}", heard.text());
        scene.end();
    });
}

#[test]
fn beyond_what_may_be_held_an_answer_commits_where_it_stands() {
    for ask in [json(), stream()] {
        in_every_mood(|mood| {
            let mut scene = Scene::new(mood, two(|_| {}), &[&[Manner::Large, Manner::LargeCut], &[]]);
            let heard = scene.ask(ask.clone());
            assert!(heard.is_whole(), "mood {mood}, stream {}", ask.stream);
            let cut = scene.ask(ask.clone());
            assert_eq!((cut.status(), cut.told.body.whole, cut.asked), (200, false, vec![0]), "mood {mood}, stream {}", ask.stream);
            scene.end();
        });
    }
}

#[test]
fn a_cut_answer_never_ends_well_by_http_1_0() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, two(|_| {}), &[&[Manner::LargeCut; 8], &[Manner::LargeCut; 8]]);
        // Framed by its length one time and in chunks another, as the dice fall.
        let cuts: Vec<Heard> = (0..8).map(|_| scene.ask(Ask { old: true, ..json() })).collect();
        assert!(cuts.iter().any(|cut| cut.told.unframed), "mood {mood}: nothing but its end can end an answer without a length");
        assert!(cuts.iter().all(|cut| cut.status() == 200 && !cut.told.body.whole), "mood {mood}");
        scene.end();
    });
}

#[test]
fn comments_keep_a_silent_stream_alive() {
    in_every_mood(|mood| {
        let draft = two(|chain| chain.patience.keepalive_after_ms = 100);
        let mut scene = Scene::new(mood, draft, &[&[Manner::Late(400), Manner::StallBeforeHead], &[]]);
        let heard = scene.ask(stream());
        assert!(heard.text().starts_with(": keepalive\n\n"), "mood {mood}: {}", heard.text());
        assert!(heard.is_whole(), "mood {mood}: {}", heard.text());
        let switched = scene.ask(stream());
        assert!(switched.text().starts_with(": keepalive\n\n") && switched.is_whole(), "mood {mood}: {}", switched.text());
        assert_eq!(switched.asked, [0, 1]);
        scene.end();
    });
}

#[test]
fn after_comments_an_error_is_an_event() {
    in_every_mood(|mood| {
        let draft = two(|chain| {
            chain.patience.keepalive_after_ms = 100;
            chain.patience.deadline_ms = 700;
        });
        let mut scene = Scene::new(mood, draft, &[&[Manner::StallBeforeHead; 4], &[Manner::StallBeforeHead; 4]]);
        let heard = scene.ask(stream());
        let text = heard.text();
        assert_eq!((heard.status(), heard.told.body.whole), (200, false), "mood {mood}");
        assert!(text.starts_with(": keepalive\n\ndata: {\"error\":") && !text.contains("[DONE]"), "mood {mood}: {text}");
        scene.end();
    });
}

#[test]
fn after_comments_only_a_stream_is_an_answer() {
    in_every_mood(|mood| {
        let draft = two(|chain| chain.patience.keepalive_after_ms = 100);
        let mut scene = Scene::new(mood, draft, &[&[Manner::Accepted(400)], &[]]);
        let heard = scene.ask(stream());
        assert!(heard.text().starts_with(": keepalive\n\n") && heard.is_whole(), "mood {mood}: {}", heard.text());
        assert_eq!(heard.asked, [0, 1]);
        scene.end();
    });
}

#[test]
fn reasoning_extends_the_patience_with_a_stream() {
    in_every_mood(|mood| {
        // Each silence is within the patience; all of them together are not.
        let draft = two(|chain| chain.patience.first_token_ms = 500);
        let mut scene = Scene::new(mood, draft, &[&[Manner::Musing(5, 300)], &[]]);
        let heard = scene.ask(stream());
        assert!(heard.is_whole() && heard.asked == [0], "mood {mood}: {:?} {}", heard.asked, heard.text());
        scene.end();
    });
}

#[test]
fn the_usage_is_shown_to_who_asked_for_it() {
    for (ask, shown) in [(stream(), false), (Ask { usage: true, ..stream() }, true), (Ask { declines_usage: true, ..stream() }, false)] {
        in_every_mood(|mood| {
            let mut scene = Scene::new(mood, two(|_| {}), &[&[], &[]]);
            let heard = scene.ask(ask.clone());
            assert!(heard.is_whole());
            assert_eq!(heard.text().contains("\"usage\""), shown, "mood {mood}: {}", heard.text());
            let measured = scene.stage.entries.last().and_then(|entry| entry.record.as_ref()).map(|record| record.measures.tokens_out);
            assert_eq!(measured, Some(5), "it is counted either way");
            scene.end();
        });
    }
}

#[test]
fn a_callers_own_mistake_is_asked_once_and_told_as_it_is() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, two(|_| {}), &[&[Manner::Status(400, None); 2], &[]]);
        for ask in [json(), stream()] {
            let heard = scene.ask(ask);
            assert_eq!((heard.status(), &heard.asked[..]), (400, &[0][..]), "mood {mood}");
            let Some(Meant::Error { body, .. }) = &heard.meant else { panic!("the provider refused") };
            assert_eq!(body, &heard.told.body.bytes);
            assert_eq!(heard.field("x-should-retry"), "false");
        }
        scene.end();
    });
}

#[test]
fn a_short_pause_is_waited_for_when_nobody_else_is_left() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, plan::failover(1), &[&[Manner::Status(429, Some(200))]]);
        let heard = scene.ask(json());
        assert!(heard.is_whole() && heard.asked == [0, 0], "mood {mood}: {:?}", heard.asked);
        scene.end();
        let mut scene = Scene::new(mood, plan::failover(1), &[&[Manner::Status(429, Some(60_000))]]);
        let heard = scene.ask(json());
        assert_eq!((heard.status(), &heard.asked[..]), (429, &[0][..]), "mood {mood}: a long one is told");
        assert!(heard.field("retry-after").parse::<u64>().is_ok_and(|seconds| (50..=61).contains(&seconds)), "{:?}", heard.told.head);
        scene.end();
    });
}
