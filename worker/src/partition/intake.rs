//! Entries of the log, to the rooms that they are for.

use grandstand_common::bus::{LogEntry, LogState};
use grandstand_common::error::ErrorKind;
use grandstand_common::id::{EdgeId, RoomId};
use grandstand_common::subject;
use grandstand_common::wire::{self, Body, Entry, ItemKind};
use prost::Message;

use super::loading::Waiting;
use super::rooms::Slot;
use super::{Owned, Pending, RETRY, Shared, Stage};
use crate::command::{Command, Outcome};
use crate::room::{Emit, Logged, Opened, Room};
use crate::stored::quarantine::Why;
use grandstand_game::Refusal;
use grandstand_game::host::Panicked;

impl Owned {
    pub(crate) fn handle_log(&mut self, cx: &mut Shared, entry: &LogEntry, behind: u64) {
        if self.held {
            return;
        }
        if self.is_running() && entry.seq >= self.next_seq {
            self.next_seq = entry.seq + 1;
            self.on_entry(cx, entry);
        }
        if (behind == 0 || entry.seq >= self.log_last) && self.is_running() {
            self.on_caught_up(cx);
        }
    }

    pub(crate) fn handle_log_idle(&mut self, cx: &mut Shared) {
        self.on_caught_up(cx);
    }

    /// The log's reader cannot go on: whether the log was cut decides where to go on.
    pub(crate) fn handle_log_lost(&mut self, cx: &mut Shared) {
        if self.is_running() {
            let partition = self.id;
            let token = cx.token(partition, Pending::LogEnd);
            cx.commands
                .push_back(Command::LogState { partition, token });
        }
    }

    pub(super) fn on_log_end(&mut self, cx: &mut Shared, outcome: Outcome) {
        if !self.is_running() {
            return;
        }
        let Outcome::Log(log) = outcome else {
            self.retry_at = Some(cx.now.at + RETRY);
            return;
        };
        self.on_cut(cx, log);
        if self.held {
            return;
        }
        let (partition, from) = (self.id, self.next_seq);
        cx.commands.push_back(Command::OpenLog { partition, from });
    }

    /// Entries that were applied may be gone from the log; what they made of the rooms stays (D11).
    fn on_cut(&mut self, cx: &mut Shared, log: LogState) {
        let reached = self.next_seq.saturating_sub(1);
        let next = super::takeover::measured(&self.checkpoint, reached, log);
        if next.generation == self.checkpoint.generation {
            return;
        }
        let cut = next.cuts.last().map_or(0, |cut| cut.seq);
        tracing::warn!(partition = %self.id, cut, "the log was cut");
        self.checkpoint = next;
        self.checkpoint_due = true;
        self.checkpoint_at = cx.now.at;
        self.next_seq = cut;
        let last = cut.saturating_sub(1);
        let mut moved = Vec::new();
        for (id, slot) in &mut self.slots {
            slot.covered = slot.covered.min(last);
            if let Some(room) = &mut slot.room {
                room.cut(last);
            }
            if let Some(first) = slot.cover.first.filter(|first| *first > cut) {
                slot.cover.first = Some(cut);
                moved.push((first, id.clone()));
            }
            slot.cover.next = slot.cover.next.map(|next| next.min(cut));
        }
        for (first, id) in moved {
            self.uncovered.remove(&(first, id.clone()));
            self.uncovered.insert((cut, id));
        }
        self.write_checkpoint(cx);
    }

    fn on_entry(&mut self, cx: &mut Shared, stored: &LogEntry) {
        let Some((partition, id)) = subject::parse_log(&stored.subject) else {
            return;
        };
        if partition != self.id
            || (stored.seq < self.checkpoint.seq && !self.lifted.contains_key(&id))
        {
            return;
        }
        let entry = match Entry::decode(stored.payload.clone()) {
            Ok(entry) => entry,
            Err(error) => {
                tracing::warn!(room = %id, seq = stored.seq, %error, "an entry cannot be read");
                return;
            }
        };
        let logged = Logged {
            seq: stored.seq,
            time_ms: stored.time_ms,
            entry,
        };
        self.on_logged(cx, &id, logged);
    }

    pub(super) fn on_logged(&mut self, cx: &mut Shared, id: &RoomId, logged: Logged) {
        match self.slots.get(id) {
            Some(slot) if logged.seq <= slot.covered => {}
            Some(slot) if slot.quarantine.is_some() => {
                let code = slot.quarantine.as_ref().map(|q| q.why.code());
                self.turn_away(cx, id, &logged.entry, code.unwrap_or_default());
            }
            Some(slot) if slot.room.is_some() => self.on_room_entry(cx, id, logged),
            Some(slot) if slot.asleep.is_some() => self.wake(cx, id, Waiting::Entry(logged)),
            _ => self.on_absent_entry(cx, id, logged),
        }
    }

