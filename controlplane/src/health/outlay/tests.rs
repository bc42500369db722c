use super::*;

const NOON: u64 = 20_000 * DAY_MS + DAY_MS / 2;
const PRICE: Option<Price> = Some(Price { input: 2_500_000, output: 10_000_000, cached: None, cache_write: None });

#[test]
fn tokens_cost_what_the_price_says() {
    assert_eq!(cost(PRICE, 1_000_000, 0), 2_500_000);
    assert_eq!(cost(PRICE, 30, 5), 125);
    assert_eq!(cost(PRICE, 1, 0), 3, "rounded up");
    assert_eq!(cost(None, 1_000_000, 1_000_000), 0);
    assert_eq!(cost(Some(Price { input: u64::MAX, output: u64::MAX, cached: None, cache_write: None }), u64::MAX, u64::MAX), u64::MAX);
    assert!(estimate(PRICE, 30, 64) >= cost(PRICE, 30, 64), "an estimate is no less than what it may be");
}

/// Plays a day: asks every `every_ms`, each time at `really`, and counts how often.
fn asked_in_a_day(every_ms: u64, estimate: u64, really: u64, cap: Cap) -> (u64, Spent) {
    let mut outlay = Outlay::default();
    let begin = 20_000 * DAY_MS;
    let mut count = 0;
    for at in (begin..begin + DAY_MS).step_by(every_ms as usize) {
        if outlay.take("c", estimate, cap, at) {
            count += 1;
            outlay.settle("c", estimate, really, at);
        }
        assert!(outlay.spent("c", at).cost <= cap.cost, "never over the cap, not for a moment");
    }
    (count, outlay.spent("c", begin + DAY_MS - 1))
}

#[test]
fn a_day_costs_no_more_than_its_cap() {
    let cap = |cost, count| Cap { cost, count };
    // Every 30 s at 125 millionths: 2,880 times are 0.36 dollars.
    assert_eq!(asked_in_a_day(30_000, 715, 125, cap(1_000_000, 10_000)), (2_880, Spent { cost: 360_000, count: 2_880 }));
    let (count, spent) = asked_in_a_day(30_000, 715, 125, cap(100_000, 10_000));
    assert!((795..=800).contains(&count) && spent.cost <= 100_000, "{count} {spent:?}");
    assert_eq!(asked_in_a_day(30_000, 0, 0, cap(0, 100)).0, 100, "an unknown price is bounded by the count");
    assert_eq!(asked_in_a_day(30_000, 1, 1, cap(0, 100)).0, 0);
    // An answer that costs more than was thought ends the day earlier.
    assert!(asked_in_a_day(30_000, 10, 40, cap(1_000, 10_000)).0 <= 25);
}

#[test]
fn a_new_day_begins_with_nothing_spent_and_an_old_one_is_settled_for_itself() {
    let (mut outlay, cap) = (Outlay::default(), Cap { cost: 100, count: 10 });
    assert!(outlay.take("c", 100, cap, NOON));
    assert!(!outlay.take("c", 1, cap, NOON + 1));
    assert!(outlay.take("other", 1, cap, NOON + 1), "each canary has its own");
    let tomorrow = NOON + DAY_MS;
    assert_eq!(outlay.spent("c", tomorrow), Spent::default());
    assert!(outlay.take("c", 100, cap, tomorrow));
    outlay.settle("c", 100, 0, NOON);
    assert_eq!(outlay.spent("c", tomorrow), Spent { cost: 100, count: 1 });
    // Set back, the clock gives no second yesterday.
    assert!(!outlay.take("c", 1, cap, NOON));
}

#[test]
fn what_was_spent_survives_the_daemon() {
    let folder = std::env::temp_dir().join(format!("throwover-outlay-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let cap = Cap { cost: 100, count: 10 };
    let mut outlay = Outlay::open(&folder);
    assert!(outlay.take("c", 60, cap, NOON));
    outlay.keep().unwrap();
    let mut again = Outlay::open(&folder);
    assert_eq!(again.spent("c", NOON), Spent { cost: 60, count: 1 });
    assert!(!again.take("c", 60, cap, NOON));
    std::fs::write(folder.join("canaries.json"), b"no JSON").unwrap();
    assert_eq!(Outlay::open(&folder).spent("c", NOON), Spent::default());
    std::fs::remove_dir_all(&folder).unwrap();
}
