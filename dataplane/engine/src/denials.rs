//! What one credential may not ask for, though it is good for everything else.

use crate::{
    board::Pause,
    moment::{Moment, NS_PER_MS},
};
use policy::{Class, TargetId};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Targets that are remembered of one credential. One more takes the place of the one that is over first,
/// and its provider will say it again.
const PLACES: usize = 5;

/// The targets that a credential was refused for, each until a moment of its own.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    places: [AtomicU64; PLACES],
}

const TARGET_BITS: u32 = 14;
const CLASS_BITS: u32 = 8;

const _: () = assert!(policy::limits::TARGETS_MAX <= 1 << TARGET_BITS);

/// `milliseconds (42 bits) | class (8 bits) | target (14 bits)`; 0 is none. Rounded up: a pause that ends early
/// would be an attempt before its time.
fn pack(target: TargetId, until: Moment, class: Class) -> u64 {
    let ms = until.0.div_ceil(NS_PER_MS).min((1 << 42) - 1);
    ms << (CLASS_BITS + TARGET_BITS) | u64::from(class as u8) << TARGET_BITS | u64::from(target.0)
}

fn moment_of(word: u64) -> Moment {
    Moment((word >> (CLASS_BITS + TARGET_BITS)).saturating_mul(NS_PER_MS))
}

fn unpack(word: u64) -> Option<(TargetId, Pause)> {
    let class = *Class::ALL.get((word >> TARGET_BITS & 0xff) as usize)?;
    let until = moment_of(word);
    (word != 0).then_some((TargetId((word & ((1 << TARGET_BITS) - 1)) as u32), Pause { until, class }))
}

impl Denials {
    /// Has the credential not asked for `target` until `until`; returns when that is over as it is written down.
    pub(crate) fn add(&self, target: TargetId, until: Moment, class: Class) -> Moment {
        let word = pack(target, until, class);
        let known = |place: &&AtomicU64| unpack(place.load(Relaxed)).is_some_and(|(known, _)| known == target);
        let place = self.places.iter().find(known).or_else(|| self.places.iter().min_by_key(|place| place.load(Relaxed)));
        // Another shard may take the same place: then one of the two is learned again.
        place.expect("there are some").store(word, Relaxed);
        moment_of(word)
    }

    /// Whether the credential may not ask for `target` at `now`.
    #[inline]
    pub(crate) fn of(&self, target: TargetId, now: Moment) -> Option<Pause> {
        self.current(now).find(|(denied, _)| *denied == target).map(|(_, pause)| pause)
    }

    /// The one that lasts longest, if there is one at `now`.
    pub(crate) fn longest(&self, now: Moment) -> Option<Pause> {
        self.current(now).map(|(_, pause)| pause).max_by_key(|pause| pause.until)
    }

    fn current(&self, now: Moment) -> impl Iterator<Item = (TargetId, Pause)> {
        self.places.iter().filter_map(|place| unpack(place.load(Relaxed))).filter(move |(_, pause)| now < pause.until)
    }

    /// Forgets all of them.
    pub(crate) fn reset(&self) {
        self.places.iter().for_each(|word| word.store(0, Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ends_by_itself_and_the_one_that_is_over_first_makes_room() {
        let at = |ms| Moment::START.plus_ms(ms);
        let denials = Denials::default();
        assert_eq!((denials.of(TargetId(0), at(0)), denials.longest(at(0))), (None, None));
        for target in 0..PLACES as u32 {
            denials.add(TargetId(target), at(100 + u64::from(target)), Class::Permission);
        }
        denials.add(TargetId(3), at(50), Class::ModelGone);
        assert_eq!(denials.of(TargetId(3), at(49)), Some(Pause { until: at(50), class: Class::ModelGone }), "the last word counts");
        assert_eq!(denials.of(TargetId(3), at(50)), None);
        assert_eq!(denials.longest(at(0)), Some(Pause { until: at(104), class: Class::Permission }));
        denials.add(TargetId(16_383), at(300), Class::Permission);
        assert_eq!(denials.of(TargetId(3), at(49)), None, "its place was taken");
        let kept = [0, 1, 2, 4, 16_383].map(|target| denials.of(TargetId(target), at(60)).is_some());
        assert_eq!(kept, [true; 5]);
        denials.add(TargetId(7), Moment::NEVER, Class::Permission);
        assert!(denials.of(TargetId(7), at(1 << 40)).is_some());
        denials.reset();
        assert_eq!((denials.of(TargetId(7), at(0)), denials.longest(at(0))), (None, None));
    }

    #[test]
    fn it_never_ends_before_its_time() {
        let denials = Denials::default();
        denials.add(TargetId(1), Moment(1_000_001), Class::Permission);
        assert!(denials.of(TargetId(1), Moment(1_999_999)).is_some() && denials.of(TargetId(1), Moment(2_000_000)).is_none());
    }

    #[test]
    fn a_shorter_one_takes_nothing_from_a_longer_one() {
        let at = |ms| Moment::START.plus_ms(ms);
        let denials = Denials::default();
        denials.add(TargetId(1), at(300), Class::Permission);
        denials.add(TargetId(2), at(100), Class::Permission);
        assert!(denials.of(TargetId(1), at(200)).is_some() && denials.of(TargetId(2), at(200)).is_none());
    }
}
