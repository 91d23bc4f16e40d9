//! One audience of a room: what it is shown, who is in it, and what waits to be sent to all of them.
//!
//! Everything for the whole lane is encoded once per encoding and gathered in a [`Batch`]; a flush writes that batch to
//! one member after the other, in slices. A member carries the position up to which it has been served (D21), so that
//! who joined in the middle of it all gets each frame exactly once.

use std::sync::Arc;

use bytes::Bytes;
use grandstand_common::data::Data;
use grandstand_common::envelope::{Encoding, ServerMessage};
use grandstand_common::id::{Epoch, Instance, Lane as LaneId, RoomId, client_epoch};

use grandstand_common::wire::Presence;

use super::batch::{Batch, Gathering, Mark, Member};
use super::flush::presence_message;
use crate::frames::put_message;
use crate::sink::ConnKey;

use ring::Ring;

mod ring;
#[cfg(test)]
mod tests;

/// What became of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is on its way to the members.
    New,
    /// The lane had it.
    Old,
    /// One before it is missing, or there is no snapshot to apply it to: ask the owner.
    Gap,
}

/// An audience's state on this edge.
#[derive(Debug)]
pub struct Lane {
    id: LaneId,
    epoch: String,
    instance: Instance,
    base: Option<(u64, Data)>,
    version: u64,
    ring: Ring,
    presence: Option<Arc<Presence>>,
    position: u64,
    gathering: Gathering,
    flushing: Option<Batch>,
    cursor: usize,
    members: Vec<Member>,
    by_encoding: [usize; 2],
    catch_up: [Option<Bytes>; 2],
    encoded: u64,
    /// It stands in the queue of lanes to flush.
    pub(crate) queued: bool,
}

impl Lane {
    /// An empty lane.
    pub fn new(id: LaneId) -> Self {
        Self {
            id,
            epoch: String::new(),
            instance: Instance(0),
            base: None,
            version: 0,
            ring: Ring::default(),
            presence: None,
            position: 0,
            gathering: Gathering::default(),
            flushing: None,
            cursor: 0,
            members: Vec::new(),
            by_encoding: [0; 2],
            catch_up: [None, None],
            encoded: 0,
            queued: false,
        }
    }

    /// The last version, if the lane has a snapshot to apply it to.
    pub fn version(&self) -> Option<u64> {
        self.base.as_ref().map(|_| self.version)
    }

    /// Which lane it is.
    pub fn id(&self) -> LaneId {
        self.id
    }

    /// The members.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// A new owner or a new room of that name: nothing that was known holds any more (D15).
    pub fn reset(&mut self, epoch: Epoch, instance: Instance) {
        self.epoch = client_epoch(epoch, instance, self.id);
        self.instance = instance;
        self.base = None;
        self.version = 0;
        self.ring.restart(0);
        self.catch_up = [None, None];
    }

    /// Which room of that name it shows; 0 if none yet.
    pub fn instance(&self) -> Instance {
        self.instance
    }

    /// Who is in the room, as the members were last told.
    pub fn presence(&self) -> Option<&Presence> {
        self.presence.as_deref()
    }

    /// Tells the members who is in the room, but not before they see the room.
    pub fn set_presence(&mut self, room: &RoomId, presence: Option<Arc<Presence>>) {
        self.presence = presence;
        if self.base.is_some() {
            self.tell_presence(room);
        }
    }

    fn tell_presence(&mut self, room: &RoomId) {
        if let Some(presence) = self.presence.clone() {
            self.gather(&presence_message(room, &presence), None);
        }
    }

    /// Takes a snapshot. Members that lack what it shows get it; returns whether that was so.
    pub fn snapshot(&mut self, room: &RoomId, version: u64, data: Data, ring_bytes: usize) -> bool {
        let behind = self.version().is_none_or(|own| version > own);
        if !behind && version < self.version {
            return false;
        }
        let is_first = self.base.is_none();
        if behind {
            self.ring.restart(version);
            self.version = version;
        }
        self.rebase(version, data, ring_bytes);
        if behind {
            let (epoch, base) = (std::mem::take(&mut self.epoch), self.base.take());
            if let Some((_, data)) = &base {
                self.gather(
                    &ServerMessage::Snapshot {
                        room,
                        epoch: &epoch,
                        version,
                        data,
                    },
                    None,
                );
            }
            (self.epoch, self.base) = (epoch, base);
            if is_first {
                self.tell_presence(room);
            }
        }
        behind
    }

    /// Takes a snapshot that members need not get, since updates bring them there: for those who come late.
    pub fn rebase(&mut self, version: u64, data: Data, ring_bytes: usize) {
        self.base = Some((version, data));
        self.catch_up = [None, None];
        self.ring.trim(ring_bytes, version);
    }

    /// Takes an update to `version` from the version before it.
    pub fn update(&mut self, room: &RoomId, version: u64, data: &Data, ring_bytes: usize) -> Taken {
        let Some(own) = self.version() else {
            return Taken::Gap;
        };
        if version <= own {
            return Taken::Old;
        }
        if version != own + 1 {
            return Taken::Gap;
        }
        self.advance(room, version, data, ring_bytes);
        Taken::New
    }

    /// Takes an update that, with those before it that were left out, leads from the lane's version to `version`.
    pub fn advance(&mut self, room: &RoomId, version: u64, data: &Data, ring_bytes: usize) {
        let update = ServerMessage::Update {
            room,
            version,
            prev: self.version,
            data,
        };
        self.gather(&update, None);
        self.version = version;
        self.ring.push(version, data.clone());
        self.catch_up = [None, None];
        self.ring
            .trim(ring_bytes, self.base.as_ref().map_or(0, |b| b.0));
    }

