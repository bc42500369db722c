//! Load against sink: every answer is right, and wrong ones are told.

use super::{Expected, Load, Pace, Plan};
use crate::{
    canned::{self, Asking},
    sink::{Answers, Sink},
    stage::Stage,
    tally::Kind,
};
use std::{rc::Rc, time::Duration};

/// Far more than anything here takes; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

fn plan(stage: &Stage, stream: bool, expected: Expected, pace: Pace) -> Plan {
    let to = stage.sink().expect("placed").address().expect("bound");
    let request = canned::request(&Asking { path: canned::PATH, host: "sink", key: "", model: canned::MODEL, bytes: 1_024, stream });
    Plan { to, request, expected, connections: 4, pace, timeout_ns: 30_000_000_000 }
}

fn stage(bytes: usize, interval: Duration) -> Stage {
    let mut stage = Stage::new().expect("an epoll");
    stage.place(|poll| Sink::open(&Answers { bytes, events: 5, interval }, 0, None, poll)).expect("a port");
    stage
}

/// Runs until so many answers and errors are there, then lets the rest come in.
fn run(stage: &mut Stage, plan: Plan, count: u64) -> Load {
    stage.begin(plan);
    let done = |stage: &mut Stage| stage.load().is_some_and(|load| load.tally.answers + load.tally.errors() >= count);
    assert!(stage.until(PATIENCE, done).expect("no error of epoll"), "it hangs");
    stage.load().expect("begun").stop();
    assert!(stage.until(PATIENCE, |stage| stage.load().is_some_and(|load| load.under_way() == 0)).expect("no error of epoll"));
    stage.end().expect("begun")
}

#[test]
fn two_hundred_completions_are_byte_for_byte_what_was_sent() {
    for bytes in [1_024, 300_000] {
        let mut stage = stage(bytes, Duration::ZERO);
        let plan = plan(&stage, false, Expected::Json(Some(canned::completion(bytes))), Pace::Closed);
        let load = run(&mut stage, plan, 200);
        assert_eq!(load.tally.errors_text(), "");
        assert!(load.tally.answers >= 200);
        assert_eq!(load.tally.bytes, load.tally.answers * bytes as u64);
        assert_eq!(load.tally.latency.count(), load.tally.answers);
        let seen = stage.sink().expect("placed").seen;
        assert_eq!((seen.requests, seen.body_bytes), (load.tally.answers, load.tally.answers * 1_024));
        assert_eq!((seen.connections, seen.broken), (4, 0));
    }
}

#[test]
fn two_hundred_streams_have_every_event() {
    for interval in [Duration::ZERO, Duration::from_micros(100)] {
        let mut stage = stage(1_024, interval);
        let data: Rc<[String]> = canned::stream(5).into();
        let plan = plan(&stage, true, Expected::Stream(Some(data)), Pace::Closed);
        let load = run(&mut stage, plan, 200);
        assert_eq!(load.tally.errors_text(), "");
        assert_eq!(load.tally.first_event.count(), load.tally.answers);
        // Role, five words and the stop: six gaps.
        assert_eq!(load.tally.gap.count(), 6 * load.tally.answers);
        // The sink stamps every event when it sends it, and both read one clock.
        assert_eq!(load.tally.delay.count(), 7 * load.tally.answers);
        assert!(load.tally.delay.at(1.0) <= load.tally.latency.at(1.0) * 1.001);
    }
}

#[test]
fn an_open_loop_sends_what_its_schedule_says() {
    let mut stage = stage(1_024, Duration::ZERO);
    let plan = plan(&stage, false, Expected::Json(None), Pace::Open { per_second: 2_000.0 });
    let load = run(&mut stage, plan, 200);
    assert_eq!(load.tally.errors_text(), "");
    assert!(load.tally.lateness.count() >= load.tally.answers);
    assert_eq!(load.tally.service.count(), load.tally.answers);
}

#[test]
fn who_turns_to_another_request_asks_that_one() {
    let mut stage = stage(1_024, Duration::ZERO);
    let longer = Asking { path: canned::PATH, host: "sink", key: "", model: canned::MODEL, bytes: 2_048, stream: false };
    let plan = plan(&stage, false, Expected::Json(Some(canned::completion(1_024))), Pace::Open { per_second: 2_000.0 });
    stage.begin(plan);
    let answered = |stage: &mut Stage, count| {
        let done = |stage: &mut Stage| stage.load().is_some_and(|load| load.tally.answers >= count);
        assert!(stage.until(PATIENCE, done).expect("no error of epoll"), "it hangs");
        stage.load().expect("begun").tally.answers
    };
    let first = answered(&mut stage, 50);
    stage.load().expect("begun").turn_to(canned::request(&longer));
    answered(&mut stage, first + 50);
    stage.load().expect("begun").stop();
    assert!(stage.until(PATIENCE, |stage| stage.load().is_some_and(|load| load.under_way() == 0)).expect("no error of epoll"));
    let load = stage.end().expect("begun");
    assert_eq!(load.tally.errors_text(), "");
    let seen = stage.sink().expect("placed").seen;
    // Each was one or the other, those with the second no fewer than came after all that may have been under way.
    let longer = (seen.body_bytes - 1_024 * seen.requests) / 1_024;
    assert_eq!((seen.requests, seen.body_bytes), (load.tally.answers, 1_024 * (seen.requests - longer) + 2_048 * longer));
    assert!((46..=load.tally.answers - 50).contains(&longer), "{longer} of {}", seen.requests);
}

