//! Answers in the order in which they were kept; the oldest gives way.

use super::{Found, Key};
use crate::io::Instant;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// What an answer costs besides its bytes: its places in both maps, and the heap's own.
const ENTRY_BYTES: u64 = 256;

/// Answers by key, within a bound of bytes.
#[derive(Default)]
pub(super) struct Shelf {
    answers: HashMap<Key, Entry>,
    /// By age, the oldest first: as many as `answers`, each once.
    order: BTreeMap<u64, Key>,
    next: u64,
    /// The sum over `answers`.
    bytes: u64,
}

struct Entry {
    bytes: Arc<[u8]>,
    place: u64,
    at: Instant,
    until: Instant,
}

impl Entry {
    fn cost(&self) -> u64 {
        self.bytes.len() as u64 + ENTRY_BYTES
    }
}

impl Shelf {
    /// Keeps an answer in the place of an earlier one with the same key. The oldest give way until no more than
    /// `bytes_max` are taken.
    pub(super) fn keep(&mut self, key: Key, bytes: &[u8], at: Instant, until: Instant, bytes_max: u64) {
        self.remove(key);
        let entry = Entry { bytes: Arc::from(bytes), place: self.next, at, until };
        if entry.cost() > bytes_max {
            return;
        }
        self.next += 1;
        self.bytes += entry.cost();
        self.order.insert(entry.place, key);
        self.answers.insert(key, entry);
        self.shrink(bytes_max);
    }

    /// The answer of this key, when it is not older than `age_ms_max`.
    pub(super) fn find(&self, key: Key, age_ms_max: u64, now: Instant) -> Option<Found> {
        let entry = self.answers.get(&key)?;
        let age_ms = now.millis_since(entry.at);
        (age_ms <= age_ms_max && now < entry.until).then(|| Found { bytes: entry.bytes.clone(), age_ms })
    }

    /// Lets go of the oldest until no more than `bytes_max` are taken.
    pub(super) fn shrink(&mut self, bytes_max: u64) {
        while self.bytes > bytes_max
            && let Some((_, key)) = self.order.first_key_value()
        {
            self.remove(*key);
        }
    }

    /// Lets go of what is too old for everybody.
    pub(super) fn expire(&mut self, now: Instant) {
        let old: Vec<Key> = self.answers.iter().filter(|(_, entry)| entry.until <= now).map(|(key, _)| *key).collect();
        old.into_iter().for_each(|key| self.remove(key));
    }

    /// How many answers, and in how many bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        (self.answers.len() as u64, self.bytes)
    }

    fn remove(&mut self, key: Key) {
        if let Some(entry) = self.answers.remove(&key) {
            self.order.remove(&entry.place);
            self.bytes -= entry.cost();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(at: u8) -> Key {
        Key([at; 32])
    }

    fn at(ms: u64) -> Instant {
        Instant(0).plus_millis(ms)
    }

    #[test]
    fn the_oldest_gives_way_and_the_bound_holds() {
        let (mut shelf, most) = (Shelf::default(), 3 * (100 + ENTRY_BYTES));
        for (round, name) in [0, 1, 2, 0, 3, 4].into_iter().enumerate() {
            shelf.keep(key(name), &[name; 100], at(round as u64), at(1_000), most);
            assert!(shelf.size().1 <= most && shelf.order.len() == shelf.answers.len());
        }
        // Kept once more, the first was younger than the second and the third.
        let there: Vec<bool> = (0..5).map(|name| shelf.find(key(name), 1_000, at(6)).is_some()).collect();
        assert_eq!(there, [true, false, false, true, true]);
        assert_eq!(&*shelf.find(key(4), 1_000, at(6)).unwrap().bytes, &[4; 100]);
        shelf.keep(key(5), &[5; 4_096], at(7), at(1_000), most);
        assert_eq!((shelf.size().0, shelf.find(key(5), 1_000, at(7)).is_none()), (3, true), "too large to be kept at all");
        shelf.shrink(0);
        assert_eq!(shelf.size(), (0, 0));
    }

    #[test]
    fn what_is_too_old_is_not_found() {
        let mut shelf = Shelf::default();
        shelf.keep(key(0), b"a", at(0), at(100), 10_000);
        shelf.keep(key(1), b"b", at(50), at(1_000), 10_000);
        assert_eq!(shelf.find(key(0), 100, at(99)).unwrap().age_ms, 99);
        assert!(shelf.find(key(0), 98, at(99)).is_none(), "the chain has become stricter");
        assert!(shelf.find(key(0), 1_000, at(100)).is_none());
        shelf.expire(at(100));
        assert_eq!((shelf.size().0, shelf.find(key(1), 1_000, at(100)).unwrap().age_ms), (1, 50));
    }
}
