//! What those need who come late or return.

use bytes::Bytes;
use grandstand_common::envelope::{Encoding, ServerMessage};
use grandstand_common::id::RoomId;

use super::Lane;
use crate::codec::{Deflater, WireFormat, put_formed, put_message};

impl Lane {
    /// All that a client needs who has version `since` of `epoch`, if the ring holds it; `None` if it does not.
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
        self.changes(room, since, |update| {
            put_message(&mut out, encoding, update)
        })?;
        Some(out.into())
    }

    /// The snapshot and the updates since: all that a client needs who knows nothing, made once for all who need it in this
    /// form. `None` if there is no snapshot yet.
    pub(crate) fn catch_up(
        &mut self,
        room: &RoomId,
        form: WireFormat,
        deflater: &mut Deflater,
    ) -> Option<Bytes> {
        if let Some(frames) = &self.catch_up[form.index()] {
            return Some(frames.clone());
        }
        let (version, data) = self.snapshot.as_ref()?;
        let mut out = Vec::new();
        let snapshot = ServerMessage::Snapshot {
            room,
            epoch: &self.epoch,
            version: *version,
            data,
        };
        put_formed(&mut out, form, &snapshot, deflater);
        self.changes(room, *version, |update| {
            put_formed(&mut out, form, update, deflater);
        })?;
        let frames = Bytes::from(out);
        self.catch_up[form.index()] = Some(frames.clone());
        Some(frames)
    }

    /// Hands what leads from `since` to the lane's version to `put`; `None` if the ring does not hold it any more.
    fn changes(
        &self,
        room: &RoomId,
        since: u64,
        mut put: impl FnMut(&ServerMessage<'_>),
    ) -> Option<()> {
        let mut prev = since;
        for change in self.ring.since(since)? {
            put(&ServerMessage::Update {
                room,
                version: change.version,
                prev,
                data: &change.data,
            });
            prev = change.version;
        }
        Some(())
    }
}
