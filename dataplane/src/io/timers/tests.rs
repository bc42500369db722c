use super::*;
use std::task::Waker;

const TICK: u64 = 1 << TICK_SHIFT;

fn ms(millis: u64) -> Instant {
    Instant(0).plus_millis(millis)
}

#[test]
fn nothing_fires_early_and_all_within_a_tick() {
    let timers = Timers::new(Instant(0));
    let mut random = 0x1234_5678_9abc_def1_u64;
    let mut deadlines = Vec::new();
    for index in 0..3000u64 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // From a millisecond to three hours: beyond both rounds.
        let span = [10, 1_000, 100_000, 10_800_000][(index % 4) as usize];
        deadlines.push((ms(random % span), timers.deadline(ms(random % span))));
    }
    let mut due = Vec::new();
    let mut now = Instant(0);
    let mut steps = 0;
    while let Some(wait) = timers.until_next() {
        steps += 1;
        assert!(steps < 20_000, "the wheel wakes too often");
        let before = now;
        now = now + wait.max(Duration::from_nanos(1));
        timers.advance(now, &mut due);
        deadlines.retain(|(at, deadline)| {
            if deadline.is_expired() {
                assert!(*at <= now, "fired early");
                assert!(at.0 + 2 * TICK > before.0, "fired late: {at:?} {before:?}");
            } else {
                assert!(at.0 + 2 * TICK > now.0, "missed: {at:?} at {now:?}");
            }
            !deadline.is_expired()
        });
    }
    assert!(deadlines.is_empty());
    assert_eq!(timers.armed(), 0);
}

#[test]
fn a_large_leap_fires_everything_on_its_way() {
    let timers = Timers::new(ms(77));
    let kept: Vec<_> = (0..500).map(|index| timers.deadline(ms(index * 997))).collect();
    timers.advance(ms(1_000_000), &mut Vec::new());
    assert!(kept.iter().all(Deadline::is_expired));
}

#[test]
fn reset_and_drop_leave_nothing_behind() {
    let timers = Timers::new(Instant(0));
    let deadline = timers.deadline(ms(50));
    timers.advance(ms(100), &mut Vec::new());
    assert!(deadline.is_expired());
    deadline.reset(ms(200));
    assert!(!deadline.is_expired());
    deadline.reset(ms(10_000));
    timers.advance(ms(300), &mut Vec::new());
    assert!(!deadline.is_expired());
    assert_eq!(timers.armed(), 1);
    drop(deadline);
    assert_eq!(timers.armed(), 0);
    assert_eq!(timers.until_next(), None);
}

#[test]
fn owners_come_due() {
    let timers = Timers::new(Instant(0));
    timers.arm(ms(5), 42);
    let gone = timers.arm(ms(5), 43);
    timers.disarm(gone);
    let mut due = Vec::new();
    timers.advance(ms(20), &mut due);
    assert_eq!(due, [42]);
    assert_eq!(timers.armed(), 0);
}

#[test]
fn a_deadline_of_the_past_fires_at_the_next_tick() {
    let timers = Timers::new(ms(1000));
    let late = timers.deadline(ms(1));
    let never = timers.deadline(Instant::FAR);
    let mut context = Context::from_waker(Waker::noop());
    assert!(!late.poll_expired(&mut context));
    timers.advance(ms(1005), &mut Vec::new());
    assert!(late.poll_expired(&mut context));
    timers.advance(ms(100_000_000), &mut Vec::new());
    assert!(!never.is_expired());
}
