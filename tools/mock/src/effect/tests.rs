use super::*;
use crate::answer::{Event, Grammar, Role};

fn applied(written: &str) -> (Answer, Delivery) {
    let faults = Fault::parse_list(written).unwrap();
    let answer = Answer::json(Grammar::Chat, 200, b"0123456789".to_vec());
    apply(&faults, answer, Delivery::default(), Asking { model: "m", request_id: "req_1" }, &mut Random::new(1))
}

#[test]
fn the_first_of_two_contradicting_faults_wins() {
    assert_eq!(applied("503,404").0.status, 503);
    assert_eq!(applied("404,503").0.status, 404);
    assert_eq!(applied("latency;ms=5,latency;ms=9").1.wait, Duration::from_millis(5));
    assert_eq!(applied("reset,cut").1.stop.unwrap().how, How::Reset);
}

#[test]
fn faults_compose() {
    let (answer, delivery) = applied("429;retry_after=1,latency;ms=5,split,close-after");
    assert_eq!(answer.status, 429);
    assert!(delivery.close_after && delivery.drip == Some(Duration::ZERO));
    assert_eq!(delivery.wait, Duration::from_millis(5));
}

#[test]
fn spreads_keep_to_their_shape() {
    let drawn = |written: &str| {
        let fault = Fault::parse(written).unwrap();
        let mut random = Random::new(3);
        let mut waits: Vec<f64> = (0..2001).map(|_| latency(&fault, &mut random).as_secs_f64() * 1000.0).collect();
        waits.sort_by(f64::total_cmp);
        waits
    };
    assert!(drawn("latency;ms=100").iter().all(|ms| *ms == 100.0));
    let uniform = drawn("latency;ms=100;spread=uniform");
    assert!(uniform[0] < 2.0 && uniform[2000] > 198.0 && uniform[2000] < 200.0);
    let exponential = drawn("latency;ms=100;spread=exponential");
    assert!((60.0..80.0).contains(&exponential[1000]), "median of 100 ms is 69 ms");
    let lognormal = drawn("latency;ms=100;spread=lognormal;p99_ms=1000");
    assert!((90.0..110.0).contains(&lognormal[1000]), "{}", lognormal[1000]);
    assert!((700.0..1400.0).contains(&lognormal[1980]), "{}", lognormal[1980]);
}

#[test]
fn points_become_bytes() {
    let event = |size: usize| Event::new(Role::Content, vec![b'x'; size]);
    let stream = Answer::stream(Grammar::Chat, vec![event(10), event(20), event(30)]).content;
    let whole = Content::Whole(vec![0; 100]);
    let check = |at: Point, content: &Content, expected: u64| {
        let stop = Stop { at, how: How::Reset };
        assert_eq!(stop_at_bytes(stop, content), expected, "{at:?}");
    };
    check(Point::Events(0), &stream, 0);
    check(Point::Events(2), &stream, 30);
    check(Point::Events(9), &stream, 60);
    check(Point::Half, &stream, 30);
    check(Point::Events(1), &whole, 50);
    check(Point::Bytes(7), &whole, 7);
}
