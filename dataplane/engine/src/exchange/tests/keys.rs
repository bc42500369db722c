//! The credentials of one provider over any sequence of refusals, against an oracle that knows only what was
//! said of each.

use super::*;
use crate::{moment::NS_PER_MS, roll::Roll};

/// Sequences that are played.
const SEEDS: u64 = 400;
/// Requests in each.
const REQUESTS: usize = 40;
/// Every so many requests it is counted who is asked how often …
const COUNTED_EVERY: usize = 10;
/// … over so many.
const COUNTED: usize = 300;
/// For how long a refusal holds, as the documents have it, in milliseconds.
const MINUTE_MS: u64 = 60_000;

/// What was said of one credential: until when it is out, paused, and without a right to each target.
#[derive(Clone)]
struct Said {
    weight: u64,
    out: Moment,
    paused: Moment,
    denied: [Moment; 2],
    /// Requests in a minute that the operator grants; 0 is no limit.
    limit: u64,
    /// When everything that was taken of them is earned.
    due: Moment,
    /// When it was asked.
    asked: Vec<Moment>,
}

impl Said {
    fn is_usable(&self, target: TargetId, now: Moment) -> bool {
        now >= self.out && now >= self.paused && now >= self.denied[target.0 as usize] && now >= self.earned()
    }

    /// In how many nanoseconds one request is earned.
    fn each_ns(&self) -> u64 {
        (MINUTE_MS * NS_PER_MS).div_ceil(self.limit.max(1))
    }

    /// When it may be asked, as far as its limit goes.
    fn earned(&self) -> Moment {
        let due = if self.limit == 0 { Moment::START } else { self.due.plus_ns(self.each_ns()) };
        Moment(due.0.saturating_sub(MINUTE_MS * NS_PER_MS))
    }

    /// It was asked. Over any time it is so no more often than a minute's worth and what is earned meanwhile.
    fn is_asked(&mut self, now: Moment) {
        if self.limit == 0 {
            return;
        }
        self.due = self.due.max(now).plus_ns(self.each_ns());
        self.asked.push(now);
        for (at, since) in self.asked.iter().enumerate() {
            let count = (self.asked.len() - at) as u64;
            let earned = self.limit as f64 * (1.0 + now.since(*since) as f64 / (MINUTE_MS * NS_PER_MS) as f64);
            assert!(count as f64 <= earned + 1e-6, "{count} requests, where {} are a minute's", self.limit);
        }
    }

    fn hears(&mut self, target: TargetId, status: u16, told_ms: Option<u64>, now: Moment) {
        let refused = now.plus_ms(told_ms.unwrap_or(0).max(MINUTE_MS));
        match status {
            429 => self.paused = self.paused.max(now.plus_ms(told_ms.unwrap_or(1_000))),
            403 => self.denied[target.0 as usize] = self.denied[target.0 as usize].max(refused),
            _ => self.out = self.out.max(refused),
        }
    }
}

struct Pool {
    world: World,
    said: Vec<Said>,
}

impl Pool {
    /// One provider with several credentials, and two chains of one target each.
    fn new(roll: &mut Roll) -> Pool {
        let count = 2 + roll.below(4) as u32;
        let mut draft = policies::draft(&[("a", count)]);
        let provider = draft.providers.get_mut(ProviderId(0)).expect("there is one");
        provider.retries = policy::Retries { share_permille: 1_000, per_second: 10_000 };
        provider.keys.iter_mut().for_each(|key| key.weight = 1 + roll.below(9) as u32);
        let blank = [Moment::START; 2];
        // Some have limits of the operator's.
        provider.keys.iter_mut().for_each(|key| key.requests_per_minute = roll.among(&[0, 0, 0, 1, 3, 7, 60]));
        let said = |key: &policy::Key| Said {
            weight: key.weight.into(),
            out: blank[0],
            paused: blank[0],
            denied: blank,
            limit: key.requests_per_minute,
            due: Moment::START,
            asked: Vec::new(),
        };
        let said = provider.keys.iter().map(said).collect();
        for (name, model) in [("c", "m"), ("d", "n")] {
            let target = policies::target(&mut draft, 0, model);
            let chain = policies::chain(&mut draft, name, &[&[target]]);
            draft.chains.get_mut(chain).expect("it was just made").attempts_max = limits::ATTEMPTS_MAX as u8;
            policies::name(&mut draft, name, chain);
        }
        Pool { world: World::new(draft), said }
    }

    fn usable(&self, target: TargetId) -> Vec<usize> {
        (0..self.said.len()).filter(|key| self.said[*key].is_usable(target, self.world.now)).collect()
    }

