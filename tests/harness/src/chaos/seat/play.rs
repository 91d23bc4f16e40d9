//! The timed actions of a client: play, join the next room, report long waits.

use std::time::Duration;

use grandstand_common::id::Lane;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::protocol::{Seat, room};
use crate::chaos::field::{Field, Mode};
use crate::chaos::violation::Rule;

/// The maximum number of a player's unanswered inputs.
const MAX_UNANSWERED: usize = 6;
/// A client that waits longer for an answer or for the room's view is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

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
        let mut send = Vec::new();
        if self.lane == Lane::Players && self.room.is_shown() {
            send.extend(self.play(field, pace, rng));
        }
        send
    }

    fn play(&mut self, field: &mut Field, pace: Duration, rng: &mut ChaCha8Rng) -> Option<Value> {
        let now = field.now();
        let seq = self.room.next_seq();
        let (data, what) = match field.mode {
            Mode::Play if now >= self.next_at && self.room.unanswered() < MAX_UNANSWERED => {
                self.next_at = now + pace.mul_f64(rng.random_range(0.2..1.8));
                self.game.input(&self.room.view, &self.client, seq, rng)?
            }
            Mode::Probe if !self.probed => {
                self.probed = true;
                let cards = self.room.view["cards"].as_array().map_or(0, Vec::len);
                self.game.probe(cards, seq, rng)
            }
            _ => return None,
        };
        let (seq, message) = self.room.input(&[("data", data)]);
        self.waiting.push_back((seq, now));
        field.waits.sent(self.numbers.1, now);
        field.counts.inputs_sent += 1;
        field.ledger.sent(&self.name, &self.client, what);
        self.tell(field);
        Some(message)
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
        self.room = room(&self.name, self.lane, self.game, self.slot);
        (self.over, self.stuck) = (false, false);
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
        let since = [waiting, self.hidden_since].into_iter().flatten().min();
        if self.over || self.stuck || since.is_none_or(|since| now < since + PATIENCE) {
            return;
        }
        self.stuck = true;
        let found = format!(
            "input {:?} and {} more are unanswered, no current view since {:?}, joined: {}",
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
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn a_spectator_follows_to_the_next_room_only_after_a_player() {
        let mut field = Field::new(2, Instant::now());
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
}
