use super::*;
use policy::Per;

const LIMIT: Money = Money(1_000_000);

fn period(start: Day) -> Period {
    Period { start, today: start, end: start + 1 }
}

/// So much is spent, elsewhere included, and so much reserved.
fn stands(purse: &Purse, period: &Period) -> (u64, u64) {
    let standing = purse.standing(period);
    (standing.all().0, standing.reserved.0)
}

#[test]
fn what_was_reserved_is_put_right() {
    let (purse, today) = (Purse::default(), period(5));
    let first = purse.reserve(LIMIT, &today, Money(400_000)).unwrap();
    let second = purse.reserve(LIMIT, &today, Money(600_000)).unwrap();
    assert_eq!(stands(&purse, &today), (0, 1_000_000));
    assert_eq!(purse.reserve(LIMIT, &today, Money(0)), Err(Exhausted { left: Money::NONE, first: true }));
    assert_eq!(purse.reserve(LIMIT, &today, Money(9)), Err(Exhausted { left: Money::NONE, first: false }), "told once");
    // Less than it might have been, and more.
    let settled = purse.settle(first, Money(100_000), &today);
    assert_eq!(settled, Settled { before: Money(0), after: Money(100_000), ended: None });
    let settled = purse.settle(second, Money(750_000), &today);
    assert_eq!((settled.reaches(Money(800_000)), settled.reaches(Money(850_000)), settled.reaches(Money(100_000))), (true, true, false));
    assert_eq!(stands(&purse, &today), (850_000, 0));
    assert!(purse.reserve(LIMIT, &today, Money(150_001)).is_err(), "what a request may cost must be left");
    assert!(purse.reserve(LIMIT, &today, Money(150_000)).is_ok());
}

#[test]
fn what_is_free_is_refused_as_well_when_nothing_is_left() {
    let (purse, today) = (Purse::default(), period(5));
    let all = purse.reserve(LIMIT, &today, Money(0)).unwrap();
    purse.settle(all, LIMIT + Money(5), &today);
    assert!(purse.reserve(LIMIT, &today, Money(0)).is_err());
    assert!(purse.reserve(LIMIT + Money(6), &today, Money(0)).is_ok(), "a larger budget counts at once");
}

#[test]
fn a_period_begins_at_nothing() {
    let (purse, monday, tuesday) = (Purse::default(), period(5), period(6));
    let spent = purse.reserve(LIMIT, &monday, LIMIT).unwrap();
    purse.settle(spent, LIMIT, &monday);
    let first = purse.reserve(LIMIT, &tuesday, Money(10)).unwrap();
    assert_eq!(first.ended, Some(LIMIT), "who comes first is told what was spent before");
    let late = purse.reserve(LIMIT, &tuesday, Money(10)).unwrap();
    assert_eq!(late.ended, None);
    assert_eq!(stands(&purse, &tuesday), (0, 20));
    // Two that last into Wednesday: there they count, and what they had reserved is gone.
    let wednesday = period(7);
    let settled = purse.settle(first, Money(30), &wednesday);
    assert_eq!((settled.after, settled.ended), (Money(30), Some(Money::NONE)));
    purse.settle(late, Money(4), &wednesday);
    assert_eq!(stands(&purse, &wednesday), (34, 0));
    // Refusals are told again in each period.
    for (today, first) in [(&wednesday, true), (&wednesday, false), (&period(8), true)] {
        assert_eq!(purse.reserve(Money::NONE, today, Money(1)), Err(Exhausted { left: Money::NONE, first }));
    }
}

#[test]
fn a_clock_that_is_set_back_forgets_nothing() {
    let purse = Purse::default();
    let spent = purse.reserve(LIMIT, &period(6), LIMIT).unwrap();
    purse.settle(spent, LIMIT, &period(6));
    assert!(purse.reserve(LIMIT, &period(5), Money(1)).is_err());
    assert!(purse.reserve(LIMIT, &period(6), Money(1)).is_err());
    assert!(purse.reserve(LIMIT, &period(7), Money(1)).is_ok());
}

