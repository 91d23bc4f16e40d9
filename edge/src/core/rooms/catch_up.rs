//! The frames for clients that join late or return.

use bytes::Bytes;
use grandstand_common::data::Data;
use grandstand_common::envelope::{Encoding, ServerMessage};
use grandstand_common::id::RoomId;

use super::event::LaneView;
use super::frame_log::FORMATS;
use super::update_ring::UpdateRing;
use crate::codec::{Encoder, WireFormat, put_message};

/// A lane's snapshot and the updates since, for clients that join late or return.
#[derive(Debug, Default)]
pub(crate) struct CatchUp {
    epoch: String,
    snapshot: Option<(u64, LaneView)>,
    version: u64,
    ring: UpdateRing,
    /// The encoded snapshot and updates per format, made on demand and shared by all clients.
    frames: [Option<Bytes>; FORMATS],
}

impl CatchUp {
    /// Drops everything, and begins with this epoch.
    pub(crate) fn reset(&mut self, epoch: String) {
        *self = Self {
            epoch,
            ..Self::default()
        };
    }

    /// The epoch as clients see it.
    pub(crate) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The latest snapshot.
    pub(crate) fn snapshot(&self) -> Option<&LaneView> {
        self.snapshot.as_ref().map(|(_, view)| view)
    }

    /// The version of the latest snapshot.
    pub(crate) fn base(&self) -> Option<u64> {
        self.snapshot.as_ref().map(|(version, _)| *version)
    }

    /// The last version; `None` without a snapshot.
    pub(crate) fn version(&self) -> Option<u64> {
        self.snapshot.as_ref().map(|_| self.version)
    }

    /// Drops all updates. The next snapshot has this version.
    pub(crate) fn restart(&mut self, version: u64) {
        self.ring.restart(version);
        self.version = version;
    }

    /// Replaces the snapshot, unless it is newer. Keeps about `ring_bytes` of updates, and all updates since the snapshot.
    pub(crate) fn rebase(&mut self, version: u64, view: LaneView, ring_bytes: usize) {
        if self.base().is_some_and(|base| version < base) {
            return;
        }
        self.snapshot = Some((version, view));
        self.frames = [const { None }; FORMATS];
        self.ring.trim(ring_bytes, version);
    }

    /// Adds an update that leads to `version`.
    pub(crate) fn advance(&mut self, version: u64, data: Data, ring_bytes: usize) {
        self.version = version;
        self.ring.push(version, data);
        self.frames = [const { None }; FORMATS];
        self.ring.trim(ring_bytes, self.base().unwrap_or(0));
    }

    /// The updates after version `since` of `epoch`; `None` if the ring does not hold them all.
    pub(crate) fn missed(
        &self,
        room: &RoomId,
        encoding: Encoding,
        since: u64,
        epoch: &str,
    ) -> Option<Bytes> {
        let own = self.version()?;
        if epoch != self.epoch || since > own {
            return None;
        }
        let mut out = Vec::new();
        self.updates(room, since, |update| {
            put_message(&mut out, encoding, update)
        })?;
        Some(out.into())
    }

    /// The snapshot and the updates since, encoded once for all clients of this format. `None` if there is no snapshot
    /// yet.
    pub(crate) fn frames(
        &mut self,
        room: &RoomId,
        format: WireFormat,
        encoder: &mut Encoder,
    ) -> Option<Bytes> {
        if let Some(frames) = &self.frames[format.index()] {
            return Some(frames.clone());
        }
        let (version, view) = self.snapshot.as_ref()?;
        let mut out = Vec::new();
        let snapshot = ServerMessage::Snapshot {
            room,
            epoch: &self.epoch,
            version: *version,
            is_patched: view.is_patched,
            data: &view.data,
        };
        encoder.put(&mut out, format, &snapshot);
        self.updates(room, *version, |update| {
            encoder.put(&mut out, format, update);
        })?;
        let frames = Bytes::from(out);
        self.frames[format.index()] = Some(frames.clone());
        Some(frames)
    }

    /// Calls `put` with each update after version `since`; `None` if the ring does not hold them all.
    fn updates(
        &self,
        room: &RoomId,
        since: u64,
        mut put: impl FnMut(&ServerMessage<'_>),
    ) -> Option<()> {
        let mut prev = since;
        for update in self.ring.since(since)? {
            put(&ServerMessage::Update {
                room,
                version: update.version,
                prev,
                data: &update.data,
            });
            prev = update.version;
        }
        Some(())
    }
}
