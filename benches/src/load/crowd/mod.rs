//! Thousands of clients without sockets: they take bytes and the time, and return bytes and counts.

mod room;

mod state;

mod speak;

mod peer;

#[cfg(test)]
mod tests;

use grandstand_common::auth::Claims;
use grandstand_common::clock::unix_ms;
use grandstand_common::envelope::Role;

use super::frame;
use super::handshake::{Answer, Request, answer};
use super::job::{Command, LoadRole, Pauses};
use super::schedule::Schedule;
use super::tally::Tally;
use room::{Slot, Track};
use state::Phase;
pub(crate) use state::{Crowd, Gone};

impl Crowd {
    /// Handles the start of a connect. `out` must be sent once the socket is connected.
    pub(crate) fn handle_connect(&mut self, client: usize, now_ns: u64, out: &mut Vec<u8>) {
        let token = self.reader.is_some().then(|| self.token(client));
        let publishes = self.job.role == LoadRole::Player;
        let front = self.job.front.as_ref();
        let request = Request {
            path: front.map_or(self.job.dialect.path(publishes), |front| &front.path),
            host: &self.host,
            subprotocol: self.job.dialect.subprotocol(),
            token: token.as_deref(),
        };
        request.put(out);
        let member = &mut self.members[client];
        if member.since_ns == 0 {
            member.since_ns = now_ns;
        }
        member.phase = Phase::Upgrading;
    }

    /// Handles a lost or failed connection.
    pub(crate) fn handle_lost(&mut self, client: usize) {
        let member = &mut self.members[client];
        if member.phase == Phase::Live {
            self.live -= 1;
        }
        member.phase = Phase::Out;
        member.rest = Vec::new();
        member.shown = 0;
        let each = self.job.rooms.per_connection as usize;
        for slot in &mut self.slots[client * each..][..each] {
            slot.lost();
        }
    }

