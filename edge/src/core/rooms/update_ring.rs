//! The last updates of a lane, for clients that join late or return.

use std::collections::VecDeque;

use grandstand_common::data::Data;

/// An update of a lane.
#[derive(Debug)]
pub(crate) struct Update {
    /// The version that it leads to.
    pub(crate) version: u64,
    pub(crate) data: Data,
}

/// A lane's latest updates: all after one version. Updates that conflation has left out are not needed from any version
/// before the next update that is kept.
#[derive(Debug, Default)]
pub(crate) struct UpdateRing {
    updates: VecDeque<Update>,
    bytes: usize,
    /// The version before the first update.
    from: u64,
}

impl UpdateRing {
    /// Drops all updates. The next one follows `version`.
    pub(crate) fn restart(&mut self, version: u64) {
        self.updates.clear();
        self.bytes = 0;
        self.from = version;
    }

    /// Adds an update.
    pub(crate) fn push(&mut self, version: u64, data: Data) {
        self.bytes += data.len();
        self.updates.push_back(Update { version, data });
    }

    /// Drops the oldest updates until at most `cap` bytes are left. Keeps the updates after version `base`.
    pub(crate) fn trim(&mut self, cap: usize, base: u64) {
        while self.bytes > cap
            && self
                .updates
                .front()
                .is_some_and(|update| update.version <= base)
        {
            if let Some(dropped) = self.updates.pop_front() {
                self.bytes -= dropped.data.len();
                self.from = dropped.version;
            }
        }
    }

    /// The updates after version `since`; `None` if some were dropped.
    pub(crate) fn since(&self, since: u64) -> Option<impl Iterator<Item = &Update>> {
        (since >= self.from).then(|| {
            self.updates
                .iter()
                .filter(move |update| update.version > since)
        })
    }
}
