//! Turns and cards.

use grandstand_game::{Effects, PlayerId};
use rand::seq::IteratorRandom;

use super::params::FACES;
use super::table::{Hand, Memory, Phase};
use super::timer::{COMPUTER, EMPTY, HIDE, TURN, away, ms};
use super::update::{Outcome, PlayerOutcome, Update, players, scores};

impl Memory {
    /// Starts the game.
    pub(super) fn start(&mut self, effects: &mut Effects<Update>) {
        self.phase = Phase::Playing;
        self.turn = 0;
        let deadline_ms = self.arm_turn(effects);
        effects.update(Update::Started {
            turn: self.seats[0].player.clone(),
            deadline_ms,
            players: players(&self.seats),
        });
    }

    /// Opens a card for the player who has the turn. The caller must have checked that the flip is allowed.
    pub(super) fn flip(&mut self, card: usize, effects: &mut Effects<Update>) {
        self.open.push(card);
        effects.update(Update::Flipped {
            card,
            face: FACES[self.deck[card]],
            by: self.seats[self.turn].player.clone(),
        });
        match *self.open {
            [a, b] if self.deck[a] == self.deck[b] => self.matched(effects),
            [_, _] => {
                effects.clear_timer(TURN);
                effects.clear_timer(COMPUTER);
                effects.set_timer(HIDE, ms(self.params.hide_ms));
                self.hide_ms = Some(effects.now_ms() + self.params.hide_ms);
            }
            _ => self.arm_computer(effects),
        }
    }

    fn matched(&mut self, effects: &mut Effects<Update>) {
        self.seats[self.turn].score += 1;
        let cards = std::mem::take(&mut self.open);
        for &card in &cards {
            self.matched[card] = true;
        }
        effects.update(Update::Matched {
            cards: cards.clone(),
            by: self.seats[self.turn].player.clone(),
            scores: scores(&self.seats),
        });
        if self.matched.iter().all(|&matched| matched) {
            self.end(self.best(), effects);
        } else {
            self.begin_turn(effects);
        }
    }

    /// Hides two different open cards and passes the turn.
    pub(super) fn hide(&mut self, effects: &mut Effects<Update>) {
        if self.hide_ms.is_some() {
            self.pass(effects);
        }
    }

    /// Ends the turn: hides the open cards and gives the turn to the next player.
    pub(super) fn pass(&mut self, effects: &mut Effects<Update>) {
        self.cover(effects);
        self.turn = (self.turn + 1) % self.seats.len();
        if let (Phase::Paused, Some(deadline_ms)) = (self.phase, self.deadline_ms) {
            effects.update(Update::Turn {
                player: self.seats[self.turn].player.clone(),
                deadline_ms,
            });
        } else {
            self.begin_turn(effects);
        }
    }

    fn cover(&mut self, effects: &mut Effects<Update>) {
        if self.hide_ms.take().is_some() {
            effects.clear_timer(HIDE);
        }
        if !self.open.is_empty() {
            effects.update(Update::Hidden {
                cards: std::mem::take(&mut self.open),
            });
        }
    }

    /// Begins or continues the turn of `self.turn`. If two cards are still open after a pause, the turn ends when they
    /// are hidden.
    pub(super) fn begin_turn(&mut self, effects: &mut Effects<Update>) {
        let deadline_ms = match self.hide_ms {
            Some(hide_ms) => {
                self.deadline_ms = Some(hide_ms);
                hide_ms
            }
            None => self.arm_turn(effects),
        };
        effects.update(Update::Turn {
            player: self.seats[self.turn].player.clone(),
            deadline_ms,
        });
        self.arm_computer(effects);
    }

    fn arm_turn(&mut self, effects: &mut Effects<Update>) -> u64 {
        effects.set_timer(TURN, ms(self.params.turn_ms));
        let deadline_ms = effects.now_ms() + self.params.turn_ms;
        self.deadline_ms = Some(deadline_ms);
        deadline_ms
    }

    /// Arms the computer's next flip if the computer has the turn.
    pub(super) fn arm_computer(&mut self, effects: &mut Effects<Update>) {
        if self.seats[self.turn].hand == Hand::Gone && self.open.len() < 2 {
            effects.set_timer(COMPUTER, ms(self.params.computer_ms));
        } else {
            effects.clear_timer(COMPUTER);
        }
    }

    /// Flips a random hidden card for the computer, which remembers no cards.
    pub(super) fn play_computer(&mut self, effects: &mut Effects<Update>) {
        let on = self.phase == Phase::Playing && self.open.len() < 2;
        if !on || self.seats[self.turn].hand != Hand::Gone {
            return;
        }
        let hidden = (0..self.deck.len()).filter(|&card| !self.is_open(card));
        if let Some(card) = hidden.choose(effects.rng()) {
            self.flip(card, effects);
        }
    }

    /// The players with the most points.
    pub(super) fn best(&self) -> Vec<PlayerId> {
        let best = self.seats.iter().map(|seat| seat.score).max();
        self.seats
            .iter()
            .filter(|seat| Some(seat.score) == best)
            .map(|seat| seat.player.clone())
            .collect()
    }

    /// Ends the game and finishes the room.
    pub(super) fn end(&mut self, winners: Vec<PlayerId>, effects: &mut Effects<Update>) {
        self.cover(effects);
        self.phase = Phase::Over;
        self.deadline_ms = None;
        for timer in [TURN, HIDE, COMPUTER, EMPTY] {
            effects.clear_timer(timer);
        }
        for seat in &self.seats {
            effects.clear_timer(&away(&seat.player));
        }
        let people = self.seats.iter().filter(|seat| !self.is_bot(&seat.player));
        let players = people.map(|seat| PlayerOutcome {
            player: seat.player.clone(),
            score: seat.score,
            won: winners.contains(&seat.player),
        });
        let outcome = Outcome {
            players: players.collect(),
        };
        // A room that its players have left before the start has no result.
        if !outcome.players.is_empty() {
            // A topic without spaces and a few names always go out.
            effects.emit("results", &outcome).ok();
        }
        effects.update(Update::Over {
            scores: scores(&self.seats),
            winners: winners.clone(),
        });
        self.winners = Some(winners);
        effects.finish();
    }
}