    /// Gathers a message for all members but `except`.
    pub fn gather(&mut self, message: &ServerMessage<'_>, except: Option<ConnKey>) {
        self.position += 1;
        if self.members.is_empty() {
            return;
        }
        for encoding in Encoding::ALL {
            if self.by_encoding[encoding.index()] > 0 {
                self.encoded += 1;
                put_message(
                    &mut self.gathering.frames[encoding.index()],
                    encoding,
                    message,
                );
            }
        }
        let ends = [
            self.gathering.frames[0].len(),
            self.gathering.frames[1].len(),
        ];
        self.gathering.marks.push(Mark { ends, except });
    }

    /// Adds a member that has been served all there is; returns its slot.
    pub fn add(&mut self, conn: ConnKey, encoding: Encoding) -> u32 {
        // The first of its encoding would find the frames gathered so far missing, but needs none of them.
        self.by_encoding[encoding.index()] += 1;
        self.members.push(Member {
            conn,
            encoding,
            sent: self.position,
            stale: false,
        });
        self.members.len() as u32 - 1
    }

    /// Removes the member at `slot`. Returns who has moved to which slot for it, in order.
    pub fn remove(&mut self, slot: u32) -> Vec<(ConnKey, u32)> {
        let (mut slot, mut moved) = (slot as usize, Vec::with_capacity(2));
        self.by_encoding[self.members[slot].encoding.index()] -= 1;
        if slot < self.cursor {
            // The gap must not be filled by one whom the flush has not come to yet (D21).
            self.cursor -= 1;
            if slot != self.cursor {
                self.members.swap(slot, self.cursor);
                moved.push((self.members[slot].conn, slot as u32));
            }
            slot = self.cursor;
        }
        self.members.swap_remove(slot);
        if let Some(member) = self.members.get(slot) {
            moved.push((member.conn, slot as u32));
        }
        if self.members.is_empty() {
            self.gathering = Gathering::default();
            self.flushing = None;
            self.cursor = 0;
        }
        moved
    }

    /// Notes that the member at `slot` has been served all there is.
    pub fn served(&mut self, slot: u32) {
        let position = self.position;
        if let Some(member) = self.members.get_mut(slot as usize) {
            member.sent = position;
            member.stale = false;
        }
    }

    /// Notes that the member at `slot` could not keep up.
    pub fn mark_stale(&mut self, slot: u32) {
        if let Some(member) = self.members.get_mut(slot as usize) {
            member.stale = true;
        }
    }

    /// How many messages were encoded since the last call.
    pub fn take_encoded(&mut self) -> u64 {
        std::mem::take(&mut self.encoded)
    }

    /// Whether something waits to be flushed.
    pub fn is_dirty(&self) -> bool {
        self.flushing.is_some() || !self.gathering.marks.is_empty()
    }

    /// Hands the next up to `most` members of the running flush to `write`, with what each lacks; starts a flush if none
    /// runs. `write` returns whether the member kept up. Returns whether the lane is clean.
    pub fn flush(&mut self, most: usize, mut write: impl FnMut(ConnKey, Bytes) -> bool) -> bool {
        let batch = match self.flushing.take() {
            Some(batch) => batch,
            None if self.gathering.marks.is_empty() => return true,
            None => self.gathering.seal(self.position),
        };
        let end = self.members.len().min(self.cursor + most);
        for member in &mut self.members[self.cursor..end] {
            if !member.stale {
                let rest = batch.rest_for(member);
                if !rest.is_empty() && !write(member.conn, rest) {
                    member.stale = true;
                }
            }
            member.sent = member.sent.max(batch.to());
        }
        self.cursor = end;
        if self.cursor < self.members.len() {
            self.flushing = Some(batch);
            return false;
        }
        self.cursor = 0;
        self.gathering.marks.is_empty()
    }

    /// All that a client needs who has version `since` of `epoch`, if the ring holds it; `None` if it does not.
    pub fn missed(
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
        self.put_changes(&mut out, room, encoding, since)?;
        Some(out.into())
    }

    /// The snapshot and the updates since: all that a client needs who knows nothing. `None` if there is no snapshot yet.
    pub fn catch_up(&mut self, room: &RoomId, encoding: Encoding) -> Option<Bytes> {
        if let Some(frames) = &self.catch_up[encoding.index()] {
            return Some(frames.clone());
        }
        let (version, data) = self.base.as_ref()?;
        let mut out = Vec::new();
        let snapshot = ServerMessage::Snapshot {
            room,
            epoch: &self.epoch,
            version: *version,
            data,
        };
        put_message(&mut out, encoding, &snapshot);
        self.put_changes(&mut out, room, encoding, *version)?;
        let frames = Bytes::from(out);
        self.catch_up[encoding.index()] = Some(frames.clone());
        Some(frames)
    }

    /// What leads from `since` to the lane's version; `None` if the ring does not hold it any more.
    fn put_changes(
        &self,
        out: &mut Vec<u8>,
        room: &RoomId,
        encoding: Encoding,
        since: u64,
    ) -> Option<()> {
        let mut prev = since;
        for change in self.ring.since(since)? {
            let update = ServerMessage::Update {
                room,
                version: change.version,
                prev,
                data: &change.data,
            };
            put_message(out, encoding, &update);
            prev = change.version;
        }
        Some(())
    }
}