#[test]
fn a_budget_that_becomes_a_longer_one_goes_on() {
    let purse = Purse::default();
    // 2026-11-22.
    let at = |per: Per| per.period(1_795_305_600_000);
    let running = purse.reserve(LIMIT, &at(Per::Day), Money(500)).unwrap();
    let spent = purse.reserve(LIMIT, &at(Per::Day), Money(10)).unwrap();
    purse.settle(spent, Money(40), &at(Per::Day));
    purse.learn(at(Per::Day).start, Money(2));
    assert_eq!(stands(&purse, &at(Per::Month)), (42, 500));
    purse.settle(running, Money(100), &at(Per::Month));
    assert_eq!(stands(&purse, &at(Per::Month)), (142, 0));
    // What was spent this month says nothing about today.
    assert_eq!(stands(&purse, &at(Per::Day)), (2, 0), "but for what others have said about today");
}

#[test]
fn what_others_spend_counts() {
    let (purse, today) = (Purse::default(), period(5));
    purse.learn(5, Money(900_000));
    assert_eq!(purse.reserve(LIMIT, &today, Money(100_001)).unwrap_err().left, Money(100_000));
    let mine = purse.reserve(LIMIT, &today, Money(100_000)).unwrap();
    assert_eq!(purse.settle(mine, Money(50_000), &today).after, Money(950_000));
    assert_eq!(purse.standing(&today), Standing { spent: Money(50_000), others: Money(900_000), reserved: Money::NONE });
    // They, too, begin anew.
    assert_eq!(stands(&purse, &period(6)), (0, 0));
}

#[test]
fn a_purse_that_was_forgotten_goes_on_from_what_was_told() {
    let (purse, today) = (Purse::default(), period(5));
    let spend = |amount| {
        let reservation = purse.reserve(LIMIT, &today, Money(amount)).unwrap();
        purse.settle(reservation, Money(amount), &today);
    };
    spend(300);
    // Nothing was forgotten: what was told is behind.
    purse.recover(5, Money(299));
    assert_eq!(stands(&purse, &today), (300, 0));
    purse.reset();
    spend(5);
    let open = purse.reserve(LIMIT, &today, Money(50)).unwrap();
    purse.recover(5, Money(300));
    purse.recover(5, Money(300));
    purse.recover(4, Money(999));
    assert_eq!(stands(&purse, &today), (300, 50));
    purse.settle(open, Money(1), &today);
    assert_eq!(stands(&purse, &today), (301, 0));
    purse.recover(6, Money(7));
    assert_eq!(stands(&purse, &period(6)), (7, 0));
}

/// Shards that take, settle, hang up and die in any order, over days and restarts.
#[test]
fn nothing_is_lost_and_nothing_made_over_any_sequence() {
    for seed in 1..=2_000_u64 {
        let mut state = seed;
        let mut dice = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) ^ state >> 7) % below
        };
        let purse = Purse::default();
        let mut today = period(1 + dice(3) as Day);
        // Of the shards: reservation, its day and amount.
        let mut flying: Vec<(Reservation, Day, u64)> = Vec::new();
        // Of this period: what was settled, and by how much settlements went beyond what was reserved.
        let (mut settled, mut beyond, mut thresholds) = (0_u64, 0_u64, 0);
        for _ in 0..120 {
            match dice(20) {
                0 => {
                    today = period(today.start + 1);
                    (settled, beyond, thresholds) = (0, 0, 0);
                }
                1..=10 => {
                    let wanted = dice(LIMIT.0 / 4);
                    let held: u64 = flying.iter().filter(|(_, day, _)| *day == today.start).map(|(.., amount)| amount).sum();
                    let fits = settled + held + wanted <= LIMIT.0 && settled + held < LIMIT.0;
                    let reserved = purse.reserve(LIMIT, &today, Money(wanted));
                    assert_eq!(reserved.is_ok(), fits, "seed {seed}");
                    match reserved {
                        Ok(reservation) => flying.push((reservation, today.start, wanted)),
                        Err(exhausted) => assert_eq!(exhausted.left.0, LIMIT.0.saturating_sub(settled + held), "seed {seed}"),
                    }
                }
                _ if flying.is_empty() => {}
                kind => {
                    let (reservation, day, amount) = flying.swap_remove(dice(flying.len() as u64) as usize);
                    // Dropped, less than was reserved, or more.
                    let used = match kind {
                        11..=13 => 0,
                        14..=17 => dice(amount + 1),
                        _ => amount + dice(LIMIT.0 / 50),
                    };
                    let told = purse.settle(reservation, Money(used), &today);
                    assert_eq!((told.before.0, told.after.0), (settled, settled + used), "seed {seed}");
                    thresholds += u32::from(told.reaches(LIMIT.permille(800)));
                    settled += used;
                    beyond += if day == today.start { used.saturating_sub(amount) } else { used };
                }
            }
            let held: u64 = flying.iter().filter(|(_, day, _)| *day == today.start).map(|(.., amount)| amount).sum();
            assert_eq!(stands(&purse, &today), (settled, held), "seed {seed}: all that was settled is spent, and no more");
            assert!(settled <= LIMIT.0 + beyond, "seed {seed}: {settled} spent, {beyond} of it beyond what was reserved");
            assert!(thresholds <= 1 && (settled < LIMIT.permille(800).0 || thresholds == 1), "seed {seed}: a crossing is told once");
        }
        for (reservation, ..) in flying.drain(..) {
            purse.settle(reservation, Money::NONE, &today);
        }
        assert_eq!(stands(&purse, &today), (settled, 0), "seed {seed}: nothing stays reserved");
    }
}

