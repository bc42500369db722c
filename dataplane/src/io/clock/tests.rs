use super::*;

#[test]
fn arithmetic_saturates_at_both_ends() {
    assert_eq!(Instant(5) - Instant(9), Duration::ZERO);
    assert_eq!(Instant::FAR + Duration::from_secs(1), Instant::FAR);
    assert_eq!(Instant(1).plus_millis(u64::MAX), Instant::FAR);
    assert_eq!(Instant(3_500_000).millis_since(Instant(1_000_000)), 2);
    assert_eq!(Instant(3_500).micros_since(Instant(1_000)), 2);
}

#[test]
fn the_kernel_clock_does_not_go_back() {
    let first = kernel_now();
    assert!(kernel_now() >= first);
    assert!(first > Instant(0));
}

#[test]
fn a_virtual_wall_follows_the_instant() {
    let clock = Clock::Virtual { wall_at_zero: 1_000 };
    assert_eq!(clock.wall(Instant(5_000)), Wall(1_005));
    assert_eq!(clock.precise(Instant(7)), Instant(7));
}
