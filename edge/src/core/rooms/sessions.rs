//! Chains' entries on their way to the log and back as reports.

use grandstand_common::subject;
use grandstand_common::wire::{Body, Empty};

use crate::conn::transport::{ConnKey, Transport};
use crate::core::rooms::room::RoomKey;
use crate::core::{Command, Core, Receipt, Timer};
use grandstand_common::clock::Now;

impl Core {
    /// An append was stored under a sequence, or (`None`) may not have been.
    pub fn handle_appended(&mut self, receipt: Receipt, stored: Option<u64>, now: Now) {
        let Receipt {
            room,
            session,
            n,
            round,
        } = receipt;
        self.effects.counts().appends_failed += u64::from(stored.is_none());
        self.note_append(room, stored.is_some(), now);
        let Some(seat) = self.seat(room, session) else {
            return;
        };
        match stored {
            Some(seq) => seat.chain.stored(n, round, seq, now.at),
            None => seat.chain.failed(n, round, now.at),
        }
        self.run_chain(room, session);
    }

    /// Whether an entry of anybody's is not yet reported as processed. Looks at all rooms.
    pub fn has_unprocessed(&self) -> bool {
        let mut seats = self.rooms.iter().flat_map(|(_, room)| room.seats.values());
        seats.any(|seat| !seat.chain.is_empty())
    }

    /// A session ends for this edge: its last entry goes out, its window stays until the owner has it.
    pub(crate) fn end_seat(&mut self, key: RoomKey, session: u64, last: Body, now: Now) {
        let Some(seat) = self.seat(key, session) else {
            return;
        };
        seat.conn = None;
        self.push(key, session, last, now);
    }

    pub(crate) fn lose_seat(&mut self, key: RoomKey, session: u64, now: Now) {
        self.end_seat(key, session, Body::Lost(Empty {}), now);
    }

    pub(crate) fn push(&mut self, key: RoomKey, session: u64, body: Body, now: Now) {
        if let Some(seat) = self.seat(key, session) {
            seat.chain.push(body, now.at);
            self.run_chain(key, session);
        }
    }

    /// Takes a chain's outgoing entries to the bus and sets its timer.
    pub(crate) fn run_chain(&mut self, key: RoomKey, session: u64) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        let Some(seat) = room.seats.get_mut(&session) else {
            return;
        };
        while let Some(out) = seat.chain.poll_outgoing() {
            let receipt = Receipt {
                room: key,
                session,
                n: out.n,
                round: out.round,
            };
            let subject = subject::log(room.partition, &room.id);
            self.effects.command(Command::Append {
                subject,
                payload: out.payload,
                receipt,
            });
        }
        if let Some(at) = seat.chain.poll_timeout()
            && seat.timer.is_none_or(|armed| at < armed)
        {
            seat.timer = Some(at);
            self.effects.at(at, Timer::Chain(key, session));
        }
    }

    pub(crate) fn on_chain_timer(&mut self, key: RoomKey, session: u64, now: Now) {
        let bus_up = self.health.is_up();
        let Some(seat) = self.seat(key, session) else {
            return;
        };
        seat.timer = None;
        if !bus_up {
            // The window is appended again when the bus is back.
            return;
        }
        let round = seat.chain.round();
        if seat.chain.poll_timeout().is_some_and(|at| at <= now.at) {
            seat.chain.handle_timeout(now.at);
        }
        let restarted = seat.chain.round() != round;
        self.effects.counts().chain_restarts += u64::from(restarted);
        self.run_chain(key, session);
    }

    /// The bus is back: whatever was not reported may have been lost or reordered (D3).
    pub(crate) fn restart_chains(&mut self, now: Now) {
        let mut seats = Vec::new();
        for (key, room) in &mut self.rooms {
            for (&session, seat) in &mut room.seats {
                seat.chain.restart(now.at);
                seats.push((key, session));
            }
        }
        for (key, session) in seats {
            self.run_chain(key, session);
        }
    }

    /// A partition has a new owner, which is silent about what it read while it took over, and is told only of sessions
    /// that were reported: those that were not begin again (D3).
    pub(crate) fn repeat_joins(&mut self, rooms: &[RoomKey], now: Now) {
        for &key in rooms {
            let Some(room) = self.rooms.get_mut(key) else {
                continue;
            };
            let mut joining = Vec::new();
            for (&session, seat) in room.seats.iter_mut().filter(|(_, seat)| !seat.joined) {
                seat.chain.restart(now.at);
                joining.push(session);
            }
            for session in joining {
                self.run_chain(key, session);
            }
        }
    }

    /// Stops reading from a connection whose window is full, and reads again when it is not.
    pub(crate) fn hold_back(&mut self, key: RoomKey, session: u64, sink: &mut impl Transport) {
        let Some(seat) = self.seat(key, session) else {
            return;
        };
        let full = seat.chain.is_full();
        if full == seat.paused {
            return;
        }
        seat.paused = full;
        if let Some((conn, _)) = seat.conn {
            self.resume_reading(conn, sink);
        }
    }

    /// Reads from a connection unless one of its windows is full.
    pub(crate) fn resume_reading(&self, conn: ConnKey, sink: &mut impl Transport) {
        let Some(client) = self.clients.get(conn) else {
            return;
        };
        let any = client.memberships.iter().any(|m| {
            self.rooms
                .get(m.room)
                .and_then(|r| r.seats.get(&m.session))
                .is_some_and(|s| s.paused)
        });
        sink.pause(conn, any);
    }
}
