use super::*;

fn full(shares: &Shares, counts: &[(u32, u32)]) {
    for &(tenant, count) in counts {
        (0..count).for_each(|_| shares.enter(TenantId(tenant)));
    }
}

#[test]
fn the_last_seats_are_looked_at_and_one_is_always_kept() {
    let check = |most: u32, from: u32| {
        assert!(is_short(from, most) && (from == 0 || !is_short(from - 1, most)), "{most}");
    };
    check(1, 0);
    check(2, 1);
    check(4, 3);
    check(5, 4);
    check(10, 8);
    check(100, 80);
    check(u32::MAX, u32::MAX - u32::MAX / 5);
}

#[test]
fn a_share_is_what_there_is_by_those_who_are_there() {
    let check = |counts: &[(u32, u32)], tenant: u32, expected: bool| {
        let shares = Shares::default();
        full(&shares, counts);
        assert_eq!(shares.has_its_share(TenantId(tenant), 100), expected, "{tenant} of {counts:?}");
    };
    // Alone it is taken for two.
    check(&[(1, 80)], 1, true);
    check(&[(1, 49)], 1, false);
    // Who has nothing always has less than its share.
    check(&[(1, 80)], 2, false);
    check(&[(1, 80), (2, 10)], 2, false);
    check(&[(1, 80), (2, 10)], 1, true);
    check(&[(1, 45), (2, 45)], 1, false);
    check(&[(1, 50), (2, 45)], 1, true);
    check(&[(1, 30), (2, 30), (3, 30)], 1, false);
    check(&[(1, 34), (2, 30), (3, 30)], 1, true);
    // Those that meet are one.
    check(&[(1, 30), (65, 30)], 1, true);
}

#[test]
fn a_seat_is_never_owed_to_one_who_has_none() {
    let shares = Shares::default();
    for most in 1..20 {
        assert!(!shares.has_its_share(TenantId(0), most));
    }
}

#[test]
fn a_share_is_had_when_it_is_reached() {
    let shares = Shares::default();
    full(&shares, &[(1, 50)]);
    assert!(shares.has_its_share(TenantId(1), 100) && !shares.has_its_share(TenantId(1), 101));
    assert!(!shares.has_its_share(TenantId(2), 0), "who has nothing has less than any share");
}
