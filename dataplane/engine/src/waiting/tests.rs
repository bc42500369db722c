use super::*;
use crate::pace::Size;

fn at(ms: u64) -> Moment {
    Moment::START.plus_ms(ms)
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A watch that knows attempts to take 400 ms, so that they are overdue after about 1.3 s.
fn watch() -> Watch {
    let watch = Watch::default();
    (0..1_000).for_each(|_| watch.pace.observe(Size::default(), 400 * NS_PER_MS, at(0)));
    watch
}

/// Nothing is known of the past.
const BLANK: Past = Past { known: Moment::START, heard: Moment::START, queued_ns: 0 };

fn overdue(watch: &Watch, ms: u64) -> Overdue {
    watch.look(30_000 * NS_PER_MS, false, BLANK, at(ms)).0.overdue
}

#[test]
fn an_attempt_is_overdue_after_three_times_what_is_usual() {
    let watch = watch();
    let limit = watch.overdue_ns(30_000 * NS_PER_MS, at(0)).expect("enough is known") / NS_PER_MS;
    assert!((1_200..1_700).contains(&limit), "{limit}");
    assert_eq!(overdue(&watch, 1), Overdue::default());
    let slot = watch.waiting.take(at(10_000)).expect("there is room");
    assert_eq!(overdue(&watch, 10_000 + limit - 1).all, 0, "never before its time");
    assert_eq!(overdue(&watch, 10_000 + limit + limit / 8 + 200), Overdue { all: 1, in_row: 1 }, "and soon after it");
    watch.waiting.give_back(slot);
    assert_eq!(overdue(&watch, 20_000).all, 0);
}

#[test]
fn the_limit_has_a_floor_and_a_ceiling_and_needs_knowledge() {
    let watch = Watch::default();
    assert_eq!(watch.overdue_ns(u64::MAX, at(0)), None);
    let slot = watch.waiting.take(at(0));
    assert_eq!(overdue(&watch, 3_000_000).all, 0, "nothing is known, so nothing is overdue");
    assert!(slot.is_some());
    (0..100).for_each(|_| watch.pace.observe(Size::default(), 1, at(0)));
    assert_eq!(watch.overdue_ns(u64::MAX, at(0)), Some(OVERDUE_NS_MIN));
    (0..100).for_each(|_| watch.pace.observe(Size::default(), 60_000 * NS_PER_MS, at(0)));
    assert_eq!(watch.overdue_ns(30_000 * NS_PER_MS, at(0)), Some(30_000 * NS_PER_MS));
}

#[test]
fn what_was_heard_since_breaks_the_row() {
    let watch = watch();
    assert_eq!(overdue(&watch, 0), Overdue::default());
    for ms in [10_000, 12_000] {
        assert!(watch.waiting.take(at(ms)).is_some());
    }
    let told = |heard, known| {
        watch.look(30_000 * NS_PER_MS, false, Past { known: at(known), heard: at(heard), queued_ns: 0 }, at(20_000)).0.overdue
    };
    assert_eq!(told(9_000, 0), Overdue { all: 2, in_row: 2 });
    assert_eq!(told(12_500, 0), Overdue { all: 2, in_row: 1 });
    assert_eq!(told(19_000, 0), Overdue { all: 2, in_row: 0 });
    assert_eq!(told(9_000, 11_000), Overdue { all: 1, in_row: 1 }, "what began before is known");
    assert_eq!(told(9_000, 15_000), Overdue::default());
}

/// Whatever the order in which attempts begin and end: nobody who has ended is counted, nobody is
/// overdue before the time, and in the end the slots are empty.
#[test]
fn slots_are_given_back_exactly_once() {
    for seed in 0..2_000 {
        let mut dice = Dice(seed);
        let watch = Watch::default();
        let usual = 100 + dice.below(20_000);
        let mut now = 0;
        let mut alive: Vec<(u64, Option<Slot>)> = Vec::new();
        for _ in 0..300 {
            now += [0, 1, 30, 300, 3_000, 30_000][dice.below(6) as usize];
            match dice.below(4) {
                0 if !alive.is_empty() => {
                    let (_, slot) = alive.swap_remove(dice.below(alive.len() as u64) as usize);
                    slot.into_iter().for_each(|slot| watch.waiting.give_back(slot));
                }
                1 => watch.pace.observe(Size::default(), usual * NS_PER_MS, at(now)),
                // No attempt lasts longer than an hour.
                _ if alive.iter().all(|(begun, _)| now - begun < 3_000_000) => alive.push((now, watch.waiting.take(at(now)))),
                _ => {}
            }
            assert!(watch.waiting.count() as usize <= alive.len(), "seed {seed}");
            let ceiling = 30_000 * NS_PER_MS;
            let told = watch.look(ceiling, false, BLANK, at(now)).0.overdue.all as usize;
            if let Some(limit) = watch.overdue_ns(ceiling, at(now)) {
                let old = alive.iter().filter(|(begun, _)| (now - begun) * NS_PER_MS >= limit).count();
                assert!(told <= old, "seed {seed}: {told} are overdue, and {old} old enough");
            } else {
                assert_eq!(told, 0, "seed {seed}");
            }
        }
        alive.into_iter().filter_map(|(_, slot)| slot).for_each(|slot| watch.waiting.give_back(slot));
        assert_eq!(watch.waiting.count(), 0, "seed {seed}");
    }
}

#[test]
fn threads_leave_the_slots_empty() {
    let waiting = Waiting::default();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let waiting = &waiting;
            scope.spawn(move || {
                let mut dice = Dice(thread);
                let mut held = Vec::new();
                for n in 0..20_000 {
                    held.extend(waiting.take(at(n * 10)));
                    if dice.below(3) > 0 && !held.is_empty() {
                        waiting.give_back(held.swap_remove(dice.below(held.len() as u64) as usize));
                    }
                }
                held.into_iter().for_each(|slot| waiting.give_back(slot));
            });
        }
    });
    assert_eq!(waiting.count(), 0);
}

