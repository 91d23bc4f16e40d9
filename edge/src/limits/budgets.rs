//! The budgets of bytes by name, in stripes with a lock each. A lock is taken when a session begins, never for a message.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use parking_lot::Mutex;

use crate::limits::byte_budget::ByteBudget;
use crate::limits::table::STRIPES;

/// Budgets by name. There is one for each name that some session uses, and for those whose senders have left in debt:
/// at most the burst and one message long.
#[derive(Debug)]
pub(super) struct Budgets {
    hasher: RandomState,
    start: Instant,
    // A lock, because sessions of one player or room are at all shards. Budgets are found by a hash of their name with a
    // secret, 64 bits.
    stripes: Box<[Mutex<HashMap<u64, ByteBudget>>]>,
}

impl Budgets {
    /// No budgets. Their clock starts at `now`.
    pub(super) fn new(now: Instant) -> Self {
        let mut stripes = Vec::new();
        stripes.resize_with(STRIPES, Mutex::default);
        Self {
            hasher: RandomState::new(),
            start: now,
            stripes: stripes.into(),
        }
    }

    /// The budget of a name.
    pub(super) fn of(&self, name: &str) -> ByteBudget {
        let key = self.hasher.hash_one(name);
        let mut stripe = self.stripes[key as usize % STRIPES].lock();
        let budget = stripe.entry(key);
        let budget = budget.or_insert_with(|| ByteBudget::new(self.start));
        budget.clone()
    }

    /// Removes the budgets of one stripe that say no more than new ones.
    pub(super) fn sweep(&self, stripe: usize, now: Instant) {
        let mut stripe = self.stripes[stripe % STRIPES].lock();
        stripe.retain(|_, budget| !budget.is_unused(now));
        if stripe.len() < stripe.capacity() / 4 {
            let len = stripe.len();
            stripe.shrink_to(len * 2);
        }
    }

    /// The number of budgets.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.stripes.iter().map(|stripe| stripe.lock().len()).sum()
    }
}
