//! The last changes of a lane, for those who come late or return.

use std::collections::VecDeque;

use grandstand_common::data::Data;

/// A change that the lane was shown.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) data: Data,
}

/// All changes behind one version. Where some were left out because later ones suffice (conflation), what is here
/// suffices from any version in between.
#[derive(Debug, Default)]
pub(crate) struct UpdateRing {
    changes: VecDeque<Change>,
    bytes: usize,
    /// The version that the first change goes on from.
    from: u64,
}

impl UpdateRing {
    /// Begins anew: `version` is known some other way.
    pub(crate) fn restart(&mut self, version: u64) {
        self.changes.clear();
        self.bytes = 0;
        self.from = version;
    }

    pub(crate) fn push(&mut self, version: u64, data: Data) {
        self.bytes += data.len();
        self.changes.push_back(Change { version, data });
    }

    /// Drops the oldest until `cap` bytes are left, but none behind `base`, which is still needed.
    pub(crate) fn trim(&mut self, cap: usize, base: u64) {
        while self.bytes > cap && self.changes.front().is_some_and(|c| c.version <= base) {
            if let Some(gone) = self.changes.pop_front() {
                self.bytes -= gone.data.len();
                self.from = gone.version;
            }
        }
    }

    /// The changes behind `since`; `None` if some of them are gone.
    pub(crate) fn since(&self, since: u64) -> Option<impl Iterator<Item = &Change>> {
        (since >= self.from).then(|| self.changes.iter().filter(move |c| c.version > since))
    }
}