    /// Handles received bytes and appends the answers to `out`.
    ///
    /// # Errors
    /// If the connection must be closed.
    pub(crate) fn handle_bytes(
        &mut self,
        client: usize,
        bytes: &[u8],
        now_ns: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Gone> {
        self.tally.bytes += bytes.len() as u64;
        self.tally.reads += 1;
        if self.members[client].rest.is_empty() {
            let used = self.handle_all(client, bytes, now_ns, out)?;
            self.members[client].rest.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut all = std::mem::take(&mut self.members[client].rest);
        all.extend_from_slice(bytes);
        let used = self.handle_all(client, &all, now_ns, out)?;
        if used < all.len() {
            all.drain(..used);
            self.members[client].rest = all;
        }
        Ok(())
    }

    /// Handles the complete frames and returns their length in bytes.
    fn handle_all(
        &mut self,
        client: usize,
        bytes: &[u8],
        now_ns: u64,
        out: &mut Vec<u8>,
    ) -> Result<usize, Gone> {
        let mut used = 0;
        if self.members[client].phase == Phase::Upgrading {
            match answer(bytes) {
                Answer::Incomplete => return Ok(0),
                Answer::Refused(status) => {
                    self.tally
                        .fail(format!("the handshake failed with status {status}"));
                    return Err(Gone);
                }
                Answer::Upgraded(head) => used = head,
            }
            self.members[client].phase = Phase::Joining;
            self.greet(client, now_ns, out);
        }
        loop {
            let next = frame::next(&bytes[used..]).map_err(|e| {
                self.tally.fail(e.to_string());
                Gone
            })?;
            let Some(next) = next else {
                return Ok(used);
            };
            used += next.len;
            match next.opcode {
                frame::TEXT | frame::BINARY => {
                    self.handle_message(client, next.payload, now_ns, out)
                }
                frame::PING => frame::put(frame::PONG, next.payload, out),
                frame::CLOSE => {
                    let code = next
                        .payload
                        .first_chunk()
                        .map_or(1005, |&code| u16::from_be_bytes(code));
                    self.tally
                        .fail(format!("a connection was closed with code {code}"));
                    return Err(Gone);
                }
                _ => {}
            }
        }
    }

    /// Appends an input that is due and returns its client. The inner `None` means that the client is not connected.
    pub(crate) fn poll_input(&mut self, now_ns: u64, out: &mut Vec<u8>) -> Option<Option<usize>> {
        let (number, due_ns) = self.schedule.as_mut()?.poll(now_ns)?;
        let rooms = self.tracks.len() as u64;
        let room = (number % rooms) as usize;
        let player = (number / rooms) as usize % self.job.rooms.each as usize;
        let per_connection = self.job.rooms.per_connection as usize;
        let client = room / per_connection * self.job.rooms.each as usize + player;
        if client >= self.members.len() || !self.is_live(client) {
            self.tally.unsent += 1;
            return Some(None);
        }
        self.tally.sent += 1;
        self.tally.sent_in_window += u64::from(self.in_window(due_ns));
        self.put_input(client, room, due_ns, out);
        Some(Some(client))
    }

    /// The time at which the next input is due.
    pub(crate) fn next_due_ns(&self) -> Option<u64> {
        self.schedule.as_ref().map(Schedule::next_ns)
    }

    /// Handles an input that could not be sent.
    pub(crate) fn handle_unsent(&mut self) {
        self.tally.unsent += 1;
    }

    /// Counts a complete handshake of TLS.
    pub(crate) fn handle_handshake(&mut self, resumed: bool) {
        if resumed {
            self.tally.resumed_handshakes += 1;
        } else {
            self.tally.full_handshakes += 1;
        }
    }

    /// Counts a connect that is retried.
    pub(crate) fn handle_retry(&mut self, why: &str) {
        self.tally.retries += 1;
        self.tally.error.get_or_insert_with(|| why.to_owned());
    }

    /// Handles a command about counting or sending. The driver handles the others.
    pub(crate) fn handle_command(&mut self, command: Command, now_ns: u64) {
        match command {
            Command::Rate(rate) if rate > 0.0 => self.schedule = Some(Schedule::new(now_ns, rate)),
            Command::Rate(_) | Command::Silence => self.schedule = None,
            Command::Window(from, to) => self.window = (from, to),
            Command::Watch => {
                self.watched_ns = now_ns;
                self.tracks.iter_mut().for_each(Track::begin);
            }
            Command::Reconnect => {
                for member in &mut self.members {
                    member.since_ns = 0;
                }
            }
            Command::Collect | Command::Pauses | Command::Read(_) | Command::AtOnce(_) => {}
        }
    }

    /// Takes the counts since the last call.
    pub(crate) fn take_tally(&mut self) -> Tally {
        let mut tally = std::mem::take(&mut self.tally);
        tally.live = self.live;
        tally.unacked = self.slots.iter().map(Slot::unacked).sum();
        tally.behind = self.behind();
        tally.newest = self
            .slots
            .iter()
            .map(|slot| slot.version)
            .max()
            .unwrap_or(0);
        tally
    }

    fn behind(&self) -> u64 {
        let version = |(slot, room): (usize, u32)| (room as usize, self.slots[slot].version);
        let mut newest = vec![0; self.tracks.len()];
        for (room, version) in self.all_slots().map(version) {
            newest[room] = version.max(newest[room]);
        }
        let old = |&(room, version): &(usize, u64)| version < newest[room];
        self.all_slots().map(version).filter(old).count() as u64
    }

    /// The rooms' pauses since [`Command::Watch`].
    pub(crate) fn pauses(&self, now_ns: u64) -> Pauses {
        const LATE_NS: u64 = 500_000_000;
        let mut pauses = Pauses::default();
        for track in &self.tracks {
            if track.moved() {
                pauses.moved.push(track.pause(self.watched_ns))
            } else {
                pauses.stayed.push(track.pause(self.watched_ns))
            }
        }
        let late = |slot: &&Slot| slot.oldest_ns().is_some_and(|due| due + LATE_NS < now_ns);
        pauses.waiting = self.slots.iter().filter(late).count() as u32;
        pauses
    }

    fn token(&self, client: usize) -> String {
        let (Some(signer), Ok(player)) = (&self.signer, self.name(client).parse()) else {
            return String::new();
        };
        let role = match self.job.role {
            LoadRole::Player => Role::Player,
            LoadRole::Spectator | LoadRole::Idle => Role::Spectator,
        };
        let day_s = 24 * 3600;
        let claims = Claims::new(player, unix_ms() / 1000 + day_s);
        let claims = claims.allow("relay-*", role, None);
        match claims.and_then(|claims| claims.allow("arena-*", role, None)) {
            Ok(claims) => signer.sign(&claims),
            Err(_) => String::new(),
        }
    }

    fn name(&self, client: usize) -> String {
        format!("p{}", self.job.first_player as usize + client)
    }

    fn greet(&mut self, client: usize, now_ns: u64, out: &mut Vec<u8>) {
        if self.reader.is_some() {
            return self.put_joins(client, now_ns, out);
        }
        let publishes = self.job.role == LoadRole::Player;
        let step = self.job.dialect.greeting(publishes);
        self.take_step(client, step, now_ns, out);
    }
}
