use super::*;
use crate::moment::NS_PER_MS;

fn at(ms: u64) -> Moment {
    Moment::START.plus_ms(ms)
}

#[test]
fn marks_ascend_and_every_time_has_its_own() {
    for mark in 0..MARKS {
        let (from, to) = (begin_us(mark), begin_us(mark + 1));
        assert!(from < to, "mark {mark}");
        assert_eq!(mark_of(from * NS_PER_US), mark);
        assert_eq!(mark_of(to * NS_PER_US - 1), mark);
        assert!(mark == 0 || to <= from * 2, "four to the octave, but for the ends: mark {mark}");
    }
    assert_eq!(mark_of(u64::MAX), MARKS - 1);
}

#[test]
fn nothing_is_said_before_enough_is_known() {
    let pace = Pace::default();
    for n in 0..ENOUGH {
        assert_eq!(pace.quantile(0.99, at(n)), None);
        pace.observe(400 * NS_PER_MS, at(n));
    }
    assert!(pace.quantile(0.99, at(20)).is_some());
    pace.reset();
    assert_eq!(pace.quantile(0.99, at(20)), None);
}

#[test]
fn quantiles_are_known_to_a_quarter() {
    for seed in 1..200_u64 {
        let pace = Pace::default();
        let mut state = seed;
        let mut times: Vec<u64> = (0..400)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // Between 50 ms and 50 s, the logarithm drawn evenly.
                (50.0 * 1_000_f64.powf((state >> 11) as f64 / (1_u64 << 53) as f64) * NS_PER_MS as f64) as u64
            })
            .collect();
        for time in &times {
            pace.observe(*time, at(1));
        }
        times.sort_unstable();
        for share in [0.5, 0.9, 0.95, 0.99, 1.0] {
            let exact = times[((share * 400.0_f64).ceil() as usize - 1).min(399)] as f64;
            let told = pace.quantile(share, at(1)).expect("there are 400") as f64;
            assert!((told / exact - 1.0).abs() <= 0.26, "seed {seed}: {told} is not {exact} at {share}");
        }
    }
}

#[test]
fn what_was_seen_fades() {
    let pace = Pace::default();
    let half_life = HALF_LIFE_NS / NS_PER_MS;
    for _ in 0..64 {
        pace.observe(10_000 * NS_PER_MS, at(0));
    }
    assert!(pace.quantile(0.5, at(half_life)).is_some(), "32 are left");
    assert_eq!(pace.quantile(0.5, at(2 * half_life)), None, "16 are left");
    for _ in 0..64 {
        pace.observe(100 * NS_PER_MS, at(2 * half_life));
    }
    let median = pace.quantile(0.5, at(2 * half_life)).expect("there are 80");
    assert!(median < 200 * NS_PER_MS, "the old ones weigh a quarter: {median}");
    assert!(pace.quantile(0.95, at(2 * half_life)).is_some_and(|ns| ns > 5_000 * NS_PER_MS));
    // A shard whose clock was read earlier adds, and turns nothing back.
    pace.observe(100 * NS_PER_MS, at(half_life));
    assert!(pace.quantile(0.5, at(half_life)).is_some());
    pace.observe(100 * NS_PER_MS, at(400 * half_life));
    assert_eq!(pace.quantile(0.5, at(400 * half_life)), None, "all but one have faded");
}

#[test]
fn threads_lose_nothing() {
    let pace = Pace::default();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let pace = &pace;
            scope.spawn(move || (0..10_000).for_each(|n| pace.observe((thread * 10_000 + n) * NS_PER_MS, at(5))));
        }
    });
    let total: u64 = pace.marks.0.iter().map(|mark| u64::from(mark.load(Relaxed))).sum();
    assert_eq!(total, 40_000 * u64::from(GRAIN));
}

#[test]
fn what_nobody_took_so_long_for_is_known_at_once() {
    let pace = Pace::default();
    assert!(pace.is_within(0), "nobody took any time");
    let half_life = HALF_LIFE_NS / NS_PER_MS;
    for (observed_ms, at_ms) in [(40, 1), (900, 2), (70, 3), (5, half_life), (60, 2 * half_life), (500_000, 3 * half_life)] {
        pace.observe(observed_ms * NS_PER_MS, at(at_ms));
        for within_ms in [1, 20, 33, 60, 128, 800, 1_100, 60_000, 134_217, 400_000] {
            let counted = pace.marks.0.iter().enumerate().filter(|(_, count)| count.load(Relaxed) > 0);
            let longest = counted.map(|(mark, _)| mark).max().expect("one was just observed");
            let expected = longest + 1 < MARKS && begin_us(longest + 1) <= within_ms * 1_000;
            assert_eq!(pace.is_within(within_ms * NS_PER_MS), expected, "{within_ms} ms after {observed_ms} ms");
        }
    }
    // What has faded away is not remembered.
    pace.observe(NS_PER_MS, at(40 * half_life));
    assert!(pace.is_within(100 * NS_PER_MS));
    pace.reset();
    assert!(pace.is_within(0));
}

#[test]
fn sizes_are_told_apart_and_all_of_them_are_forgotten() {
    assert_eq!([0, 1_999, 2_000, 15_999, 16_000, u32::MAX].map(|tokens| Size::of(tokens).0), [0, 0, 1, 1, 2, 2]);
    let paces = Paces::default();
    let (small, large) = (Size::of(0), Size::of(20_000));
    (0..40).for_each(|_| paces.observe(small, 100 * NS_PER_MS, at(1)));
    (0..40).for_each(|_| paces.observe(large, 8_000 * NS_PER_MS, at(1)));
    let median = |size| paces.quantile_at(size, 0.5, at(1)).expect("there are forty");
    assert!(median(small) < 200 * NS_PER_MS && median(large) > 5_000 * NS_PER_MS, "each has its own");
    // Of a size that nobody has asked for, what all of them took counts.
    assert_eq!(paces.quantile_at(Size::of(5_000), 0.5, at(1)), paces.quantile(0.5, at(1)));
    assert!(paces.quantile(0.5, at(1)).is_some());
    assert!(!paces.is_within(1_000 * NS_PER_MS) && paces.is_within(20_000 * NS_PER_MS), "one of them took longer");
    paces.reset();
    assert_eq!((paces.quantile(1.0, at(1)), paces.is_within(0)), (None, true));
}
