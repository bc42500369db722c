//! Places and memory: so much, and not more.

use super::*;
use crate::{io::Instant, sim::line::Leave};

/// Tenants that all ask at once, each on its own connection; gives their numbers.
fn crowd(scene: &mut Scene, habits: Vec<(u64, Habits)>) {
    let awaited = habits.len() as u32;
    scene.stage.book.borrow_mut().awaited = awaited;
    for (after_ms, habits) in habits {
        let (io, end, book) = (scene.stage.io(), scene.stage.connect(), scene.stage.book.clone());
        scene.stage.world.script(async move {
            let at: Instant = io.now().plus_millis(after_ms);
            io.deadline(at).await;
            tenant::play(io, end, habits, Dice::new(after_ms), book.clone()).await;
            book.borrow_mut().awaited -= 1;
        });
    }
    let book = scene.stage.book.clone();
    scene.stage.until("every tenant has gone", || book.borrow().awaited == 0);
}

fn narrow(queue_ms: u64) -> policy::Draft {
    let mut draft = plan::failover(1);
    draft.gateway.in_flight_max = 1;
    draft.gateway.queue_ms = queue_ms;
    draft
}

#[test]
fn places_are_granted_in_the_order_of_arrival() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, narrow(5_000), &[&[Manner::Late(200); 4]]);
        crowd(&mut scene, (0..4).map(|index| (index * 40, Habits::plain(vec![json()]))).collect());
        let book = scene.stage.book.borrow();
        for request in 1..=4 {
            assert_eq!(book.attempts(request).len(), 1, "mood {mood}, request {request}: {:?}", book.told[&request]);
        }
        let mut order: Vec<(Instant, u32)> = (1..=4).map(|request| (book.attempts(request)[0].at, request)).collect();
        order.sort();
        assert_eq!(order.iter().map(|(_, request)| *request).collect::<Vec<_>>(), [1, 2, 3, 4], "mood {mood}");
        drop(book);
        scene.end();
    });
}

#[test]
fn who_finds_no_place_in_time_is_refused_fast() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, narrow(100), &[&[Manner::Late(600)]]);
        crowd(&mut scene, vec![(0, Habits::plain(vec![json()])), (50, Habits::plain(vec![json()]))]);
        let (served, refused) = (scene.heard(1), scene.heard(2));
        assert!(served.is_whole(), "mood {mood}");
        assert_eq!((refused.status(), refused.asked.len()), (503, 0), "mood {mood}");
        assert!(refused.text().contains("gateway_full"));
        assert!(refused.field("retry-after").parse::<u64>().is_ok());
        scene.end();
    });
}

#[test]
fn who_leaves_while_waiting_leaves_the_place_to_the_next() {
    in_every_mood(|mood| {
        let mut scene = Scene::new(mood, narrow(5_000), &[&[Manner::Late(300); 3]]);
        let leaves = Habits { leave: Some((100, Leave::Reset)), ..Habits::plain(vec![json()]) };
        crowd(&mut scene, vec![(0, Habits::plain(vec![json()])), (40, leaves), (80, Habits::plain(vec![json()]))]);
        for request in [1, 3] {
            let heard = scene.heard(request);
            assert!(heard.is_whole(), "mood {mood}, request {request}: {:?} {}", heard.told.head, heard.text());
        }
        assert_eq!(scene.heard(2).asked.len(), 0, "mood {mood}: who left was never asked for");
        scene.end();
    });
}

#[test]
fn bodies_beyond_the_memory_are_refused_and_it_comes_back() {
    in_every_mood(|mood| {
        let mut draft = plan::failover(1);
        draft.gateway.queue_ms = 50;
        let stage = Stage::with(mood, draft, 4 * policy::limits::BLOCK_BYTES, |_| {});
        let mut scene = Scene::over(stage, &[&[Manner::Late(500)]]);
        let large = Ask { size: 200_000, ..json() };
        crowd(&mut scene, vec![(0, Habits::plain(vec![large.clone()])), (60, Habits::plain(vec![large.clone()]))]);
        let statuses = [scene.heard(1).status(), scene.heard(2).status()];
        assert!(statuses.contains(&200) && statuses.contains(&503), "mood {mood}: {statuses:?}");
        assert!(scene.ask(large).is_whole(), "mood {mood}: afterwards there is room again");
        scene.end();
    });
}

#[test]
fn a_place_granted_to_who_has_just_left_goes_back() {
    let world = crate::io::fake::World::new(1);
    let io = world.io();
    let admission = crate::admission::Admission::default();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let place = admission.try_enter(1).expect("nobody is there");
    let mut waiting = Box::pin(admission.enter(&io, 1, Instant::FAR));
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    // Granted in the very turn in which the one who waits goes away.
    drop(place);
    assert_eq!(admission.taken(), 1, "it went straight to the one who waits");
    drop(waiting);
    assert_eq!(admission.taken(), 0);
    assert!(admission.try_enter(1).is_some());
}
