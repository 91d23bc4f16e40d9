//! The buckets of the embedded bus.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::bus::KvEntry;

/// A bucket: keys with one value each, numbered by the writes.
#[derive(Debug)]
pub(super) struct Kv {
    /// The last revision that was given out.
    pub(super) last: u64,
    /// The last that is stored for good, and so may be seen.
    pub(super) visible: u64,
    slots: HashMap<Arc<str>, Slot>,
    by_revision: BTreeMap<u64, Arc<str>>,
    /// When markers expire: (Unix ms, revision).
    expiries: BTreeSet<(u64, u64)>,
    /// Told when something becomes visible.
    pub(super) wake: watch::Sender<()>,
}

/// A key's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) revision: u64,
    pub(super) time_ms: u64,
    pub(super) value: Value,
}

/// What a key has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// This.
    Here(Bytes),
    /// What the folder has under it.
    OnDisk,
    /// The marker of a deletion, until then (Unix ms).
    Marker(u64),
}

impl Default for Kv {
    fn default() -> Self {
        Self {
            last: 0,
            visible: 0,
            slots: HashMap::new(),
            by_revision: BTreeMap::new(),
            expiries: BTreeSet::new(),
            wake: watch::Sender::new(()),
        }
    }
}

impl Kv {
    /// A key's revision; 0 if it has none.
    pub(super) fn revision(&self, key: &str) -> u64 {
        self.slots.get(key).map_or(0, |slot| slot.revision)
    }

    /// Writes a key; gives its revision.
    pub(super) fn write(&mut self, key: &str, time_ms: u64, value: Value) -> u64 {
        self.last += 1;
        let revision = self.last;
        self.insert(
            key.into(),
            Slot {
                revision,
                time_ms,
                value,
            },
        );
        revision
    }

    /// Puts a key's state in place of the one before.
    pub(super) fn insert(&mut self, key: Arc<str>, slot: Slot) {
        self.forget(&key);
        if let Value::Marker(until) = slot.value {
            self.expiries.insert((until, slot.revision));
        }
        self.by_revision.insert(slot.revision, key.clone());
        self.slots.insert(key, slot);
    }

    fn forget(&mut self, key: &str) {
        if let Some(slot) = self.slots.remove(key) {
            self.by_revision.remove(&slot.revision);
            if let Value::Marker(until) = slot.value {
                self.expiries.remove(&(until, slot.revision));
            }
        }
    }

    /// Drops the markers that have expired; gives their keys.
    pub(super) fn expire(&mut self, now_ms: u64) -> Vec<Arc<str>> {
        let mut gone = Vec::new();
        while let Some(&(until, revision)) = self.expiries.first()
            && until <= now_ms
        {
            self.expiries.pop_first();
            if let Some(key) = self.by_revision.get(&revision).cloned() {
                self.forget(&key);
                gone.push(key);
            }
        }
        gone
    }

    pub(super) fn get(&self, key: &str) -> Option<&Slot> {
        self.slots.get(key)
    }

    /// All up to `revision` is stored for good.
    pub(super) fn set_visible(&mut self, revision: u64) {
        self.visible = self.visible.max(revision);
    }

    /// The folder has this revision of a key: memory need not.
    pub(super) fn release(&mut self, key: &str, revision: u64) {
        if let Some(slot) = self.slots.get_mut(key)
            && slot.revision == revision
            && matches!(slot.value, Value::Here(_))
        {
            slot.value = Value::OnDisk;
        }
    }

    /// At most `limit` visible keys with `prefix` whose revision is at least `from`, in order, and the revision to go on
    /// from (`None` if there is no more now).
    pub(super) fn find(
        &self,
        prefix: &str,
        from: u64,
        limit: usize,
    ) -> (Vec<(Arc<str>, Slot)>, Option<u64>) {
        let mut found = Vec::new();
        if from > self.visible {
            return (found, None);
        }
        for (&revision, key) in self.by_revision.range(from..=self.visible) {
            if !key.starts_with(prefix) {
                continue;
            }
            if found.len() == limit {
                return (found, Some(revision));
            }
            if let Some(slot) = self.slots.get(key) {
                found.push((key.clone(), slot.clone()));
            }
        }
        (found, None)
    }
}

impl Slot {
    /// What a reader is given; `on_disk` is what the folder has.
    pub(super) fn entry(&self, key: &str, on_disk: Option<Bytes>) -> KvEntry {
        KvEntry {
            key: key.to_owned(),
            value: match &self.value {
                Value::Here(value) => Some(value.clone()),
                Value::OnDisk => on_disk,
                Value::Marker(_) => None,
            },
            revision: self.revision,
            time_ms: self.time_ms,
        }
    }
}