#[test]
fn one_caller_looks_in_every_quarter_of_a_second() {
    let watchman = Watchman::default();
    let looks = (0..10_000).filter(|ms| watchman.is_due(at(*ms))).count();
    assert_eq!(looks, 40);
}

#[test]
fn at_any_rate_those_that_are_overdue_are_within_sight() {
    for usual in [1, 300, 400, 1_000, 3_000, 9_000] {
        for every in [1, 10, 700, 5_000] {
            let watch = Watch::default();
            (0..1_000).for_each(|_| watch.pace.observe(Size::default(), usual * NS_PER_MS, at(0)));
            let limit = watch.overdue_ns(30_000 * NS_PER_MS, at(0)).expect("enough is known") / NS_PER_MS;
            let told = (0..)
                .map(|n| 1_000 + n * every)
                .find(|ms| {
                    watch.waiting.take(at(*ms));
                    overdue(&watch, *ms).all >= 5
                })
                .expect("it is seen");
            let fifth = 1_000 + 4 * every + limit;
            assert!(told >= fifth && told <= fifth + limit / 2 + 200 + every, "{usual} ms, every {every} ms: {told} for {fifth}");
        }
    }
}

#[test]
fn looks_are_apart_and_no_farther_than_that() {
    let watchman = Watchman::default();
    let first = |from: u64| (from..10_000).find(|ms| watchman.is_due(at(*ms))).expect("somebody looks");
    assert_eq!(first(1_000), 1_000);
    watchman.look_after(0, at(1_000));
    assert_eq!(first(1_000), 1_016);
    watchman.look_after(u64::MAX, at(1_016));
    assert_eq!(first(1_016), 1_266);
}

#[test]
fn a_silence_is_found_twice_in_a_row_or_not_at_all() {
    let watchman = Watchman::default();
    let heard = at(1_000);
    assert!(!watchman.confirms(heard, at(2_000)));
    assert!(!watchman.confirms(heard, at(2_015)), "the gateway may have been held up itself");
    assert!(watchman.confirms(heard, at(2_016)));
    // Something was heard at the moment of the first look: another silence.
    assert!(!watchman.confirms(at(2_000), at(2_020)));
    assert!(watchman.confirms(at(2_000), at(2_040)));
    // What was suspected long ago says nothing.
    assert!(!watchman.confirms(at(2_000), at(3_021)));
    assert!(watchman.confirms(at(2_000), at(4_021)));
}

#[test]
fn both_kinds_are_added_and_of_two_looks_the_worse_counts() {
    let of = |all, in_row| Overdue { all, in_row };
    assert_eq!(of(3, 1).and(of(4, 2)), of(7, 3));
    assert_eq!((of(3, 5).or(of(4, 2)), of(4, 2).or(of(3, 5))), (of(4, 5), of(4, 5)));
}
