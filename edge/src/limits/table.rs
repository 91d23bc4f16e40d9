//! A bounded table of addresses or players, in stripes with a lock each.
//!
//! An entry without connections leaves once its budget is full again. If too many such entries gather, because an attacker
//! has the addresses of a whole network, those leave first whose budget is not overdrawn. So the table holds an entry for
//! each address that is connected, and at most [`STRIPES`] times [`MAX_UNUSED`] others.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use parking_lot::Mutex;

use crate::limits::entry::Entry;
use crate::time::coarse::CoarseInstant;
use crate::time::token_bucket::Rate;

/// Identifies an address or a player. Two numbers of 32 bits need no padding in an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(pub(super) [u32; 2]);

impl Key {
    /// The key of everything that is not limited. The table never has an entry for it: it would be a multicast address.
    pub(super) const UNLIMITED: Self = Self([u32::MAX; 2]);
}

/// The number of stripes. Shards rarely meet in one of them.
pub(super) const STRIPES: usize = 64;

/// The most entries of a stripe without connections.
pub(super) const MAX_UNUSED: usize = 1024;

/// The table.
#[derive(Debug)]
pub(super) struct Table {
    hasher: RandomState,
    // A lock, because connections of one address come to all shards. It is held for one lookup, or for one sweep.
    stripes: Box<[Mutex<Stripe>]>,
}

#[derive(Debug, Default)]
struct Stripe {
    entries: HashMap<Key, Entry>,
    /// The number of entries at which unused ones are removed.
    sweep_at: usize,
}

impl Table {
    pub(super) fn new() -> Self {
        let mut stripes = Vec::new();
        stripes.resize_with(STRIPES, || {
            Mutex::new(Stripe {
                entries: HashMap::new(),
                sweep_at: MAX_UNUSED,
            })
        });
        Self {
            hasher: RandomState::new(),
            stripes: stripes.into(),
        }
    }

    /// The key of a name. Names with the same key are not expected: it is a hash of 64 bits with a secret.
    pub(super) fn key_of(&self, name: &str) -> Key {
        let hash = self.hasher.hash_one(name);
        Key([(hash >> 32) as u32, hash as u32])
    }

    /// Calls `f` with the entry of `key`, which is made if there is none. `rate` is that of the entries' budgets.
    pub(super) fn with<T>(
        &self,
        key: Key,
        rate: Rate,
        now: CoarseInstant,
        f: impl FnOnce(&mut Entry) -> T,
    ) -> T {
        let mut stripe = self.stripe(key).lock();
        if stripe.entries.len() >= stripe.sweep_at && !stripe.entries.contains_key(&key) {
            stripe.sweep(rate, now);
        }
        let entry = stripe.entries.entry(key);
        f(entry.or_insert_with(|| Entry::new(rate, now)))
    }

    /// Calls `f` with the entry of `key`, if there is one.
    pub(super) fn update(&self, key: Key, f: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.stripe(key).lock().entries.get_mut(&key) {
            f(entry);
        }
    }

    /// Removes entries of one stripe that say no more than a new one.
    pub(super) fn sweep(&self, stripe: usize, rate: Rate, now: CoarseInstant) {
        self.stripes[stripe % STRIPES].lock().sweep(rate, now);
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        let len = |stripe: &Mutex<Stripe>| stripe.lock().entries.len();
        self.stripes.iter().map(len).sum()
    }

    fn stripe(&self, key: Key) -> &Mutex<Stripe> {
        &self.stripes[self.hasher.hash_one(key) as usize % STRIPES]
    }
}

impl Stripe {
    fn sweep(&mut self, rate: Rate, now: CoarseInstant) {
        let mut unused = 0;
        self.entries.retain(|_, entry| {
            let stays = entry.is_used() || !entry.budget.is_full(rate, now);
            unused += usize::from(stays && !entry.is_used());
            stays
        });
        // At least half of the places become free, so that a sweep pays for as many new entries.
        if unused > MAX_UNUSED / 2 {
            self.entries.retain(|_, entry| {
                let stays = entry.is_used() || entry.budget.is_overdrawn(rate, now);
                unused -= usize::from(!stays);
                stays
            });
        }
        if unused > MAX_UNUSED / 2 {
            self.entries.retain(|_, entry| entry.is_used());
            unused = 0;
        }
        self.sweep_at = self.entries.len() - unused + MAX_UNUSED;
        if self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }
}
