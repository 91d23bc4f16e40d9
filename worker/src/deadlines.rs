//! The times at which keys are due.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// At most one deadline for each key.
#[derive(Debug, Clone)]
pub(crate) struct Deadlines<K> {
    by_key: BTreeMap<K, Instant>,
    by_time: BTreeSet<(Instant, K)>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self {
            by_key: BTreeMap::new(),
            by_time: BTreeSet::new(),
        }
    }
}

impl<K: Clone + Ord> Deadlines<K> {
    /// Sets, moves or (`None`) clears a key's deadline.
    pub(crate) fn set(&mut self, key: &K, at: Option<Instant>) {
        let before = self.by_key.get(key).copied();
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, key.clone()));
            self.by_key.remove(key);
        }
        if let Some(at) = at {
            self.by_key.insert(key.clone(), at);
            self.by_time.insert((at, key.clone()));
        }
    }

    /// A key's deadline.
    pub(crate) fn get(&self, key: &K) -> Option<Instant> {
        self.by_key.get(key).copied()
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// The keys whose deadlines have passed; they have none any more.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<K> {
        let due = self.take_due_at(now).into_iter();
        due.map(|(key, _)| key).collect()
    }

    /// The same, with the deadlines.
    pub(crate) fn take_due_at(&mut self, now: Instant) -> Vec<(K, Instant)> {
        let mut due = Vec::new();
        while let Some((at, _)) = self.by_time.first() {
            if *at > now {
                break;
            }
            let Some((at, key)) = self.by_time.pop_first() else {
                break;
            };
            self.by_key.remove(&key);
            due.push((key, at));
        }
        due
    }
}
