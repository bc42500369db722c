//! What a seed makes of an outage: the policy, and how each attempt comes out.

use crate::{
    judge::{self, ErrorFields, Transport, Verdict},
    prepared::tests as policies,
};
use policy::{Backoff, Balance, Breaker, Class, Draft, Hedge, Member, Patience, ProviderId, Retries, Slowness, Step, TargetId, limits};

/// SplitMix64.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    pub(super) fn among<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

pub(super) fn draft(dice: &mut Dice) -> Draft {
    let provider_count = 1 + dice.below(5) as u32;
    let providers: Vec<(&str, u32)> =
        ["a", "b", "d", "e", "f"][..provider_count as usize].iter().map(|name| (*name, dice.below(4) as u32)).collect();
    let mut draft = policies::draft(&providers);
    for at in 0..provider_count {
        let provider = draft.providers.get_mut(ProviderId(at)).unwrap();
        provider.in_flight_max = dice.among(&[1, 2, 5, 100]);
        provider.retries = Retries { share_permille: dice.among(&[0, 200]), per_second: dice.among(&[1, 1, 10]) };
    }
    let target_count = 1 + dice.below(8) as u32;
    for n in 0..target_count {
        let provider = dice.below(u64::from(provider_count)) as u32;
        let id = policies::target(&mut draft, provider, if dice.chance(10) { "*" } else { ["m", "n", "o"][n as usize % 3] });
        let target = draft.targets.get_mut(id).unwrap();
        target.reasoning = dice.chance(20);
        target.disabled = dice.chance(5).then(|| "no key".into());
    }
    let id = policies::chain(&mut draft, "c", &[&[TargetId(0)]]);
    policies::name(&mut draft, "c", id);
    let chain = draft.chains.get_mut(id).unwrap();
    chain.steps = (0..=dice.below(4))
        .map(|_| Step {
            after: policy::ClassSet::EMPTY,
            affinity: None,
            balance: dice.among(&[Balance::Weighted, Balance::RoundRobin, Balance::LeastOutstanding, Balance::PeakEwma]),
            members: (0..=dice.below(6))
                .map(|_| Member {
                    target: TargetId(dice.below(u64::from(target_count)) as u32),
                    weight: 1 + dice.below(3) as u32,
                    wording: None,
                })
                .collect(),
        })
        .collect();
    chain.attempts_max = 1 + dice.below(limits::ATTEMPTS_MAX as u64) as u8;
    let base_ms = dice.among(&[0, 1, 50, 500]);
    chain.backoff = Backoff { exponential: dice.chance(70), base_ms, cap_ms: base_ms * dice.among(&[1, 4, 16]) };
    chain.patience = Patience {
        deadline_ms: dice.among(&[1, 50, 1_000, 10_000, 60_000]),
        connect_ms: dice.among(&[10, 3_000]),
        first_token_ms: dice.among(&[20, 2_000, 30_000]),
        ..Patience::default()
    };
    let cooldown_ms = dice.among(&[1, 100, 5_000]);
    chain.breaker = Breaker {
        consecutive: dice.below(5) as u32,
        failure_permille: dice.among(&[0, 200, 500, 1_000]),
        window_ms: dice.among(&[0, 100, 30_000]),
        requests_min: dice.below(10) as u32,
        cooldown_ms,
        cooldown_max_ms: cooldown_ms * dice.among(&[1, 12]),
        slow_ms: dice.among(&[0, 0, 30, 2_000]),
        slow_permille: dice.among(&[200, 800, 1_000]),
        slow_start_ms: dice.among(&[0, 500, 30_000]),
    };
    chain.hedge = dice.chance(30).then(|| Hedge {
        after: dice.among(&[Slowness::Ms(1), Slowness::Ms(30), Slowness::Permille(500), Slowness::Permille(950)]),
        share_permille: dice.among(&[50, 300, 1_000]),
    });
    chain.triggers.latency_ms = dice.chance(30).then(|| dice.among(&[5, 500]));
    for class in [Class::RateLimit, Class::ServerError, Class::Timeout] {
        if dice.chance(5) {
            chain.triggers.disabled.insert(class);
        }
    }
    draft
}

/// How an attempt comes out.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    Well,
    Fails(Verdict),
    /// It fails when the tenant has seen something of it.
    Cut,
}

pub(super) fn fate(dice: &mut Dice, ill_percent: u64) -> Fate {
    if !dice.chance(ill_percent) {
        return Fate::Well;
    }
    let fields = ErrorFields::default();
    let verdict = match dice.below(12) {
        0 => judge::transport(Transport::ConnectRefused),
        1 => judge::transport(Transport::StaleConnection),
        2 => judge::transport(Transport::FirstTokenTimeout),
        3 => judge::transport(Transport::Empty),
        4 => judge::status(500, &fields, None, dice.chance(20).then_some(false)),
        5 => judge::status(503, &fields, dice.chance(50).then(|| dice.among(&[1, 700, 90_000])), None),
        6 | 7 => judge::status(429, &fields, dice.chance(70).then(|| dice.among(&[0, 1, 900, 30_000, u64::MAX])), None),
        8 => judge::status(dice.among(&[401, 402, 403, 404]), &fields, None, None),
        9 => judge::status(dice.among(&[400, 413, 422]), &fields, None, None),
        10 => return Fate::Cut,
        _ => judge::transport(Transport::ResetBeforeHead),
    };
    Fate::Fails(verdict)
}
