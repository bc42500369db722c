//! Ids that stay the same over generations, and the sparse tables that they index.

use serde::{Deserialize, Serialize};
use std::{fmt, marker::PhantomData};

/// An index into one [`Table`]; the compiler gives the same named thing the same index in every
/// generation, and reuses an index only when the thing is gone.
pub trait Id: Copy + Eq + fmt::Debug {
    /// What the id names, in the operator's words, for messages.
    const NOUN: &'static str;
    /// Wraps an index.
    fn new(index: u32) -> Self;
    /// The index into the table.
    fn index(self) -> usize;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $noun:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u32);
        impl Id for $name {
            const NOUN: &'static str = $noun;
            fn new(index: u32) -> Self {
                $name(index)
            }
            fn index(self) -> usize {
                self.0 as usize
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($noun, "#{}"), self.0)
            }
        }
    )*};
}

ids! {
    /// A tenant: who may ask.
    TenantId = "tenant";
    /// A route: which request takes which chain.
    RouteId = "route";
    /// A chain: targets in order.
    ChainId = "chain";
    /// A target: provider, account and model.
    TargetId = "target";
    /// A provider: dialect, origin and keys.
    ProviderId = "provider";
    /// An origin: what one pool of warm connections leads to.
    OriginId = "origin";
    /// One credential of a provider; its bytes travel apart from the snapshot.
    KeyId = "key";
    /// Which certificate authorities are trusted at an origin.
    TlsProfileId = "tls profile";
}

/// A sparse table: slots that are free hold `None`, so that ids never move.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Table<I, T> {
    slots: Vec<Option<T>>,
    #[serde(skip)]
    id: PhantomData<I>,
}

impl<I: Id, T> Table<I, T> {
    /// A table without entries.
    pub fn new() -> Self {
        Table { slots: Vec::new(), id: PhantomData }
    }

    /// Puts `entry` into the slot of `id`, growing the table as needed, and returns what was there.
    pub fn insert(&mut self, id: I, entry: T) -> Option<T> {
        if self.slots.len() <= id.index() {
            self.slots.resize_with(id.index() + 1, || None);
        }
        self.slots[id.index()].replace(entry)
    }

    /// Appends `entry` in a new last slot.
    pub fn push(&mut self, entry: T) -> I {
        self.slots.push(Some(entry));
        I::new(u32::try_from(self.slots.len() - 1).expect("tables are far below 2^32 entries"))
    }

    /// The entry of `id`, if that slot is taken.
    pub fn get(&self, id: I) -> Option<&T> {
        self.slots.get(id.index())?.as_ref()
    }

    /// The entry of `id`, to be changed in place.
    pub fn get_mut(&mut self, id: I) -> Option<&mut T> {
        self.slots.get_mut(id.index())?.as_mut()
    }

    /// True when the slot of `id` is taken.
    pub fn contains(&self, id: I) -> bool {
        self.get(id).is_some()
    }

    /// Every taken slot with its id, in the order of ids.
    pub fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| Some((I::new(index as u32), slot.as_ref()?)))
    }

    /// How many slots there are, free ones included: one more than the largest id.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// How many slots are taken.
    pub fn count(&self) -> usize {
        self.slots.iter().flatten().count()
    }
}

impl<I: Id, T> Default for Table<I, T> {
    fn default() -> Self {
        Table::new()
    }
}

impl<I: Id, T> std::ops::Index<I> for Table<I, T> {
    type Output = T;

    /// The entry of an id that a [`crate::Snapshot`] has proved to be taken.
    fn index(&self, id: I) -> &T {
        self.get(id).expect("a snapshot's ids were proved to be in range when it was built")
    }
}

impl<I: Id, T: fmt::Debug> fmt::Debug for Table<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
