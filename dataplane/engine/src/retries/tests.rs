use super::*;

fn at(ms: u64) -> Moment {
    Moment::START.plus_ms(ms)
}

#[test]
fn the_reserve_may_be_taken_at_once_and_comes_back() {
    let (budget, policy) = (Budget::default(), Retries { share_permille: 200, per_second: 10 });
    let taken = |now| (0..1_000).filter(|_| budget.take(&policy, at(now))).count();
    assert_eq!(taken(1_000), 100);
    assert!(!budget.has_one(&policy, at(1_000)));
    assert_eq!(taken(1_099), 0);
    assert_eq!(taken(2_000), 10);
    (0..10).for_each(|_| budget.earn(&policy, at(2_000)));
    assert_eq!(taken(2_000), 2);
    assert_eq!(taken(60_000), 100, "no more than the reserve is kept");
    budget.give_back(&policy);
    assert_eq!(taken(60_000), 1);
}

#[test]
fn what_is_full_is_not_written() {
    let (budget, policy) = (Budget::default(), Retries::default());
    (0..1_000).for_each(|n| budget.earn(&policy, at(n)));
    assert_eq!(budget.0.load(Relaxed), 0);
}

/// Over any sequence: further attempts are at most the share of the first ones, what came by itself,
/// and the reserve.
#[test]
fn further_attempts_are_bounded_over_any_sequence() {
    let mut refused = 0;
    for seed in 0..2_000_u64 {
        let mut state = seed;
        let mut roll = |bound: u64| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)) % bound
        };
        let policy = Retries { share_permille: [0, 100, 200, 1_000][roll(4) as usize], per_second: [1, 3, 10, 500][roll(4) as usize] };
        let budget = Budget::default();
        let begin = 1_000 + roll(1_000_000);
        let (mut now, mut first, mut further) = (begin, 0_u64, 0_u64);
        for _ in 0..2_000 {
            now += [0, 0, 0, 1, 20, 2_000][roll(6) as usize];
            match roll(8) {
                0 | 1 => {
                    budget.earn(&policy, at(now));
                    first += 1;
                }
                2 if budget.take(&policy, at(now)) => budget.give_back(&policy),
                2 => {}
                _ => {
                    let has = budget.has_one(&policy, at(now));
                    assert_eq!(budget.take(&policy, at(now)), has, "seed {seed}: alone, who looks is right");
                    further += u64::from(has);
                    refused += u64::from(!has);
                }
            }
            let rate = f64::from(policy.per_second);
            let bound = f64::from(policy.share_permille) / 1_000.0 * first as f64 + rate * (now - begin) as f64 / 1_000.0 + 10.0 * rate;
            assert!(further as f64 <= bound + 1e-6, "seed {seed}: {further} are more than {bound}");
        }
    }
    assert!(refused > 100_000, "most seeds asked for more than there is");
}

#[test]
fn threads_take_no_more_than_there_is() {
    let (budget, policy) = (Budget::default(), Retries { share_permille: 0, per_second: 1_000 });
    let taken = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    taken.fetch_add(u64::from(budget.take(&policy, at(5))), Relaxed);
                }
            });
        }
    });
    assert_eq!(taken.load(Relaxed), 10_000);
}

#[test]
fn what_is_left_is_what_can_be_taken() {
    let (policy, now) = (Retries { share_permille: 200, per_second: 4 }, Moment::START.plus_ms(100_000));
    let budget = Budget::default();
    assert_eq!(budget.left(&policy, now), (40, 40));
    for taken in 1..=40 {
        assert!(budget.has_one(&policy, now) && budget.take(&policy, now));
        assert_eq!(budget.left(&policy, now), (40 - taken, 40));
    }
    assert!(!budget.take(&policy, now));
    assert_eq!(budget.left(&policy, now.plus_ms(1_000)), (4, 40));
}

#[test]
fn what_comes_by_itself_is_rounded_to_less_and_what_is_earned_is_one_at_most() {
    let now = at(100_000);
    let three = Retries { share_permille: 0, per_second: 3 };
    assert_eq!(Budget::default().left(&three, now), (29, 29), "a third of a second is a little less than it takes");
    let none = Retries { share_permille: 0, per_second: 0 };
    assert_eq!(Budget::default().left(&none, now), (10, 10), "one a second at least");
    let (budget, greedy) = (Budget::default(), Retries { share_permille: 5_000, per_second: 10 });
    while budget.take(&greedy, now) {}
    budget.earn(&greedy, now);
    assert_eq!(budget.left(&greedy, now).0, 1, "a first attempt never earns more than a whole one");
}
