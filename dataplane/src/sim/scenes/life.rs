//! What outlives a publish, and what a drain waits for.

use super::*;
use crate::meters::Meter;
use engine::account::Outcome;

#[test]
fn a_publish_keeps_breakers_and_warm_connections() {
    in_every_mood(|mood| {
        let draft = two(|chain| {
            chain.breaker.consecutive = 2;
            chain.breaker.cooldown_ms = 30_000;
            chain.breaker.cooldown_max_ms = 30_000;
        });
        let mut scene = Scene::new(mood, draft, &[&[Manner::Status(500, None); 2], &[]]);
        for _ in 0..2 {
            assert_eq!(scene.ask(json()).asked, [0, 1], "mood {mood}");
        }
        assert_eq!(scene.ask(json()).asked, [1], "the breaker is open, mood {mood}");
        scene.stage.run_ms(200);
        let before = scene.stage.world.stats().connected;
        scene.stage.publish(|draft| draft.gateway.queue_ms += 1);
        let heard = scene.ask(json());
        assert_eq!((&heard.asked[..], heard.field("x-throwover-generation")), (&[1][..], "2".to_owned()), "it still is, mood {mood}");
        assert_eq!(scene.stage.world.stats().connected, before, "no connection was opened anew, mood {mood}");
        scene.end();
    });
}

#[test]
fn the_first_warm_connection_makes_it_ready_at_once() {
    in_every_mood(|mood| {
        // No recorder looks here: it is the shard that says so.
        let mut scene = Scene::new(mood, two(|_| {}), &[&[], &[]]);
        let process = scene.stage.process.clone();
        let idle = || process.seats()[0].meters.get(Meter::UpstreamIdle);
        assert_eq!(process.ready(), idle() > 0, "mood {mood}");
        scene.stage.until("a connection is warm", || idle() > 0);
        assert!(process.ready(), "mood {mood}: warm, and not ready");
        let after_us = scene.stage.now().micros_since(process.started);
        assert!((1..=after_us).contains(&process.ready_after_us()), "mood {mood}");
        scene.stage.run_ms(200);
        let told: Vec<String> = std::iter::from_fn(|| process.next_event()).map(|event| event.kind).collect();
        assert_eq!(told, ["ready"], "mood {mood}: it is told once");
        scene.end();
    });
}

#[test]
fn an_exchange_sees_one_generation_from_start_to_end() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, two(|_| {}), &[&[Manner::StallBeforeHead], &[]]);
        let (io, end, book) = (scene.stage.io(), scene.stage.connect(), scene.stage.book.clone());
        scene.stage.world.script(async move {
            tenant::play(io, end, Habits::plain(vec![json()]), Dice::new(1), book).await;
        });
        let book = scene.stage.book.clone();
        scene.stage.until("the first provider is asked", || !book.borrow().asked(1).is_empty());
        // The next generation has no second provider for this chain.
        scene.stage.publish(|draft| {
            draft.chains.get_mut(ChainId(0)).expect("chain 0 is there").steps.truncate(1);
        });
        scene.stage.until("it is answered", || book.borrow().told.contains_key(&1));
        let heard = scene.heard(1);
        assert!(heard.is_whole() && heard.asked == [0, 1], "mood {mood}: {:?}", heard.asked);
        assert_eq!(heard.field("x-throwover-generation"), "1");
        scene.end();
    });
}

#[test]
fn a_drain_waits_for_streams_and_closes_idle_connections() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, two(|_| {}), &[&[Manner::Musing(4, 300)], &[]]);
        let idle = scene.stage.connect();
        let (io, end, book) = (scene.stage.io(), scene.stage.connect(), scene.stage.book.clone());
        scene.stage.world.script(async move {
            tenant::play(io, end, Habits::plain(vec![stream(), json()]), Dice::new(1), book).await;
        });
        let book = scene.stage.book.clone();
        scene.stage.until("the provider is asked", || !book.borrow().asked(1).is_empty());
        scene.stage.process.drain(Some(60_000));
        let process = scene.stage.process.clone();
        scene.stage.until("the shard ends", || process.seats()[0].finished());
        drop(idle);
        scene.stage.until("both requests came to something", || book.borrow().told.len() == 2);
        let (first, second) = (scene.heard(1), scene.heard(2));
        assert!(first.is_whole(), "mood {mood}: the stream came to its end: {}", first.text());
        assert_eq!((second.status(), second.asked.len()), (0, 0), "mood {mood}: and nothing was begun after it");
        scene.end();
    });
}

/// Nobody is left without a word, and nothing without a record, by a drain that does not wait for ever.
#[test]
fn a_drain_that_is_over_says_so_to_whoever_is_left() {
    in_every_mood(|mood| {
        let mut scene =
            Scene::new(mood, two(|chain| chain.patience.idle_ms = 30_000), &[&[Manner::StallBeforeHead, Manner::StallWithin], &[]]);
        for (request, ask) in [(1, json()), (2, stream())] {
            let (io, end, book) = (scene.stage.io(), scene.stage.connect(), scene.stage.book.clone());
            scene.stage.world.script(async move {
                tenant::play(io, end, Habits::plain(vec![ask]), Dice::new(1), book).await;
            });
            let book = scene.stage.book.clone();
            scene.stage.until("the provider is asked", || !book.borrow().asked(request).is_empty());
        }
        // The stream has shown something by then.
        scene.stage.run_ms(200);
        scene.stage.process.drain(Some(300));
        let process = scene.stage.process.clone();
        scene.stage.until("the shard ends", || process.seats()[0].finished());
        let book = scene.stage.book.clone();
        scene.stage.until("both requests came to something", || book.borrow().told.len() == 2);
        let (waiting, streaming) = (scene.heard(1), scene.heard(2));
        assert_eq!((waiting.status(), waiting.field("x-throwover-fault")), (503, "gateway".to_owned()), "mood {mood}");
        assert_eq!(streaming.status(), 200, "mood {mood}");
        for heard in [&waiting, &streaming] {
            assert!(heard.text().contains("\"code\":\"gateway_stopped\""), "mood {mood}: {}", heard.text());
            assert_eq!(heard.asked, [0], "mood {mood}: nobody else is asked");
        }
        let outcomes: Vec<_> = scene.stage.entries.iter().filter_map(|entry| Some(entry.record.as_ref()?.outcome)).collect();
        assert_eq!(outcomes, [Outcome::Stopped; 2], "mood {mood}");
        scene.end();
    });
}

#[test]
fn a_provider_that_is_no_longer_named_keeps_no_connections() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, two(|_| {}), &[&[], &[]]);
        scene.stage.run_ms(200);
        assert!(scene.ask(json()).is_whole());
        scene.stage.publish(|draft| {
            draft.chains.get_mut(ChainId(0)).expect("chain 0 is there").steps.truncate(1);
        });
        // Longer than an idle connection is kept.
        scene.stage.run_ms(60_000);
        let idle = scene.stage.process.seats()[0].pools[1].idle.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(idle, 0, "mood {mood}: connections to a provider that no chain asks first or second");
        scene.end();
    });
}