    fn on_room_entry(&mut self, cx: &mut Shared, id: &RoomId, logged: Logged) {
        cx.counts.replayed += u64::from(!self.is_ready());
        let mut emits = Vec::new();
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        let handled = match &mut slot.room {
            Some(room) => room.handle(&logged, &mut emits),
            None => return,
        };
        let handled = handled.or_else(|_| {
            // It may have left the state half changed: once more, from what is known to be whole.
            tracing::error!(room = %id, seq = logged.seq, "the game panicked");
            cx.counts.panics += 1;
            emits.clear();
            let mut room = slot.origin.build(&cx.games, id)?;
            room.handle(&logged, &mut emits)?;
            slot.room = Some(room);
            Ok::<(), Panicked>(())
        });
        let seq = logged.seq;
        cx.counts.inputs += u64::from(matches!(logged.entry.body, Some(Body::Input(_))));
        if handled.is_err() {
            self.turn_away(cx, id, &logged.entry, Why::Unavailable.code());
            self.quarantine(cx, id, Why::Unavailable);
            return;
        }
        slot.origin.push(logged);
        self.mark(cx.now.at, id, seq);
        self.after_entry(cx, id, seq, emits);
    }

    fn after_entry(&mut self, cx: &mut Shared, id: &RoomId, seq: u64, mut emits: Vec<Emit>) {
        let is_deleted = emits.last() == Some(&Emit::Deleted);
        if is_deleted {
            emits.pop();
        }
        let rejects = emits.iter().filter(|emit| emit.is_reject());
        cx.counts.rejects += rejects.count() as u64;
        if self.is_ready() {
            self.deliver(cx, id, emits);
        }
        if is_deleted {
            self.close(cx, id, ErrorKind::Finished.code());
            if let Some(slot) = self.slots.get_mut(id) {
                slot.room = None;
                slot.cover.deleted = Some(seq);
                slot.covered = seq;
                slot.asked.clear();
                slot.next_tick = None;
                slot.origin = Default::default();
            }
        }
        self.count_room(id);
        if let Some(slot) = self.slots.get_mut(id) {
            slot.quiet_since = None;
        }
        self.write_room(cx, id);
        self.reschedule(cx, id);
    }

    /// An entry for a room that does not exist: only `Joined` creates one (D5).
    fn on_absent_entry(&mut self, cx: &mut Shared, id: &RoomId, logged: Logged) {
        let Some(Body::Joined(joined)) = &logged.entry.body else {
            self.turn_away(cx, id, &logged.entry, ErrorKind::NotJoined.code());
            return;
        };
        let mut emits = Vec::new();
        let mut open = || Room::open(&cx.games, id, (&logged, joined), &mut emits);
        let seq = logged.seq;
        match open().or_else(|_| open()) {
            Ok(Opened::Room(room)) => {
                let revision = self.markers.remove(id).unwrap_or(0);
                let slot = self.slots.entry(id.clone()).or_insert_with(|| Slot {
                    revision,
                    ..Slot::default()
                });
                if let Some(deleted) = slot.cover.deleted.take() {
                    self.deleted.remove(&(deleted, id.clone()));
                }
                slot.origin = Default::default();
                slot.origin.push(logged);
                slot.room = Some(*room);
                self.mark(cx.now.at, id, seq);
                if self.is_ready() {
                    // Nobody had anything before, and the snapshots cover the first entry's updates.
                    self.on_created(cx, id);
                    emits.retain(|emit| !matches!(emit, Emit::Update(_)));
                }
                self.after_entry(cx, id, seq, emits);
            }
            Ok(Opened::Empty) => {
                let refused = |emit: &Emit| matches!(emit, Emit::ToEdge(_, ItemKind::Refused(_)));
                emits.retain(refused);
                if self.is_ready() {
                    self.deliver(cx, id, emits);
                }
            }
            Ok(Opened::Refused(refusal)) => {
                self.refuse(cx, id, &logged.entry, &refusal);
            }
            Err(Panicked) => {
                self.turn_away(cx, id, &logged.entry, Why::Unavailable.code());
                let revision = self.markers.remove(id).unwrap_or(0);
                let slot = self.slots.entry(id.clone()).or_default();
                slot.revision = slot.revision.max(revision);
                self.quarantine(cx, id, Why::Unavailable);
            }
        }
    }

    /// An entry of a session that there cannot be: its edge hears so (D4).
    fn turn_away(&mut self, cx: &mut Shared, id: &RoomId, entry: &Entry, code: &str) {
        if matches!(entry.body, Some(Body::Timer(_) | Body::EdgeLost(_)) | None) {
            return;
        }
        if let Some(Body::Joined(_)) = &entry.body {
            let refusal = Refusal::new(code, "the room cannot be had now");
            self.refuse(cx, id, entry, &refusal);
            return;
        }
        let gone = wire::Gone {
            session: entry.session,
            code: code.to_owned(),
            n: entry.n,
            round: entry.round,
        };
        self.answer(cx, id, entry, ItemKind::Gone(gone));
    }

    fn refuse(&mut self, cx: &mut Shared, id: &RoomId, entry: &Entry, refusal: &Refusal) {
        let refused = wire::Refused {
            session: entry.session,
            code: refusal.code.clone(),
            message: refusal.message.clone(),
        };
        self.answer(cx, id, entry, ItemKind::Refused(refused));
    }

    fn answer(&mut self, cx: &mut Shared, id: &RoomId, entry: &Entry, kind: ItemKind) {
        if self.stage != Stage::Ready {
            return;
        }
        if let Ok(edge) = entry.edge.parse::<EdgeId>() {
            self.send(cx, id, &edge, kind);
        }
    }
}