    /// Plays one request. True when it ended with an error of the gateway's own.
    fn request(&mut self, roll: &mut Roll, target: TargetId) -> bool {
        let mut exchange = self.world.begin(["c", "d"][target.0 as usize]);
        loop {
            let usable = self.usable(target);
            match self.world.next(&mut exchange) {
                Next::Attempt(attempt) => {
                    let key = attempt.key.expect("the provider asks for one").0 as usize;
                    assert!(usable.contains(&key), "{key} was asked, and {usable:?} may be: {:?}", exchange.trail());
                    if roll.below(8) == 0 {
                        // Who asks leaves before anything is sent, so nothing of its limit is used.
                        exchange.abandoned(&self.world.board, &self.world.prepared, self.world.now);
                        return false;
                    }
                    exchange.sent(attempt.index, self.world.now);
                    self.said[key].is_asked(self.world.now);
                    if roll.below(5) < 3 {
                        self.world.succeed(&mut exchange, attempt);
                        return false;
                    }
                    let status = roll.among(&[401, 402, 403, 429]);
                    let told_ms = match status {
                        429 => roll.among(&[None, Some(400), Some(3_000), Some(30_000)]),
                        _ => roll.among(&[None, None, Some(0), Some(90_000)]),
                    };
                    self.world.fail(&mut exchange, attempt, judge::status(status, &ErrorFields::default(), told_ms, None));
                    self.said[key].hears(target, status, told_ms, self.world.now);
                }
                Next::Wait(until) => {
                    assert!(usable.is_empty(), "{usable:?} are kept waiting");
                    let back = |said: &Said| said.paused.max(said.out).max(said.denied[target.0 as usize]).max(said.earned());
                    // Nobody is asked in vain, and nobody waits for longer than the first of them.
                    assert!(self.said.iter().any(|said| back(said) <= until), "{until:?}");
                    // The board rounds up, and the oracle does not: both agree on whole milliseconds.
                    self.world.now = Moment(until.0.next_multiple_of(NS_PER_MS));
                }
                Next::Surrender(Surrender::Own(own)) => {
                    let spent = exchange.attempts_made() == exchange.attempts_max() || self.world.now >= exchange.commit_by();
                    assert!(usable.is_empty() || spent, "{usable:?} were not asked: {:?}", exchange.trail());
                    let paused = |said: &Said| self.world.now < said.paused || self.world.now < said.earned();
                    match (own.status, own.code) {
                        (429, "rate_limit_exceeded") => assert!(spent || self.said.iter().any(paused)),
                        (429, "insufficient_quota") | (502, "provider_auth" | "provider_permission") => {
                            assert!(own.fault == Fault::Operator && !own.should_retry && own.retry_after_ms.is_none(), "{own:?}");
                        }
                        other => panic!("{other:?} is no honest error: {}", own.message.as_str()),
                    }
                    return true;
                }
                other => panic!("{other:?} for a provider's refusal"),
            }
        }
    }

    /// Counts who is asked, and compares that with the weights of those that can be.
    fn count(&mut self, target: TargetId) {
        let usable = self.usable(target);
        if usable.is_empty() {
            return;
        }
        let mut counts = vec![0_u32; self.said.len()];
        for _ in 0..COUNTED {
            let mut exchange = self.world.begin(["c", "d"][target.0 as usize]);
            let attempt = self.world.attempt(&mut exchange);
            // Nothing is sent, and so nothing used of a limit.
            exchange.abandoned(&self.world.board, &self.world.prepared, self.world.now);
            counts[attempt.key.expect("the provider asks for one").0 as usize] += 1;
        }
        let sum: u64 = usable.iter().map(|key| self.said[*key].weight).sum();
        for (key, count) in counts.into_iter().enumerate() {
            let share = if usable.contains(&key) { self.said[key].weight as f64 / sum as f64 } else { 0.0 };
            let (mean, six_sigma) = (share * COUNTED as f64, 6.0 * (share * (1.0 - share) * COUNTED as f64).sqrt());
            assert!(
                (f64::from(count) - mean).abs() <= six_sigma + 1e-9,
                "{key} was asked {count} times, and should be {mean} times: {usable:?} {:?}",
                self.said.iter().map(|s| s.weight).collect::<Vec<_>>()
            );
        }
    }
}

/// A credential that is out or paused is never asked; who is left is asked by weight; with nobody left there is
/// one honest error; and everybody comes back in time.
#[test]
fn the_pool_keeps_its_promises_over_any_sequence() {
    let (mut errors, mut requests) = (0_usize, 0_usize);
    for seed in 0..SEEDS {
        let mut roll = Roll(seed);
        let mut pool = Pool::new(&mut roll);
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for at in 1..=REQUESTS {
                let target = TargetId(roll.below(2) as u32);
                errors += usize::from(pool.request(&mut roll, target));
                requests += 1;
                pool.world.pass(roll.among(&[0, 0, 1, 400, 999, 20_000, 59_999, 60_000]));
                if at % COUNTED_EVERY == 0 {
                    pool.count(target);
                }
            }
            pool.world.pass(MINUTE_MS * 2);
            for target in [TargetId(0), TargetId(1)] {
                assert_eq!(pool.usable(target).len(), pool.said.len());
                pool.count(target);
            }
            assert!(pool.world.is_idle());
        }));
        if let Err(broken) = told {
            eprintln!("the seed is {seed}");
            std::panic::resume_unwind(broken);
        }
    }
    assert!(errors * 20 > requests && errors * 2 < requests, "{errors} of {requests} found nobody: neither too few nor too many");
}
