//! The buckets of the embedded bus.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::bus::key_filter::KeyFilter;
use crate::bus::types::KvEntry;

/// The most keys that a reader looks at before others get the lock.
const LOOKED_AT: usize = 4096;

/// A bucket: keys with one value each. A counter numbers its writes.
#[derive(Debug)]
pub(super) struct Kv {
    /// The last assigned revision.
    pub(super) last: u64,
    /// The last revision that is stored and therefore visible.
    pub(super) visible: u64,
    records: HashMap<Arc<str>, KeyRecord>,
    by_revision: BTreeMap<u64, Arc<str>>,
    /// The expiry times of markers and values: (Unix ms, revision).
    expiries: BTreeSet<(u64, u64)>,
    /// Invisible revisions, with the key and the revision that each replaces.
    replacing: BTreeMap<u64, (Arc<str>, u64)>,
    /// Signalled when revisions become visible.
    pub(super) wake: watch::Sender<()>,
}

/// A key's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyRecord {
    pub(super) revision: u64,
    pub(super) time_ms: u64,
    pub(super) value: Value,
    /// The expiry time (Unix ms); 0 for never.
    pub(super) expires_ms: u64,
    /// The checksum of its record in the folder; 0 before it is there.
    pub(super) checksum: u64,
}

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// The value itself.
    InMemory(Bytes),
    /// The folder has the value.
    OnDisk,
    /// The marker of a deletion.
    Marker,
}

impl Default for Kv {
    fn default() -> Self {
        Self {
            last: 0,
            visible: 0,
            records: HashMap::new(),
            by_revision: BTreeMap::new(),
            expiries: BTreeSet::new(),
            replacing: BTreeMap::new(),
            wake: watch::Sender::new(()),
        }
    }
}

impl Kv {
    /// A key's revision; 0 if it has none.
    pub(super) fn revision(&self, key: &str) -> u64 {
        self.records.get(key).map_or(0, |record| record.revision)
    }

    /// Writes a key and returns its revision. `times` are that of the write and that of the expiry, or 0.
    pub(super) fn write(&mut self, key: &str, times: (u64, u64), value: Value) -> u64 {
        self.last += 1;
        let revision = self.last;
        let key: Arc<str> = key.into();
        let replaced = self.revision(&key);
        if replaced > 0 {
            self.replacing.insert(revision, (key.clone(), replaced));
        }
        let record = KeyRecord {
            revision,
            time_ms: times.0,
            value,
            expires_ms: times.1,
            checksum: 0,
        };
        self.insert(key, record);
        revision
    }

    /// Replaces a key's record.
    pub(super) fn insert(&mut self, key: Arc<str>, record: KeyRecord) {
        self.forget(&key);
        if record.expires_ms > 0 {
            self.expiries.insert((record.expires_ms, record.revision));
        }
        self.by_revision.insert(record.revision, key.clone());
        self.records.insert(key, record);
    }

    fn forget(&mut self, key: &str) -> Option<KeyRecord> {
        let record = self.records.remove(key)?;
        self.by_revision.remove(&record.revision);
        self.expiries.remove(&(record.expires_ms, record.revision));
        Some(record)
    }

    /// Drops expired markers and values and returns them with their keys.
    pub(super) fn expire(&mut self, now_ms: u64) -> Vec<(Arc<str>, KeyRecord)> {
        let mut gone = Vec::new();
        while let Some(&(until, revision)) = self.expiries.first()
            && until <= now_ms
        {
            self.expiries.pop_first();
            if let Some(key) = self.by_revision.get(&revision).cloned() {
                let record = self.forget(&key);
                gone.extend(record.map(|record| (key, record)));
            }
        }
        gone
    }

    /// The first visible revision whose record is still there, or the next one.
    pub(super) fn first(&self) -> u64 {
        let next = self.visible + 1;
        self.by_revision
            .keys()
            .next()
            .map_or(next, |first| next.min(*first))
    }

