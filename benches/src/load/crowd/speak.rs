//! The protocol of an edge.

use grandstand_common::data::Data;
use grandstand_common::envelope::{ClientKind, ClientMessage, Join, Role, encode_client};

use super::super::frame;
use super::super::job::LoadRole;
use super::super::message::{Message, Reader};
use super::state::Crowd;

impl Crowd {
    pub(super) fn put_joins(&mut self, client: usize, now_ns: u64, out: &mut Vec<u8>) {
        let role = match self.job.role {
            LoadRole::Player => Role::Player,
            LoadRole::Spectator => Role::Spectator,
            LoadRole::Idle => return self.enter(client, now_ns),
        };
        let first = self.first_room(client);
        for room in first..first + self.job.rooms.per_connection {
            self.put(out, |reader| {
                let join = Join {
                    room: reader.room(room)?,
                    since: None,
                    epoch: None,
                    role: Some(role),
                    params: self.params(role),
                    client: None,
                    attempt: 0,
                    datagrams: false,
                    token: None,
                };
                Some(ClientKind::Join(join))
            });
        }
    }

    /// The params of a room that a player creates.
    fn params(&self, role: Role) -> Option<bytes::Bytes> {
        let idle_ms = self.job.idle_ms;
        let is_wanted = role == Role::Player && idle_ms > 0;
        is_wanted.then(|| format!(r#"{{"idle_ms":{idle_ms}}}"#).into())
    }

    pub(super) fn put_input(&mut self, client: usize, room: usize, due_ns: u64, out: &mut Vec<u8>) {
        if self.reader.is_none() {
            return self.put_publish(due_ns, out);
        }
        if self.job.controls {
            let data = direction(due_ns);
            return self.put(out, |reader| {
                let room = reader.room(room as u32)?;
                Some(ClientKind::Live { room, data })
            });
        }
        let slot = self.slot_of(client, room as u32);
        let seq = self.slots[slot].send(due_ns);
        if self.job.role == LoadRole::Idle {
            return self.put(out, |_| Some(ClientKind::Ping));
        }
        let data = self.data(due_ns);
        self.put(out, |reader| {
            let room = reader.room(room as u32)?;
            Some(ClientKind::Input { room, seq, data })
        });
    }

    /// Appends a frame with a client's message to an edge. Appends nothing if an edge does not accept the names of the
    /// job's rooms.
    fn put(&self, out: &mut Vec<u8>, kind: impl FnOnce(&Reader) -> Option<ClientKind>) {
        let said = self.reader.as_ref().and_then(|reader| {
            let message = ClientMessage {
                id: None,
                kind: kind(reader)?,
            };
            let mut payload = Vec::new();
            encode_client(reader.encoding(), &message, &mut payload);
            Some(payload)
        });
        if let Some(payload) = said {
            frame::put(self.opcode(), &payload, out);
        }
    }

    pub(super) fn handle_message(
        &mut self,
        client: usize,
        payload: &[u8],
        now_ns: u64,
        out: &mut Vec<u8>,
    ) {
        let Some(reader) = &self.reader else {
            return self.handle_peer(client, payload, now_ns, out);
        };
        match reader.read(payload) {
            Message::Update {
                room,
                version,
                prev,
                due_ns,
            } => {
                let Some(slot) = self.slot(client, room) else {
                    return;
                };
                self.tally.gaps += u64::from(!self.slots[slot].update(prev, version));
                if let Some(due_ns) = due_ns {
                    self.count(due_ns, now_ns);
                    if self.is_first(client) {
                        self.tracks[room as usize].update(now_ns);
                    }
                }
            }
            Message::Frame { room, tick } => {
                let slot = self.slot(client, room);
                if let Some(jitter_ns) = slot.and_then(|at| self.slots[at].frame(tick, now_ns)) {
                    self.count(now_ns.saturating_sub(jitter_ns), now_ns);
                }
            }
            Message::Ack { room, seq } => self.handle_ack(client, room, seq, now_ns),
            Message::Snapshot {
                room,
                epoch,
                version,
            } => self.handle_snapshot(client, room, (&epoch, version), now_ns),
            Message::Joined { room, last_seq } => {
                self.tally.joined += 1;
                if let Some(slot) = self.slot(client, room) {
                    self.slots[slot].joined(last_seq);
                    if self.job.waits {
                        self.show(client, slot, now_ns);
                    }
                }
            }
            Message::Finished => self.tally.left += 1,
            Message::Pong => {
                if let Some(due_ns) = self.slots[client].pong() {
                    self.count(due_ns, now_ns);
                }
            }
            Message::Reject => self.tally.rejected += 1,
            Message::Degraded => self.tally.degraded += 1,
            Message::Wrong(why) => self.tally.fail(why),
            Message::Other => {}
        }
    }

    fn handle_ack(&mut self, client: usize, room: u32, seq: u64, now_ns: u64) {
        let Some(slot) = self.slot(client, room) else {
            return;
        };
        let (from, to) = self.window;
        for due_ns in self.slots[slot].ack(seq) {
            self.tally.acked += 1;
            self.tracks[room as usize].ack(due_ns, now_ns);
            if (from..to).contains(&due_ns) {
                self.tally.acks.record_ns(now_ns.saturating_sub(due_ns));
            }
        }
    }

    fn handle_snapshot(&mut self, client: usize, room: u32, snapshot: (&str, u64), now_ns: u64) {
        let Some(slot) = self.slot(client, room) else {
            return;
        };
        let (epoch, version) = snapshot;
        self.tally.snapshots += 1;
        self.slots[slot].version = version;
        if self.is_first(client) {
            self.tracks[room as usize].snapshot(epoch.as_bytes(), now_ns);
        }
        self.show(client, slot, now_ns);
    }

    /// Notes that a client is in one of its rooms. It is connected once it is in all of them.
    fn show(&mut self, client: usize, slot: usize, now_ns: u64) {
        if !std::mem::replace(&mut self.slots[slot].shown, true) {
            self.members[client].shown += 1;
            if self.members[client].shown == self.job.rooms.per_connection {
                self.enter(client, now_ns);
            }
        }
    }
}

/// A control of an arena: one of eight directions.
fn direction(due_ns: u64) -> Data {
    let at = (due_ns / 1_000) % 8;
    let (x, y) = [
        (1, 0),
        (1, 1),
        (0, 1),
        (-1, 1),
        (-1, 0),
        (-1, -1),
        (0, -1),
        (1, -1),
    ][at as usize];
    Data::Json(format!(r#"{{"x":{x},"y":{y}}}"#).into())
}
