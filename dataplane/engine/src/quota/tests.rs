use super::*;
use crate::moment::NS_PER_MS;
use policy::KeyId;

const MINUTE_NS: u64 = 60_000 * NS_PER_MS;
/// An hour after the machine started: nothing has been taken since.
const NOW: Moment = Moment(60 * MINUTE_NS);

fn key(requests_per_minute: u64, tokens_per_minute: u64) -> Key {
    Key { requests_per_minute, tokens_per_minute, ..Key::new(KeyId(0), 1) }
}

#[test]
fn without_limits_nothing_is_counted() {
    let quota = Quota::default();
    assert!((0..1_000).all(|_| quota.take(&key(0, 0), 1_000_000, NOW)));
    assert_eq!((quota.lacks(&key(0, 0), u64::MAX, NOW), quota.lacks(&key(1, 1), 1, NOW)), (None, None));
}

#[test]
fn both_are_taken_or_neither() {
    let (quota, key) = (Quota::default(), key(3, 1_000));
    assert!(quota.take(&key, 900, NOW));
    assert_eq!(quota.lacks(&key, 200, NOW), Some(NOW.plus_ms(6_000)), "100 tokens are earned in six seconds");
    assert!(!quota.take(&key, 200, NOW));
    // The request of the one that was refused is there still.
    assert!(quota.take(&key, 50, NOW) && quota.take(&key, 50, NOW));
    assert_eq!(quota.lacks(&key, 0, NOW), Some(NOW.plus_ms(20_000)), "of both, whichever takes longer");
    assert!(!quota.take(&key, 0, NOW) && quota.take(&key, 0, NOW.plus_ms(20_000)));
}

#[test]
fn what_no_minute_brings_is_never_there() {
    let (quota, key) = (Quota::default(), key(0, 1_000));
    assert!(exceeds(&key, 1_001) && !exceeds(&key, 1_000) && !exceeds(&self::key(9, 0), u64::MAX));
    assert_eq!((quota.lacks(&key, 1_001, NOW), quota.lacks(&key, 1_000, NOW)), (Some(Moment::NEVER), None));
    assert!(!quota.take(&key, 1_001, NOW) && quota.take(&key, 1_000, NOW));
}

#[test]
fn what_never_left_is_given_back_and_what_was_counted_is_put_right() {
    let (quota, key) = (Quota::default(), key(2, 1_000));
    assert!(quota.take(&key, 1_000, NOW));
    quota.give_back(&key, 1, 1_000, NOW);
    assert!(quota.take(&key, 1_000, NOW));
    quota.settle(&key, 1_000, 400, NOW);
    assert!(quota.take(&key, 600, NOW), "two requests, and a thousand tokens");
    quota.settle(&key, 600, 1_600, NOW);
    assert_eq!(quota.lacks(&key, 1, NOW.plus_ms(1)), Some(NOW.plus_ms(60_060)), "what was more than there was is owed");
}

#[test]
fn another_limit_keeps_what_was_taken() {
    let quota = Quota::default();
    assert!((0..3).all(|_| quota.take(&key(3, 0), 0, NOW)));
    quota.change(&key(3, 0), &key(6, 0), NOW);
    assert!((0..3).all(|_| quota.take(&key(6, 0), 0, NOW)) && !quota.take(&key(6, 0), 0, NOW));
    quota.change(&key(6, 0), &key(6, 10), NOW);
    assert!(!quota.take(&key(6, 10), 0, NOW), "a further limit forgives nothing");
    quota.reset();
    assert!(quota.take(&key(6, 10), 10, NOW));
}

/// Shards that take, give back and put right at once, over seeds: never more than there is, and what is left is what
/// was not used.
#[test]
fn shards_conserve_what_there_is() {
    let key = key(500, 100_000);
    for seed in 0..40_u64 {
        let quota = Quota::default();
        let shard = |shard: u64| {
            let mut roll = seed << 8 | shard;
            let mut below = |bound: u64| {
                roll = roll.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (roll >> 33) % bound
            };
            let (mut requests, mut tokens) = (0, 0);
            for _ in 0..400 {
                let taken = below(1_000);
                if !quota.take(&key, taken, NOW) {
                    continue;
                }
                match below(3) {
                    0 => quota.give_back(&key, 1, taken, NOW),
                    1 => {
                        let used = below(taken + 1);
                        quota.settle(&key, taken, used, NOW);
                        (requests, tokens) = (requests + 1, tokens + used);
                    }
                    _ => (requests, tokens) = (requests + 1, tokens + taken),
                }
            }
            (requests, tokens)
        };
        let shard = &shard;
        let (requests, tokens) = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|at| scope.spawn(move || shard(at))).collect();
            let sums = threads.into_iter().map(|thread| thread.join().expect("no shard panics"));
            sums.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        });
        assert!(requests <= 500 && tokens <= 100_000, "seed {seed}: {requests} requests, {tokens} tokens");
        let left = |allowance: &Allowance, rate: u64| allowance.left(Rate::per_minute(rate).expect("it is one"), NOW).units;
        assert_eq!(left(&quota.requests, 500), 500 - requests, "seed {seed}");
        assert_eq!(left(&quota.tokens, 100_000), 100_000 - tokens, "seed {seed}");
    }
}
