use super::*;

#[test]
fn nothing_comes_by_itself() {
    let allotment = Allotment::default();
    assert!(!allotment.take());
    (0..49).for_each(|_| allotment.earn(20));
    assert!(!allotment.take());
    allotment.earn(20);
    assert!(allotment.take());
    assert!(!allotment.take());
    allotment.give_back();
    assert!(allotment.take());
}

#[test]
fn what_is_saved_up_is_bounded() {
    let allotment = Allotment::default();
    (0..1_000_000).for_each(|_| allotment.earn(1_000));
    assert_eq!((0..100).filter(|_| allotment.take()).count(), AHEAD_MAX as usize);
    (0..100).for_each(|_| allotment.give_back());
    assert_eq!((0..100).filter(|_| allotment.take()).count(), AHEAD_MAX as usize);
}

/// Whatever the order, by however many shards at once: second attempts are at most the share.
#[test]
fn the_share_is_never_exceeded() {
    for permille in [1, 20, 333, 1_000] {
        let allotment = Allotment::default();
        let (requests, shards) = (20_000_u64, 4);
        let taken: u64 = std::thread::scope(|scope| {
            let shard = || {
                let earn_and_take = |n: u64| {
                    allotment.earn(permille);
                    // Some ask often, and some give back what they could not use.
                    let took = allotment.take();
                    if took && n.is_multiple_of(3) {
                        allotment.give_back();
                    }
                    u64::from(took && !n.is_multiple_of(3))
                };
                (0..requests).map(earn_and_take).sum::<u64>()
            };
            let running: Vec<_> = (0..shards).map(|_| scope.spawn(shard)).collect();
            running.into_iter().map(|shard| shard.join().unwrap()).sum()
        });
        assert!(taken * 1_000 <= requests * shards * u64::from(permille), "{taken} at {permille}");
        assert!(taken > 0);
    }
}

#[test]
fn what_is_left_is_what_can_be_taken() {
    let allotment = Allotment::default();
    (0..50).for_each(|_| allotment.earn(50));
    assert_eq!(allotment.left(), 2);
    assert!(allotment.take() && allotment.left() == 1 && allotment.take());
    assert_eq!((allotment.left(), allotment.take()), (0, false));
}
