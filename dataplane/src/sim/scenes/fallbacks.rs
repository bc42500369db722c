//! Every fallback is told, whatever came of it, and nothing else is.

use super::*;
use crate::meters::Meter;

/// Where from, where to, why, and what came of it; one event for the last request.
fn fallback(scene: &Scene) -> Option<[String; 4]> {
    let events = told(scene, "fallback");
    assert!(events.len() <= 1, "{events:?}");
    events.first().map(|event| ["from", "to", "trigger", "outcome"].map(|name| detail(event, name).to_owned()))
}

fn counted(scene: &Scene) -> u64 {
    scene.stage.process.seats()[0].meters.get(Meter::Fallbacks)
}

#[test]
fn who_could_not_be_asked_is_told_like_who_failed() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, two(|_| {}), &[&[Manner::Status(429, Some(30_000))], &[]]);
        let heard = scene.ask(json());
        assert!(heard.is_whole() && heard.field("x-throwover-fallback-reason") == "rate_limit", "mood {mood}");
        assert_eq!(fallback(&scene), Some(["p0/m0", "p1/m1", "rate_limit", "answered"].map(str::to_owned)), "mood {mood}");
        // From now on it is at rest, and nobody fails there.
        for again in 1..3 {
            let heard = scene.ask(json());
            assert_eq!((heard.asked.as_slice(), heard.field("x-throwover-fallback-reason").as_str()), (&[1][..], "paused"), "mood {mood}");
            assert_eq!(fallback(&scene), Some(["p0/m0", "p1/m1", "paused", "answered"].map(str::to_owned)), "mood {mood}");
            assert_eq!(counted(&scene), again + 1, "mood {mood}");
        }
        scene.end();
    });
}

#[test]
fn a_fallback_that_helped_nobody_is_told() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, two(|_| {}), &[&[Manner::Status(401, None)], &[Manner::ErrorAfterContent]]);
        assert!(scene.ask(stream()).is_cut(), "mood {mood}");
        assert_eq!(fallback(&scene), Some(["p0/m0", "p1/m1", "auth", "cut"].map(str::to_owned)), "mood {mood}");
        scene.end();
        let mut scene = Scene::new(mood, two(|_| {}), &[&[Manner::Status(401, None)], &[Manner::Status(401, None)]]);
        assert_eq!(scene.ask(json()).status(), 502, "mood {mood}");
        assert_eq!(fallback(&scene), Some(["p0/m0", "p1/m1", "auth", "error"].map(str::to_owned)), "mood {mood}");
        assert_eq!(counted(&scene), 0, "mood {mood}: nobody was answered");
        scene.end();
    });
}

#[test]
fn who_is_answered_where_it_belongs_is_not_told_of() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, two(|_| {}), &[&[], &[]]);
        assert!(scene.ask(json()).is_whole() && scene.ask(stream()).is_whole(), "mood {mood}");
        assert_eq!((fallback(&scene), counted(&scene)), (None, 0), "mood {mood}");
        scene.end();
        // A mistake of its own is nobody else's.
        let mut scene = Scene::new(mood, two(|_| {}), &[&[Manner::Status(400, None)], &[]]);
        assert_eq!(scene.ask(json()).status(), 400, "mood {mood}");
        assert_eq!((fallback(&scene), counted(&scene)), (None, 0), "mood {mood}");
        scene.end();
    });
}

#[test]
fn a_storm_of_those_that_were_not_asked_leaves_room_for_what_is_rarer() {
    let mut scene = Scene::new(1, two(|_| {}), &[&[Manner::Status(429, Some(60_000))], &[]]);
    let asks = vec![json(); 40];
    assert_eq!(scene.tell(Habits::plain(asks)).len(), 40);
    let events = told(&scene, "fallback");
    let (paused, failed): (Vec<_>, Vec<_>) = events.iter().partition(|event| detail(event, "trigger") == "paused");
    let seconds = scene.stage.now().0 / 1_000_000_000 + 1;
    assert_eq!(failed.len(), 1);
    assert!((1..=5 * seconds as usize).contains(&paused.len()) && counted(&scene) == 40, "{}", paused.len());
    assert_eq!(paused.len() as u64 + scene.stage.process.seats()[0].meters.get(Meter::EventsDropped), 39);
    scene.end();
}