/// The same with real threads, whose words meet.
#[test]
fn threads_lose_no_money() {
    const SHARDS: u64 = 4;
    const EACH: u64 = 20_000;
    let (purse, today) = (Purse::default(), period(9));
    let limit = Money(SHARDS * EACH * 5);
    let parts: Vec<(u64, u64)> = std::thread::scope(|scope| {
        let shard = |number: u64| {
            let (purse, today) = (&purse, &today);
            scope.spawn(move || {
                let (mut spent, mut crossings) = (0, 0);
                for round in 0..EACH {
                    let Ok(reservation) = purse.reserve(limit, today, Money(10)) else { continue };
                    let used = Money((round + number) % 11);
                    crossings += u64::from(purse.settle(reservation, used, today).reaches(limit.permille(500)));
                    spent += used.0;
                }
                (spent, crossings)
            })
        };
        let shards: Vec<_> = (0..SHARDS).map(shard).collect();
        shards.into_iter().map(|shard| shard.join().expect("no shard panics")).collect()
    });
    let spent: u64 = parts.iter().map(|(spent, _)| spent).sum();
    assert_eq!(stands(&purse, &today), (spent, 0));
    assert_eq!(parts.iter().map(|(_, crossings)| crossings).sum::<u64>(), u64::from(spent >= limit.permille(500).0));
    assert!(spent <= limit.0, "nothing went beyond its reservation");
}

#[test]
fn what_was_reserved_before_takes_nothing_from_what_is_reserved_now() {
    let (purse, tuesday, wednesday) = (Purse::default(), period(6), period(7));
    let late = purse.reserve(LIMIT, &tuesday, Money(10)).unwrap();
    let open = purse.reserve(LIMIT, &wednesday, Money(100)).unwrap();
    let settled = purse.settle(late, Money(4), &wednesday);
    assert_eq!((settled.after, stands(&purse, &wednesday)), (Money(4), (4, 100)));
    purse.settle(open, Money(1), &wednesday);
    assert_eq!(stands(&purse, &wednesday), (5, 0));
}

#[test]
fn nothing_ends_where_nothing_was() {
    let (purse, today) = (Purse::default(), period(5));
    let first = purse.reserve(LIMIT, &today, Money(10)).unwrap();
    assert_eq!(first.ended, None);
    purse.reset();
    assert_eq!(purse.settle(first, Money(3), &today).ended, None);
    // And what was forgotten counts no more, nor was anybody told.
    purse.learn(5, LIMIT);
    assert_eq!(purse.reserve(LIMIT, &today, Money(1)), Err(Exhausted { left: Money::NONE, first: true }));
    purse.reset();
    assert_eq!(stands(&purse, &today), (0, 0));
    purse.learn(5, LIMIT);
    assert_eq!(purse.reserve(LIMIT, &today, Money(1)), Err(Exhausted { left: Money::NONE, first: true }));
}

#[test]
fn what_is_told_of_a_period_that_is_over_leaves_this_one_alone() {
    let (purse, today) = (Purse::default(), period(5));
    purse.reserve(LIMIT, &today, Money(50)).unwrap();
    purse.recover(4, Money(999));
    assert_eq!(stands(&purse, &today), (0, 50));
}

#[test]
fn no_amount_is_so_large_that_it_changes_the_day() {
    let (purse, today) = (Purse::default(), period(5));
    purse.learn(5, Money(AMOUNT_MAX + 1));
    assert_eq!(purse.standing(&today).others, Money(AMOUNT_MAX));
}