    /// Drops the record that has this revision, if there is one.
    pub(super) fn drop_revision(&mut self, revision: u64) {
        if let Some(key) = self.by_revision.get(&revision).cloned() {
            self.forget(&key);
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&KeyRecord> {
        self.records.get(key)
    }

    /// Makes all revisions up to `revision` visible.
    pub(super) fn set_visible(&mut self, revision: u64) {
        self.visible = self.visible.max(revision);
        self.replacing = self.replacing.split_off(&(self.visible + 1));
    }

    /// The revision that must become visible before a reader at `from` sees all keys of `filter`, because keys that
    /// it has not read are being replaced; 0 if there are none.
    pub(super) fn hidden(&self, filter: &KeyFilter, from: u64) -> u64 {
        let replacing = self.replacing.iter().rev();
        let mut hidden =
            replacing.filter(|(_, (key, replaced))| *replaced >= from && filter.matches(key));
        hidden.next().map_or(0, |(revision, _)| *revision)
    }

    /// Notes that the folder has a record, and drops its value from memory.
    pub(super) fn release(&mut self, key: &str, stored: &KeyRecord) {
        if let Some(record) = self.records.get_mut(key)
            && record.revision == stored.revision
        {
            record.checksum = stored.checksum;
            if matches!(record.value, Value::InMemory(_)) {
                record.value = Value::OnDisk;
            }
        }
    }

    /// Returns at most `limit` visible keys of `filter` from revision `from` on, in order, and the revision to continue
    /// from; `None` if there are no more now. It looks at a limited number of keys, because others wait for the lock.
    pub(super) fn find(
        &self,
        filter: &KeyFilter,
        from: u64,
        limit: usize,
    ) -> (Vec<(Arc<str>, KeyRecord)>, Option<u64>) {
        let mut found = Vec::new();
        if from > self.visible {
            return (found, None);
        }
        let keys = self.by_revision.range(from..=self.visible);
        for (looked_at, (&revision, key)) in keys.enumerate() {
            if looked_at == LOOKED_AT {
                return (found, Some(revision));
            }
            if !filter.matches(key) {
                continue;
            }
            if found.len() == limit {
                return (found, Some(revision));
            }
            if let Some(record) = self.records.get(key) {
                found.push((key.clone(), record.clone()));
            }
        }
        (found, None)
    }
}

impl KeyRecord {
    /// The entry for a reader; `on_disk` is the folder's value.
    pub(super) fn entry(&self, key: &str, on_disk: Option<Bytes>) -> KvEntry {
        KvEntry {
            key: key.to_owned(),
            value: match &self.value {
                Value::InMemory(value) => Some(value.clone()),
                Value::OnDisk => on_disk,
                Value::Marker => None,
            },
            revision: self.revision,
            time_ms: self.time_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(prefix: &str) -> KeyFilter {
        KeyFilter::new(&[prefix]).unwrap()
    }

    fn put(kv: &mut Kv, key: &str) -> u64 {
        kv.write(key, (0, 0), Value::InMemory(Bytes::new()))
    }

    #[test]
    fn an_unconfirmed_replacement_hides_the_key_only_from_readers_before_it() {
        let mut kv = Kv::default();
        put(&mut kv, "0.a");
        put(&mut kv, "0.b");
        kv.set_visible(2);
        assert_eq!(put(&mut kv, "0.a"), 3);
        let (found, next) = kv.find(&under("0."), 1, 10);
        assert_eq!((found.len(), next), (1, None), "only b can be seen");
        assert_eq!(kv.hidden(&under("0."), 1), 3);
        assert_eq!(kv.hidden(&under("1."), 1), 0);
        assert_eq!(kv.hidden(&under("0."), 2), 0, "revision 1 was read");
        kv.set_visible(3);
        assert_eq!(kv.hidden(&under("0."), 1), 0);
        assert_eq!(kv.find(&under("0."), 1, 10).0.len(), 2);
    }

    #[test]
    fn a_scan_is_limited_and_continues_where_it_ended() {
        let mut kv = Kv::default();
        for i in 0..5 {
            put(&mut kv, &format!("0.{i}"));
            put(&mut kv, &format!("1.{i}"));
        }
        kv.set_visible(10);
        let (found, next) = kv.find(&under("1."), 1, 3);
        assert_eq!((found.len(), next), (3, Some(8)));
        let (found, next) = kv.find(&under("1."), 8, 3);
        assert_eq!((found.len(), next), (2, None));
    }
}
