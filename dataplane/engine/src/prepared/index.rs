//! Hash tables for every lookup by name, and for routes by whatever narrows them most.
//!
//! A route is filed under the narrowest thing that must hold for it: the exact model, the beginning
//! of a glob, its end, the value of a field, or nothing. Each of those with or without a tenant. A
//! lookup visits the few buckets that the request can be in and takes the lowest position in the
//! policy whose route holds. Beginnings of every length are looked up by a hash that grows byte by
//! byte, and first of all in a dense array of tags: most are not there, and out of cache those
//! misses do not wait for one another.
//!
//! The hash is not keyed. Only the operator fills the tables, at most to a half; what a tenant may
//! choose is which run of slots to walk, and those are as long as the operator's names made them.

use super::condition::Condition;
use policy::{ChainId, TenantId, limits};

/// What a slot is filed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A chain by its own name.
    Chain,
    /// A chain by a name that requests give.
    Name,
    /// The same, for every name that begins so.
    NamePrefix,
    /// Routes by model.
    RouteExact,
    /// Routes by the beginning of the model.
    RoutePrefix,
    /// Routes by the end of the model, reversed.
    RouteSuffix,
    /// Routes by `name\0value` of a field.
    RouteField,
    /// Routes for every model.
    RouteAny,
}

const KINDS: usize = Kind::RouteAny as usize + 1;
const NO_TENANT: u32 = u32::MAX;
/// Beginnings whose tags are fetched together.
const BATCH: usize = 16;

/// An open table of one kind, at most half full. Empty when there is nothing of the kind.
#[derive(Debug, Default)]
struct Slots {
    /// Part of the hash; 0 in a free slot. `tags.len()` is zero or a power of two.
    tags: Vec<u32>,
    slots: Vec<Slot>,
    /// Whether there are keys without a tenant, and with one.
    tenants: [bool; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// The key's bytes: `text[start..start + length]`.
    start: u32,
    length: u32,
    tenant: u32,
    /// The first entry of the bucket; most have no other.
    first: Entry,
    /// The others: `entries[rest..rest + count - 1]`, ascending.
    rest: u32,
    count: u32,
}

/// What a key leads to.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// A route's position in the policy; of a chain the same as `chain`.
    at: u32,
    /// Out of cache, the route itself would be one more wait.
    chain: u32,
    /// What the key does not prove: `text[rest..rest + rest_length]`, right behind the key.
    rest: u32,
    rest_length: u32,
}

/// The tables.
#[derive(Debug)]
pub(super) struct Index {
    tables: [Slots; KINDS],
    entries: Vec<Entry>,
    text: Vec<u8>,
    /// Lengths of beginnings and ends that are filed, as bits.
    prefixes: Lengths,
    suffixes: Lengths,
    /// Names of fields that routes are filed under, unique.
    fields: Vec<String>,
}

type Lengths = [u64; limits::MODEL_NAME_BYTES_MAX / 64 + 1];

fn is_set(lengths: &Lengths, length: usize) -> bool {
    lengths[length / 64] >> (length % 64) & 1 == 1
}

/// What stands for a hash in the array of tags.
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32 | 1
}

/// FNV-1a, byte by byte, and a finish that spreads it over the low bits.
#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    fn new(kind: Kind) -> Hash {
        Hash(0xcbf2_9ce4_8422_2325).byte(kind as u8)
    }

    fn byte(self, byte: u8) -> Hash {
        Hash((self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }

    fn bytes(self, bytes: &[u8]) -> Hash {
        bytes.iter().fold(self, |hash, byte| hash.byte(*byte))
    }

    fn finish(self, tenant: u32) -> u64 {
        let mixed = (self.0 ^ u64::from(tenant).wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 32)
    }
}

/// Collects what is to be found.
#[derive(Default)]
pub(super) struct Builder {
    filed: Vec<Filed>,
    text: Vec<u8>,
    fields: Vec<String>,
}

/// Where a key leads, to be filed.
#[derive(Clone, Copy)]
pub(super) struct Goal<'a> {
    /// A route's position in the policy; of a chain its id.
    pub(super) at: u32,
    /// The chain in the end.
    pub(super) chain: ChainId,
    /// What must hold besides the key.
    pub(super) rest: &'a [Condition<'a>],
}

struct Filed {
    hash: u64,
    start: u32,
    length: u32,
    tenant: u32,
    kind: Kind,
    entry: Entry,
}

impl Builder {
    pub(super) fn exact(&mut self, kind: Kind, name: &str, chain: ChainId) {
        self.file(kind, name.as_bytes(), None, Goal { at: chain.0, chain, rest: &[] });
    }

    pub(super) fn route(&mut self, kind: Kind, key: &[u8], tenant: Option<TenantId>, goal: Goal<'_>) {
        // A pattern longer than any model fits none.
        if key.len() <= limits::MODEL_NAME_BYTES_MAX {
            self.file(kind, key, tenant, goal);
        }
    }