#[test]
fn nothing_that_the_schedule_said_is_left_out() {
    // Far more than four connections can ask for: most wait, and every one is answered or told.
    let mut busy = stage(1_024, Duration::from_millis(1));
    let plan = plan(&busy, true, Expected::Stream(None), Pace::Open { per_second: 4_000.0 });
    let load = run(&mut busy, plan.clone(), 50);
    assert!(load.tally.waited > 0, "nothing had to wait");
    assert_eq!(load.tally.answers + load.tally.errors(), load.tally.lateness.count());
    assert!(load.tally.latency.at(1.0) > load.tally.service.at(1.0), "waiting is part of latency");
    // Nobody listens there: what waits in vain is an error, too.
    let mut alone = Stage::new().expect("an epoll");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let load = run(&mut alone, Plan { to: nobody, timeout_ns: 200_000_000, ..plan }, 50);
    assert_eq!(load.tally.answers, 0);
    assert!(load.tally.errors() >= load.tally.lateness.count(), "{}", load.tally.errors_text());
    let kinds: Vec<Kind> = load.tally.errors.keys().copied().collect();
    assert_eq!(kinds, [Kind::Connect, Kind::Timeout]);
}

#[test]
fn what_is_wrong_is_an_error_of_its_kind() {
    let check = |stream: bool, expected: Expected, kind: Kind| {
        let mut stage = stage(1_024, Duration::ZERO);
        let plan = plan(&stage, stream, expected, Pace::Closed);
        let load = run(&mut stage, plan, 4);
        assert_eq!(load.tally.answers, 0);
        assert_eq!(load.tally.errors.keys().copied().collect::<Vec<_>>(), [kind]);
    };
    check(false, Expected::Json(Some(canned::completion(1_025))), Kind::Content);
    check(false, Expected::Stream(None), Kind::Content);
    check(true, Expected::Stream(Some(canned::stream(4).into())), Kind::Content);
    let mut stage = stage(1_024, Duration::ZERO);
    let mut health = plan(&stage, false, Expected::Json(Some(Rc::from(&b"{}"[..]))), Pace::Closed);
    health.request = Rc::from(&b"GET /health HTTP/1.1\r\nhost: sink\r\n\r\n"[..]);
    assert_eq!(run(&mut stage, health, 4).tally.errors_text(), "");
    let mut elsewhere = plan(&stage, false, Expected::Json(None), Pace::Closed);
    elsewhere.request = Rc::from(&b"GET /v1/nothing HTTP/1.1\r\nhost: sink\r\n\r\n"[..]);
    let load = run(&mut stage, elsewhere, 4);
    assert_eq!(load.tally.errors.keys().copied().collect::<Vec<_>>(), [Kind::Status(404)]);
}

#[test]
fn idle_connections_ask_once() {
    let mut stage = stage(1_024, Duration::ZERO);
    let plan = plan(&stage, false, Expected::Json(None), Pace::Once);
    stage.begin(plan);
    assert!(stage.until(PATIENCE, |stage| stage.load().is_some_and(|load| load.served() == 4)).expect("no error of epoll"));
    let load = stage.end().expect("begun");
    assert_eq!((load.tally.answers, load.tally.errors()), (4, 0));
}

#[test]
fn a_stream_is_wanted_wherever_the_request_says_so() {
    let mut stage = stage(1_024, Duration::ZERO);
    let mut late = plan(&stage, false, Expected::Stream(Some(canned::stream(5).into())), Pace::Closed);
    let body =
        format!("{{\"messages\":[{{\"role\":\"user\",\"content\":\"{}\"}}],\"stream\":true,\"model\":\"m\"}}", "word ".repeat(1_000));
    let head = format!("POST {} HTTP/1.1\r\nhost: sink\r\ncontent-length: {}\r\n\r\n", canned::PATH, body.len());
    late.request = (head + &body).into_bytes().into();
    let load = run(&mut stage, late, 20);
    assert_eq!(load.tally.errors_text(), "");
    assert!(load.tally.answers >= 20);
}
