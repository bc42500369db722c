//! Faults on purpose: which attempts of a rehearsal are struck.

use crate::{backoff, prepared::Prepared};
use policy::{Blow, Snapshot, TargetId, id::Id};

/// By target: what it is struck with.
#[derive(Debug, Default)]
pub(crate) struct Strikes(Vec<Struck>);

/// What may strike one target, and the factor on its price in thousandths.
#[derive(Clone, Debug, Default)]
struct Struck {
    blows: Vec<(u32, Blow)>,
    factor: Option<u32>,
}

impl Strikes {
    pub(crate) fn build(snapshot: &Snapshot) -> Strikes {
        let Some(chaos) = &snapshot.chaos else { return Strikes::default() };
        let mut by_target = vec![Struck::default(); snapshot.targets.slots()];
        for strike in &chaos.strikes {
            for target in &strike.targets {
                let struck = &mut by_target[target.index()];
                match strike.blow {
                    Blow::Price { permille } => struck.factor = Some(permille),
                    blow => struck.blows.push((strike.permille, blow)),
                }
            }
        }
        Strikes(by_target)
    }
}

/// What strikes an attempt at `target`, if something does. `unix_ms` is asked only while there is a
/// rehearsal, and `random` only where it is about this target.
#[inline]
pub fn blow(prepared: &Prepared, target: TargetId, unix_ms: impl FnOnce() -> u64, random: &mut impl FnMut() -> u64) -> Option<Blow> {
    let until_ms = prepared.chaos.as_ref()?.until_ms;
    let strikes = prepared.strikes(target);
    if strikes.is_empty() || unix_ms() >= until_ms {
        return None;
    }
    strikes.iter().find(|(permille, _)| backoff::scale(random(), 999) < u64::from(*permille)).map(|(_, blow)| *blow)
}

impl Strikes {
    pub(crate) fn at(&self, target: TargetId) -> &[(u32, Blow)] {
        self.0.get(target.index()).map_or(&[], |struck| &struck.blows)
    }

    pub(crate) fn factor(&self, target: TargetId) -> Option<u32> {
        self.0.get(target.index())?.factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepared::tests as policies;
    use policy::{Chaos, Strike};

    /// A price fails nothing, and nobody draws for it.
    #[test]
    fn prices_are_those_of_the_rehearsal_while_it_lasts() {
        let mut draft = policies::draft(&[("a", 0)]);
        let targets: Vec<TargetId> = ["dear", "other"].map(|model| policies::target(&mut draft, 0, model)).to_vec();
        let price = policy::Price { input: 2_000, output: 10_000, ..policy::Price::default() };
        for target in &targets {
            draft.targets.get_mut(*target).unwrap().price = Some(price);
        }
        let chain = policies::chain(&mut draft, "c", &[&targets]);
        policies::name(&mut draft, "c", chain);
        let strikes = vec![Strike { targets: vec![targets[0]], permille: 1, blow: Blow::Price { permille: 2_500 } }];
        draft.chaos = Some(Chaos { until_ms: 1_000, strikes });
        let prepared = policies::prepare(draft);
        assert_eq!(blow(&prepared, targets[0], || 0, &mut || panic!("nothing is drawn")), None);
        let input = |target, now| prepared.price(target, || now).unwrap().input;
        assert_eq!((input(targets[0], 999), input(targets[0], 1_000), input(targets[1], 0)), (5_000, 2_000, 2_000));
    }

    #[test]
    fn as_many_are_struck_as_are_meant_and_for_as_long() {
        let mut draft = policies::draft(&[("a", 0), ("b", 0)]);
        let targets: Vec<TargetId> = (0..2).map(|at| policies::target(&mut draft, at, "m")).collect();
        let chain = policies::chain(&mut draft, "c", &[&targets]);
        policies::name(&mut draft, "c", chain);
        let strike = |permille, blow| Strike { targets: vec![targets[0]], permille, blow };
        draft.chaos = Some(Chaos { until_ms: 1_000, strikes: vec![strike(200, Blow::Stall), strike(500, Blow::Connect)] });
        let prepared = policies::prepare(draft);
        let mut seed = 1_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed ^ (seed >> 29)
        };
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            match blow(&prepared, targets[0], || 999, &mut random) {
                Some(Blow::Stall) => counts[0] += 1,
                Some(Blow::Connect) => counts[1] += 1,
                _ => counts[2] += 1,
            }
            assert_eq!(blow(&prepared, targets[1], || 999, &mut random), None);
            assert_eq!(blow(&prepared, targets[0], || 1_000, &mut random), None);
        }
        // One in five; of the rest, half.
        assert!((1_850..2_150).contains(&counts[0]) && (3_850..4_150).contains(&counts[1]), "{counts:?}");
    }
}