    pub(super) fn route_by_field(&mut self, (name, value): (&str, &[u8]), tenant: Option<TenantId>, goal: Goal<'_>) {
        if !self.fields.iter().any(|known| known == name) {
            self.fields.push(name.to_owned());
        }
        let key: Vec<u8> = name.bytes().chain([0]).chain(value.iter().copied()).collect();
        self.file(Kind::RouteField, &key, tenant, goal);
    }

    fn file(&mut self, kind: Kind, key: &[u8], tenant: Option<TenantId>, goal: Goal<'_>) {
        let start = self.text.len() as u32;
        self.text.extend_from_slice(key);
        let rest = self.text.len() as u32;
        goal.rest.iter().for_each(|condition| condition.write(&mut self.text));
        let entry = Entry { at: goal.at, chain: goal.chain.0, rest, rest_length: self.text.len() as u32 - rest };
        let tenant = tenant.map_or(NO_TENANT, |tenant| tenant.0);
        self.filed.push(Filed { hash: Hash::new(kind).bytes(key).finish(tenant), start, length: key.len() as u32, tenant, kind, entry });
    }

    pub(super) fn build(self) -> Index {
        let Builder { mut filed, text, fields } = self;
        let mut index = Index {
            tables: Default::default(),
            entries: Vec::new(),
            prefixes: Lengths::default(),
            suffixes: Lengths::default(),
            text,
            fields,
        };
        let mut counts = [0; KINDS];
        filed.iter().for_each(|one| counts[one.kind as usize] += 1);
        for (table, count) in index.tables.iter_mut().zip(counts).filter(|(_, count)| *count > 0) {
            let size = (count * 2_usize).next_power_of_two();
            table.tags = vec![0; size];
            table.slots = vec![Slot::default(); size];
        }
        filed.sort_unstable_by_key(|one| (one.hash, one.entry.at));
        // Different keys of one hash would lie mixed within a run, so runs are split by key.
        while let Some(head) = filed.last().map(|last| last.hash) {
            let first = filed.iter().rposition(|one| one.hash != head).map_or(0, |before| before + 1);
            let mut run = filed.split_off(first);
            while !run.is_empty() {
                let key = (run[0].kind, run[0].tenant, run[0].start, run[0].length);
                let (same, others): (Vec<Filed>, Vec<Filed>) = run.into_iter().partition(|one| {
                    one.kind == key.0 && one.tenant == key.1 && index.key(one.start, one.length) == index.key(key.2, key.3)
                });
                index.insert(&same);
                run = others;
            }
        }
        index
    }
}

impl Index {
    fn key(&self, start: u32, length: u32) -> &[u8] {
        &self.text[start as usize..][..length as usize]
    }

    /// Files a bucket: entries of one key, ascending.
    fn insert(&mut self, bucket: &[Filed]) {
        let head = &bucket[0];
        let length = head.length as usize;
        match head.kind {
            Kind::RoutePrefix => self.prefixes[length / 64] |= 1 << (length % 64),
            Kind::RouteSuffix => self.suffixes[length / 64] |= 1 << (length % 64),
            _ => {}
        }
        let table = &mut self.tables[head.kind as usize];
        table.tenants[usize::from(head.tenant != NO_TENANT)] = true;
        let mask = table.tags.len() - 1;
        let mut at = head.hash as usize & mask;
        while table.tags[at] != 0 {
            at = (at + 1) & mask;
        }
        table.tags[at] = tag(head.hash);
        table.slots[at] = Slot {
            start: head.start,
            length: head.length,
            tenant: head.tenant,
            first: head.entry,
            rest: self.entries.len() as u32,
            count: bucket.len() as u32,
        };
        self.entries.extend(bucket[1..].iter().map(|one| one.entry));
    }

