//! The timed actions of a client: play, join the next room, report long waits.

use std::time::Duration;

use grandstand_common::id::Lane;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::protocol::{Seat, room};
use crate::chaos::field::{Field, Mode};
use crate::chaos::script::Game;
use crate::chaos::violation::Rule;

/// The maximum number of a player's unanswered inputs.
const MAX_UNANSWERED: usize = 6;
/// A client that waits longer for an answer, for the room's view or for a bot is stuck.
const PATIENCE: Duration = Duration::from_secs(60);
/// The time for which a room of an own game is shown after its end, until its last view counts as seen.
const SHOWN_AFTER_END: Duration = Duration::from_millis(1_500);

impl Seat {
    /// Advances the time of an open connection. Returns the messages to send.
    pub(in crate::chaos) fn tick(
        &mut self,
        field: &mut Field,
        pace: Duration,
        rng: &mut ChaCha8Rng,
    ) -> Vec<Value> {
        let now = field.now();
        if self.over {
            return self.next_room(field);
        }
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            return vec![self.join()];
        }
        if self.resend_at.is_some_and(|at| at <= now) && self.room.is_shown() {
            self.resend_at = None;
            let again = self.room.unanswered_inputs();
            field.counts.inputs_resent += again.len() as u64;
            return again;
        }
        if self.has_seen_end(field, now) {
            self.end(field);
            return Vec::new();
        }
        let mut send = Vec::new();
        if self.lane == Lane::Players && self.room.is_shown() {
            send.extend(self.play(field, pace, rng));
        }
        if let (Game::Own(own), Some(input)) = (&self.game, send.first())
            && own.is_realtime
        {
            let live = json!({"type": "live", "room": self.name, "data": input["data"]});
            send.push(live);
        }
        send
    }

    /// Whether the client shows the last view of a room that an input showed to be finished. The views of other games say
    /// so themselves.
    fn has_seen_end(&self, field: &Field, now: Duration) -> bool {
        let ended = field.ledger.over_since(&self.name);
        let is_over = ended.is_some_and(|ended| now >= ended + SHOWN_AFTER_END);
        let newest = field.ledger.top(&self.name, self.lane);
        self.game.is_own()
            && is_over
            && self.room.is_shown()
            && self.waiting.is_empty()
            && self.room.version == newest
    }

    fn play(&mut self, field: &mut Field, pace: Duration, rng: &mut ChaCha8Rng) -> Option<Value> {
        let now = field.now();
        let data = match field.mode {
            Mode::Play if self.may_play(field, now) => {
                self.next_at = now + pace.mul_f64(rng.random_range(0.2..1.8));
                self.game.input(&self.room, &self.client, rng)?
            }
            Mode::Probe if !self.probed => {
                self.probed = true;
                self.game.probe(&self.room, &self.client, rng)
            }
            _ => return None,
        };
        let what = self.game.what(&data);
        let (seq, message) = self.room.input(&[("data", data)]);
        self.waiting.push_back((seq, now));
        field.waits.sent(self.numbers.1, now);
        field.counts.inputs_sent += 1;
        field.ledger.sent(&self.name, &self.client, what);
        self.tell(field);
        Some(message)
    }

    fn may_play(&self, field: &Field, now: Duration) -> bool {
        let is_due = now >= self.next_at && self.room.unanswered() < MAX_UNANSWERED;
        is_due && !(self.game.is_own() && field.ledger.is_over(&self.name))
    }

    /// Joins the slot's next room if the game here is over. A spectator follows the players: when the run ends just
    /// then, no player may go there, and the room never exists.
    fn next_room(&mut self, field: &mut Field) -> Vec<Value> {
        let is_open = self.lane == Lane::Players || field.has_player(self.slot);
        if field.mode != Mode::Play || field.generation(self.slot) == self.generation || !is_open {
            return Vec::new();
        }
        let leave = json!({"type": "leave", "room": self.name});
        let stays = !self.room.is_out();
        self.generation = field.generation(self.slot);
        self.name = field.room(self.slot);
        self.room = room(&self.name, self.lane, &self.game, self.slot);
        (self.over, self.stuck, self.bot_since) = (false, false, None);
        self.epochs.clear();
        self.hidden_since = Some(field.now());
        let join = self.join();
        self.tell(field);
        if stays { vec![leave, join] } else { vec![join] }
    }

    /// Records a violation, once, if the client waits too long.
    pub(in crate::chaos) fn check_patience(&mut self, field: &mut Field) {
        let now = field.now();
        let waiting = self.waiting.front().map(|(_, sent)| *sent);
        let bot = self.waits_for_bot_since(now);
        let since = [waiting, self.hidden_since, bot]
            .into_iter()
            .flatten()
            .min();
        if self.over || self.stuck || since.is_none_or(|since| now < since + PATIENCE) {
            return;
        }
        self.stuck = true;
        let found = format!(
            "input {:?} and {} more are unanswered, no current view since {:?}, no move of a bot since {bot:?}, joined: {}",
            self.waiting.front(),
            self.waiting.len().saturating_sub(1),
            self.hidden_since,
            self.room.is_shown(),
        );
        let expected = format!("an answer within {PATIENCE:?}");
        field
            .ledger
            .blame(Rule::Stuck, &self.name, &self.client, &expected, &found);
    }

    /// The time since which a bot has to move in the view that the client shows.
    fn waits_for_bot_since(&mut self, now: Duration) -> Option<Duration> {
        if !self.room.is_shown() || !self.game.waits_for_bot(&self.room.view) {
            self.bot_since = None;
            return None;
        }
        let version = self.room.version;
        match self.bot_since {
            Some((shown, since)) if shown == version => Some(since),
            _ => {
                self.bot_since = Some((version, now));
                Some(now)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn a_spectator_follows_to_the_next_room_only_after_a_player() {
        let mut field = Field::new(2, None, Instant::now());
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut tick = |seat: &mut Seat, field: &mut Field| {
            let messages = seat.tick(field, Duration::ZERO, &mut rng);
            let kinds = messages.iter().map(|message| message["type"].to_string());
            kinds.collect::<Vec<_>>()
        };
        let mut seats = [Lane::Players, Lane::Spectators]
            .map(|lane| Seat::new(&mut field, &format!("{lane:?}"), 1, lane));
        for seat in &mut seats {
            seat.end(&mut field);
        }
        let [player, spectator] = &mut seats;
        assert_eq!(tick(spectator, &mut field), [""; 0]);
        assert_eq!(tick(player, &mut field), [r#""join""#]);
        assert_eq!(tick(spectator, &mut field), [r#""join""#]);
    }
    #[test]
    fn a_spectator_expects_no_view_of_a_room_that_was_deleted_after_its_end() {
        let mut field = Field::new(2, None, Instant::now());
        let mut seat = Seat::new(&mut field, "late", 1, Lane::Spectators);
        let joined = json!({"type": "joined", "room": seat.name});
        seat.connect();
        seat.handle(&joined, &mut field).unwrap();
        assert!(!seat.over);
        field.ledger.over(&seat.name);
        seat.handle(&joined, &mut field).unwrap();
        assert!(seat.over);
    }
}
