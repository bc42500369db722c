use super::*;
use crate::{
    Board, Prepared,
    decide::{self, Ask},
    exchange::Next,
    judge::{self, ErrorFields, Transport},
    prepared::tests as policies,
};
use policy::Class;

fn prepared() -> Prepared {
    let mut draft = policies::draft(&[("a", 1), ("b", 1)]);
    let targets = [policies::target(&mut draft, 0, "m"), policies::target(&mut draft, 1, "m")];
    let chain = policies::chain(&mut draft, "c", &[&targets[..1], &targets[1..]]);
    policies::name(&mut draft, "c", chain);
    policies::prepare(draft)
}

/// A record of an exchange whose first attempt failed and whose second answered.
fn record() -> Record {
    let (prepared, board) = (prepared(), Board::new(2, 2, 2));
    let at = |ms: u64| Moment::START.plus_ms(10 + ms);
    let ask = Ask {
        tenant: None,
        model: "c",
        field: &|_| None,
        chain: None,
        deadline_ms: None,
        stream: true,
        wants: decide::Wants::default(),
        started: Moment::START.plus_ms(10),
    };
    let mut exchange = decide::decide(&prepared, &ask, &board, at(1)).unwrap();
    let attempt = |exchange: &mut Exchange, ms| match exchange.next(&prepared, &board, at(ms), &mut || 0) {
        Next::Attempt(attempt) => attempt.index,
        other => panic!("{other:?}"),
    };
    let first = attempt(&mut exchange, 2);
    exchange.sent(first, at(3));
    exchange.head(first, 503, at(4));
    exchange.concluded(&board, &prepared, first, judge::status(503, &ErrorFields::default(), None, None), at(5));
    let second = attempt(&mut exchange, 6);
    exchange.sent(second, at(7));
    exchange.head(second, 200, at(8));
    exchange.first_token(&prepared, &board, second, at(9));
    exchange.commit();
    exchange.succeeded(&board, &prepared, second, None, at(20));
    assert!((board.target(TargetId(1)).average_ns(at(9)).unwrap() - 2e6).abs() < 1.0, "from sent to first token");
    let measures = Measures { status: 200, tokens_in: 5, tokens_out: 7, ..Measures::default() };
    Record::of(&exchange, 42, Outcome::Answered, measures, at(21))
}

#[test]
fn a_record_tells_the_whole_story() {
    let record = record();
    assert_eq!(record.validate(), Ok(()));
    assert_eq!((record.request, record.total_ns, record.attempts_made), (42, 21_000_000, 2));
    assert_eq!(record.candidates().collect::<Vec<_>>(), [(TargetId(0), None), (TargetId(1), None)]);
    let [first, second] = record.attempts() else { panic!("two attempts were made") };
    let times = |trail: &Trail| [trail.begun_us, trail.sent_us, trail.head_us, trail.token_us, trail.end_us];
    assert_eq!((times(first), first.status, first.end), ([2_000, 3_000, 4_000, 0, 5_000], 503, End::Failed(Class::Overloaded)));
    assert_eq!((times(second), second.status, second.end), ([6_000, 7_000, 8_000, 9_000, 20_000], 200, End::Answered));
    assert_eq!((first.detail(), second.detail()), ("unavailable", ""));
    assert_eq!((record.target(second), second.key()), (TargetId(1), Some(policy::KeyId(1))));
}

#[test]
fn what_cannot_have_been_is_found() {
    let check = |break_it: fn(&mut Record), expected: Flaw| {
        let mut record = record();
        break_it(&mut record);
        assert_eq!(record.validate(), Err(expected));
    };
    check(|record| record.attempts_max = 1, Flaw::TooManyAttempts);
    check(|record| record.attempts_made = 1, Flaw::TooManyAttempts);
    check(|record| record.trail[1].end = End::Running, Flaw::StillRunning);
    check(|record| record.trail[0].end = End::Answered, Flaw::AfterTheEnd);
    check(|record| record.outcome = Outcome::Relayed, Flaw::OutcomeDiffers);
    check(|record| record.outcome = Outcome::HungUp, Flaw::OutcomeDiffers);
    check(|record| record.outcome = Outcome::Stopped, Flaw::OutcomeDiffers);
    check(|record| record.outcome = Outcome::OwnError { code: "x" }, Flaw::OutcomeDiffers);
    check(|record| record.trail[1].begun_us = 4_999, Flaw::TimeRunsBack);
    check(|record| record.trail[1].end_us = 1, Flaw::TimeRunsBack);
    check(
        |record| {
            record.attempts_made = 0;
            record.trail[0].end = End::Stale;
            record.trail[1].end = End::Stale;
        },
        Flaw::TwiceStale,
    );
}

#[test]
fn every_detail_can_be_written_down() {
    let statuses = (0..=600).map(|status| judge::status(status, &ErrorFields::default(), None, None));
    for verdict in statuses.chain([judge::transport(Transport::Deadline), judge::event(&ErrorFields::default())]) {
        let place = usize::from(judge::detail_index(verdict.detail));
        assert_eq!(judge::DETAILS.get(place), Some(&verdict.detail));
    }
    assert!(judge::DETAILS.is_sorted());
}