    /// The bucket of a key. `same` compares the key's bytes, which need not lie in one piece.
    fn find(&self, kind: Kind, hash: u64, tenant: u32, same: impl Fn(&[u8]) -> bool) -> Option<&Slot> {
        let table = &self.tables[kind as usize];
        let mask = table.tags.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        // The table is at most half full, so a free slot ends the walk.
        while table.tags[at] != 0 {
            if table.tags[at] == tag(hash) {
                let slot = &table.slots[at];
                if slot.tenant == tenant && same(self.key(slot.start, slot.length)) {
                    return Some(slot);
                }
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// The chain that is filed under a name.
    pub(super) fn exact(&self, kind: Kind, name: &str) -> Option<ChainId> {
        let hash = Hash::new(kind).bytes(name.as_bytes()).finish(NO_TENANT);
        self.find(kind, hash, NO_TENANT, |key| key == name.as_bytes()).map(|slot| ChainId(slot.first.chain))
    }

    /// The chain that is filed under the longest beginning of `name` that ends with a slash and leaves
    /// something behind it.
    pub(super) fn longest(&self, kind: Kind, name: &str) -> Option<ChainId> {
        let bytes = name.as_bytes();
        let mut hash = Hash::new(kind);
        let mut found = None;
        for (at, byte) in bytes.iter().enumerate().take(bytes.len().saturating_sub(1)) {
            hash = hash.byte(*byte);
            if *byte == b'/' {
                found = self.find(kind, hash.finish(NO_TENANT), NO_TENANT, |key| key == &bytes[..=at]).or(found);
            }
        }
        found.map(|slot| ChainId(slot.first.chain))
    }

    /// The lowest position of a route that holds, and its chain.
    pub(super) fn route<'f>(
        &self,
        model: &str,
        tenant: Option<TenantId>,
        field: &dyn Fn(&str) -> Option<&'f [u8]>,
    ) -> Option<(u32, ChainId)> {
        let model = &model.as_bytes()[..model.len().min(limits::MODEL_NAME_BYTES_MAX)];
        let mut search = Search { index: self, tenant: tenant.map(|tenant| tenant.0), model, field, best: u32::MAX, chain: 0 };
        if self.has(Kind::RouteExact) {
            search.visit(Kind::RouteExact, Hash::new(Kind::RouteExact).bytes(model), |key| key == model);
        }
        if self.has(Kind::RoutePrefix) {
            search.prefixes(model);
        }
        if self.has(Kind::RouteSuffix) {
            let mut hash = Hash::new(Kind::RouteSuffix);
            for (length, byte) in (1..).zip(model.iter().rev()) {
                hash = hash.byte(*byte);
                if is_set(&self.suffixes, length) {
                    search.visit(Kind::RouteSuffix, hash, |key| key.len() == length && key.iter().eq(model.iter().rev().take(length)));
                }
            }
        }
        for name in &self.fields {
            let Some(value) = field(name) else { continue };
            let hash = Hash::new(Kind::RouteField).bytes(name.as_bytes()).byte(0).bytes(value);
            let split = name.len();
            search.visit(Kind::RouteField, hash, |key| {
                key.len() == split + 1 + value.len() && &key[..split] == name.as_bytes() && &key[split + 1..] == value
            });
        }
        if self.has(Kind::RouteAny) {
            search.visit(Kind::RouteAny, Hash::new(Kind::RouteAny), <[u8]>::is_empty);
        }
        (search.best != u32::MAX).then_some((search.best, ChainId(search.chain)))
    }

    fn has(&self, kind: Kind) -> bool {
        !self.tables[kind as usize].tags.is_empty()
    }
}

struct Search<'a, 'f> {
    index: &'a Index,
    tenant: Option<u32>,
    model: &'a [u8],
    field: &'a dyn Fn(&str) -> Option<&'f [u8]>,
    /// The lowest position found so far.
    best: u32,
    /// Where that leads.
    chain: u32,
}

impl Search<'_, '_> {
    /// The tenants that a key of this kind is to be looked up with.
    fn tenants(&self, kind: Kind) -> [Option<u32>; 2] {
        let [without, with] = self.index.tables[kind as usize].tenants;
        [without.then_some(NO_TENANT), self.tenant.filter(|_| with)]
    }

    /// Looks every beginning of `model` up. Tags of a batch are read before any is acted on, so that
    /// the reads overlap.
    fn prefixes(&mut self, model: &[u8]) {
        let tags = &self.index.tables[Kind::RoutePrefix as usize].tags;
        let mask = tags.len() - 1;
        for tenant in self.tenants(Kind::RoutePrefix).into_iter().flatten() {
            let mut hash = Hash::new(Kind::RoutePrefix);
            let mut length = 0;
            while length < model.len() {
                let mut batch = [(0_u64, 0_usize, 0_u32); BATCH];
                let mut count = 0;
                while length < model.len() && count < BATCH {
                    hash = hash.byte(model[length]);
                    length += 1;
                    if is_set(&self.index.prefixes, length) {
                        let hash = hash.finish(tenant);
                        batch[count] = (hash, length, tags[hash as usize & mask]);
                        count += 1;
                    }
                }
                for (hash, length, _) in batch[..count].iter().filter(|(_, _, seen)| *seen != 0) {
                    if let Some(slot) = self.index.find(Kind::RoutePrefix, *hash, tenant, |key| key == &model[..*length]) {
                        self.take(slot);
                    }
                }
            }
        }
    }

    /// Looks into the buckets of a key, without a tenant and with the one who asks.
    fn visit(&mut self, kind: Kind, hash: Hash, same: impl Fn(&[u8]) -> bool) {
        for tenant in self.tenants(kind).into_iter().flatten() {
            if let Some(slot) = self.index.find(kind, hash.finish(tenant), tenant, &same) {
                self.take(slot);
            }
        }
    }

    /// Entries ascend, so the first that holds is the best of its bucket.
    fn take(&mut self, slot: &Slot) {
        let others = &self.index.entries[slot.rest as usize..][..slot.count as usize - 1];
        for entry in std::iter::once(&slot.first).chain(others) {
            if entry.at >= self.best {
                return;
            }
            let rest = self.index.key(entry.rest, entry.rest_length);
            if Condition::hold(rest, self.model, slot.length as usize, self.field) {
                (self.best, self.chain) = (entry.at, entry.chain);
                return;
            }
        }
    }
}
