use super::*;
use crate::moment::NS_PER_MS;

fn dice(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// How often each of the rows is picked in `rounds`, without anything being in flight after.
fn shares(balance: Balance, rows: &[TargetRow], weights: &[u32], rounds: usize) -> Vec<usize> {
    let mut random = dice(7);
    let mut counts = vec![0; rows.len()];
    for _ in 0..rounds {
        let choice = |at: usize| Choice { row: &rows[at], weight: weights[at], warmth: WARMTH_FULL };
        counts[pick(balance, rows.len(), &choice, &|| rows[0].take_turn(), Moment::START, &mut random)] += 1;
    }
    counts
}

fn rows(count: usize) -> Vec<TargetRow> {
    (0..count).map(|_| TargetRow::default()).collect()
}

fn check_close(counts: &[usize], expected: &[usize]) {
    let total: usize = counts.iter().sum();
    for (count, expected) in counts.iter().zip(expected) {
        assert!(count.abs_diff(*expected) <= total / 50, "{counts:?}");
    }
}

#[test]
fn weights_share_the_load() {
    check_close(&shares(Balance::Weighted, &rows(3), &[1, 2, 7], 10_000), &[1_000, 2_000, 7_000]);
    check_close(&shares(Balance::Weighted, &rows(2), &[u32::MAX, u32::MAX], 10_000), &[5_000, 5_000]);
}

#[test]
fn turns_are_even() {
    assert_eq!(shares(Balance::RoundRobin, &rows(3), &[1, 9, 1], 9), [3, 3, 3]);
}

#[test]
fn the_least_loaded_for_its_weight_is_picked_and_equals_share() {
    let three = rows(3);
    for _ in 0..3 {
        three[0].begin(true, Moment::START);
    }
    three[1].begin(true, Moment::START);
    assert_eq!(shares(Balance::LeastOutstanding, &three, &[1, 1, 1], 100), [0, 0, 100]);
    assert_eq!(shares(Balance::LeastOutstanding, &three, &[9, 1, 1], 100), [100, 0, 0]);
    check_close(&shares(Balance::LeastOutstanding, &rows(3), &[1, 1, 1], 9_000), &[3_000, 3_000, 3_000]);
}

#[test]
fn every_deployment_can_be_drawn_among_many() {
    for count in [5, 6, 64] {
        let counts = shares(Balance::PeakEwma, &rows(count), &vec![1; count], count * 1_000);
        assert!(counts.iter().all(|drawn| (800..1_200).contains(drawn)), "{counts:?}");
    }
}

/// Replicas that answer after so many milliseconds each, asked at a steady rate for so long; the
/// share of each after the first five seconds, in thousandths.
fn replay(latencies_ms: &[u64], per_second: u64, seconds: u64) -> Vec<usize> {
    let rows = rows(latencies_ms.len());
    let mut random = dice(3);
    let mut running: Vec<(u64, usize, u64)> = vec![];
    let mut counts = vec![0; rows.len()];
    for n in 0..per_second * seconds {
        let ms = n * 1_000 / per_second;
        let now = Moment::START.plus_ms(ms);
        running.retain(|(end, at, took)| {
            if *end <= ms {
                rows[*at].observe(took * NS_PER_MS, Moment::START.plus_ms(*end));
                rows[*at].end(true, None);
            }
            *end > ms
        });
        let choice = |at: usize| Choice { row: &rows[at], weight: 1, warmth: WARMTH_FULL };
        let at = pick(Balance::PeakEwma, rows.len(), &choice, &|| 0, now, &mut random);
        rows[at].begin(true, Moment::START);
        let jitter = random() % (latencies_ms[at] / 5).max(1);
        running.push((ms + latencies_ms[at] + jitter, at, latencies_ms[at] + jitter));
        if ms >= 5_000 {
            counts[at] += 1;
        }
    }
    let total: usize = counts.iter().sum();
    counts.iter().map(|count| count * 1_000 / total).collect()
}

#[test]
fn a_slow_replica_is_left_alone_mostly_and_not_for_good() {
    let mut latencies = [400; 8];
    latencies[3] = 2_000;
    let shares = replay(&latencies, 50, 60);
    assert!((1..=30).contains(&shares[3]), "{shares:?}");
    assert!(shares.iter().enumerate().all(|(at, share)| at == 3 || (90..190).contains(share)), "{shares:?}");
}

#[test]
fn whoever_has_just_come_back_is_given_less() {
    let rows = rows(3);
    for balance in [Balance::Weighted, Balance::RoundRobin, Balance::LeastOutstanding, Balance::PeakEwma] {
        let mut random = dice(3);
        let mut counts = [0; 3];
        for _ in 0..30_000 {
            let choice = |at: usize| Choice { row: &rows[at], weight: 1, warmth: if at == 1 { 100 } else { WARMTH_FULL } };
            counts[pick(balance, 3, &choice, &|| rows[0].take_turn(), Moment::START, &mut random)] += 1;
        }
        assert!(counts[1] <= 1_700, "{balance:?}: {counts:?}");
        // A share, and not nothing, where shares are drawn or in turn.
        assert!(counts[1] >= 800 || !matches!(balance, Balance::Weighted | Balance::RoundRobin), "{balance:?}: {counts:?}");
        assert!(counts[0] >= 9_000 && counts[2] >= 9_000, "{balance:?}: {counts:?}");
    }
}

#[test]
fn of_whom_nothing_is_known_one_attempt_finds_out() {
    let rows = rows(2);
    rows[1].observe(100 * NS_PER_MS, Moment::START);
    let picked = || {
        let choice = |at: usize| Choice { row: &rows[at], weight: 1, warmth: WARMTH_FULL };
        pick(Balance::PeakEwma, 2, &choice, &|| 0, Moment::START, &mut dice(1))
    };
    assert_eq!(picked(), 0, "nobody asks it yet");
    let slot = rows[0].begin(true, Moment::START);
    assert_eq!(picked(), 1, "it is taken to be slow until it has answered");
    rows[0].end(true, slot);
    assert_eq!(picked(), 0);
}
