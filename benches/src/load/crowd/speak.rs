//! The protocol with an edge.

use super::super::dialect::Dialect;
use super::super::frame;
use super::super::job::LoadRole;
use super::super::message::Message;
use super::Crowd;

impl Crowd {
    pub(super) fn put_joins(&mut self, client: usize, now_ns: u64, out: &mut Vec<u8>) {
        let role = match self.job.role {
            LoadRole::Player => "player",
            LoadRole::Spectator => "spectator",
            LoadRole::Idle => return self.enter(client, now_ns),
        };
        let first = self.first_room(client);
        for room in first..first + self.job.rooms.per_connection {
            let prefix = &self.job.rooms.prefix;
            let join = format!(r#"{{"type":"join","room":"{prefix}{room}","role":"{role}"}}"#);
            frame::put(frame::TEXT, join.as_bytes(), out);
        }
    }

    pub(super) fn put_input(&mut self, client: usize, room: usize, due_ns: u64, out: &mut Vec<u8>) {
        if self.job.dialect != Dialect::Grandstand {
            return self.put_publish(due_ns, out);
        }
        let slot = self.slot_of(client, room as u32);
        let seq = self.slots[slot].send(due_ns);
        let prefix = &self.job.rooms.prefix;
        let mut text =
            format!(r#"{{"type":"input","room":"{prefix}{room}","seq":{seq},"data":"#).into_bytes();
        self.put_data(due_ns, &mut text);
        text.push(b'}');
        frame::put(frame::TEXT, &text, out);
    }

    pub(super) fn handle_message(
        &mut self,
        client: usize,
        text: &[u8],
        now_ns: u64,
        out: &mut Vec<u8>,
    ) {
        if self.job.dialect != Dialect::Grandstand {
            return self.handle_peer(client, text, now_ns, out);
        }
        let Some(message) = Message::parse(text) else {
            return self.tally.fail("a message that cannot be read");
        };
        match message.kind {
            b"update" => self.handle_update(client, &message, now_ns),
            b"ack" => self.handle_ack(client, &message, now_ns),
            b"snapshot" => self.handle_snapshot(client, &message, now_ns),
            b"joined" => {
                if let Some((slot, _)) = self.slot(client, &message) {
                    self.slots[slot].joined(message.integer("last_seq").unwrap_or(0));
                }
            }
            b"reject" => self.tally.rejected += 1,
            b"notice" if message.text("code") == Some(b"degraded") => self.tally.degraded += 1,
            b"left" | b"error" => self.tally.fail(String::from_utf8_lossy(text)),
            _ => {}
        }
    }

    fn handle_update(&mut self, client: usize, message: &Message<'_>, now_ns: u64) {
        let Some((slot, room)) = self.slot(client, message) else {
            return self.tally.fail("an update of a room that was not joined");
        };
        let (prev, version) = (message.integer("prev"), message.integer("version"));
        if !self.slots[slot].update(prev.unwrap_or(0), version.unwrap_or(0)) {
            self.tally.gaps += 1;
        }
        let Some(due_ns) = message.stamp() else {
            return;
        };
        self.count(due_ns, now_ns);
        if (client as u32).is_multiple_of(self.job.rooms.each) {
            self.tracks[room as usize].update(now_ns);
        }
    }

    fn handle_ack(&mut self, client: usize, message: &Message<'_>, now_ns: u64) {
        let (Some((slot, room)), Some(seq)) = (self.slot(client, message), message.integer("seq"))
        else {
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

    fn handle_snapshot(&mut self, client: usize, message: &Message<'_>, now_ns: u64) {
        let Some((slot, room)) = self.slot(client, message) else {
            return;
        };
        self.tally.snapshots += 1;
        self.slots[slot].version = message.integer("version").unwrap_or(0);
        if (client as u32).is_multiple_of(self.job.rooms.each) {
            self.tracks[room as usize].snapshot(message.text("epoch").unwrap_or_default(), now_ns);
        }
        if !std::mem::replace(&mut self.slots[slot].shown, true) {
            self.members[client].shown += 1;
            if self.members[client].shown == self.job.rooms.per_connection {
                self.enter(client, now_ns);
            }
        }
    }

    /// Where what the client knows of the message's room is, and the room's number.
    fn slot(&self, client: usize, message: &Message<'_>) -> Option<(usize, u32)> {
        let room = message.room()?;
        let first = self.first_room(client);
        (first..first + self.job.rooms.per_connection)
            .contains(&room)
            .then(|| (self.slot_of(client, room), room))
    }

    /// All slots with their rooms.
    pub(super) fn all_slots(&self) -> impl Iterator<Item = (usize, u32)> {
        let each = self.job.rooms.per_connection as usize;
        (0..self.slots.len())
            .map(move |slot| (slot, self.first_room(slot / each) + (slot % each) as u32))
    }

    fn slot_of(&self, client: usize, room: u32) -> usize {
        client * self.job.rooms.per_connection as usize + (room - self.first_room(client)) as usize
    }

    fn first_room(&self, client: usize) -> u32 {
        client as u32 / self.job.rooms.each * self.job.rooms.per_connection
    }
}
