//! What nobody but the operator can mend is taken out, and the operator is told so.

use super::*;
use crate::stats;

#[test]
fn a_credential_that_is_refused_is_told_once_and_shown() {
    for (status, what, class) in [(401, "key", "auth"), (402, "key", "quota_exhausted"), (403, "target", "permission")] {
        in_every_mood(|mood| {
            let mut scene = Scene::new(mood, two(|_| {}), &[&[Manner::Status(status, None)], &[]]);
            for _ in 0..3 {
                assert!(scene.ask(json()).is_whole(), "mood {mood}: the other answers");
            }
            let events = told(&scene, "taken_out");
            let [event] = &events[..] else { panic!("mood {mood}, {status}: {events:?}") };
            let said = ["provider", "what", "target", "class", "key"].map(|name| detail(event, name));
            assert_eq!(said, ["p0", what, "p0/m0", class, "0"], "mood {mood}");
            let (for_ms, until_us) = (detail(event, "for_ms").parse::<u64>().unwrap(), detail(event, "until_us").parse::<u64>().unwrap());
            assert_eq!((for_ms, until_us), (60_000, event.at_us + 60_000_000), "mood {mood}");

            let stats = stats::at(&scene.stage.process, scene.stage.now());
            let first = &stats.targets[0];
            assert_eq!((first.failures, first.failed_class.as_str()), (1, class));
            let keys: Vec<_> = stats.keys.iter().map(|key| (key.provider.as_str(), key.key, key.place, key.of, key.disabled)).collect();
            if what == "key" {
                assert_eq!(keys, [("p0", 0, 1, 1, true)], "mood {mood}");
                assert_eq!((stats.keys[0].class.as_str(), first.paused_ms), (class, 0), "mood {mood}");
                assert!((1..=60_000).contains(&stats.keys[0].paused_ms), "mood {mood}");
            } else {
                assert_eq!((keys.len(), first.paused_class.as_str()), (0, class), "mood {mood}");
                assert!((1..=60_000).contains(&first.paused_ms), "mood {mood}");
            }
            scene.end();
        });
    }
}

#[test]
fn a_rate_limit_takes_nothing_out() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, two(|_| {}), &[&[Manner::Status(429, Some(30_000))], &[]]);
        assert!(scene.ask(json()).is_whole());
        assert_eq!(told(&scene, "taken_out"), [], "mood {mood}");
        let stats = stats::at(&scene.stage.process, scene.stage.now());
        assert_eq!((stats.targets[0].paused_class.as_str(), stats.keys.len()), ("rate_limit", 0), "mood {mood}");
        scene.end();
    });
}

#[test]
fn a_breaker_is_shown_with_the_time_that_is_left() {
    let change = |chain: &mut policy::Chain| {
        chain.breaker = policy::Breaker { consecutive: 1, cooldown_ms: 5_000, cooldown_max_ms: 60_000, ..chain.breaker }
    };
    let mut scene = Scene::new(1, two(change), &[&[Manner::Status(500, None)], &[]]);
    assert!(scene.ask(json()).is_whole());
    let first = stats::at(&scene.stage.process, scene.stage.now()).targets.remove(0);
    assert_eq!((first.breaker.as_str(), first.failed_class.as_str()), ("open", "server_error"));
    assert!((1..=6_000).contains(&first.breaker_ms), "{first:?}");
    assert_eq!(first.breaker_cause, "consecutive");
    scene.end();
}
