//! The times at which keys are due.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// At most one deadline for each key, by the clock whose times are of the type `T`.
#[derive(Debug, Clone)]
pub(crate) struct Deadlines<K, T = Instant> {
    by_key: BTreeMap<K, T>,
    by_time: BTreeSet<(T, K)>,
}

impl<K, T> Default for Deadlines<K, T> {
    fn default() -> Self {
        Self {
            by_key: BTreeMap::new(),
            by_time: BTreeSet::new(),
        }
    }
}

impl<K: Clone + Ord, T: Copy + Ord> Deadlines<K, T> {
    /// Sets, moves or (`None`) clears a key's deadline.
    pub(crate) fn set(&mut self, key: &K, at: Option<T>) {
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

    /// Moves a key's deadline to an earlier time, or sets it.
    pub(crate) fn set_earlier(&mut self, key: &K, at: T) {
        if self.by_key.get(key).is_none_or(|before| at < *before) {
            self.set(key, Some(at));
        }
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<T> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Removes and returns the first key whose deadline has passed.
    pub(crate) fn pop_due(&mut self, now: T) -> Option<K> {
        let is_due = self.next().is_some_and(|at| at <= now);
        let (_, key) = is_due.then(|| self.by_time.pop_first())??;
        self.by_key.remove(&key);
        Some(key)
    }

    /// Removes and returns the keys whose deadlines have passed.
    pub(crate) fn take_due(&mut self, now: T) -> Vec<K> {
        let due = self.take_due_at(now).into_iter();
        due.map(|(key, _)| key).collect()
    }

    /// Takes what is due like [`take_due`](Self::take_due), with the deadlines.
    pub(crate) fn take_due_at(&mut self, now: T) -> Vec<(K, T)> {
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
