//! Players who join, drop, return and leave.

use grandstand_game::{Effects, PlayerId, Verdict, ensure};

use super::params::OnDrop;
use super::table::{Hand, Memory, Phase, Seat};
use super::timer::{COMPUTER, EMPTY, TURN, away, ms};
use super::update::{Update, players};

impl Memory {
    pub(super) fn on_joined(
        &mut self,
        player: &PlayerId,
        effects: &mut Effects<Update>,
    ) -> Verdict {
        ensure!(self.phase != Phase::Over, "finished", "the game is over");
        ensure!(
            !self.is_bot(player),
            "name_taken",
            "a bot has the name {player}"
        );
        // A player whom the computer replaced may join again, but only watches.
        if self.seat(player).is_some() {
            return Ok(());
        }
        ensure!(
            self.phase == Phase::Waiting,
            "room_full",
            "all places are taken"
        );
        self.sit(player, effects);
        Ok(())
    }

    /// Gives a player a place, and the bots, and starts the game with the last one.
    fn sit(&mut self, player: &PlayerId, effects: &mut Effects<Update>) {
        self.seats.push(Seat {
            player: player.clone(),
            score: 0,
            hand: Hand::Here,
        });
        self.seat_bots(effects);
        effects.clear_timer(EMPTY);
        if self.seats.len() < self.params.players {
            effects.update(Update::Waiting {
                players: players(&self.seats),
            });
        } else {
            self.start(effects);
        }
    }

    pub(super) fn on_left(&mut self, player: &PlayerId, effects: &mut Effects<Update>) {
        let Some(seat) = self.seat(player) else {
            return;
        };
        match self.phase {
            Phase::Waiting => self.free(seat, effects),
            Phase::Playing | Phase::Paused => self.give_up(seat, effects),
            Phase::Over => {}
        }
    }

    pub(super) fn on_lost(&mut self, player: &PlayerId, effects: &mut Effects<Update>) {
        if self.phase == Phase::Over {
            return;
        }
        if let Some(seat) = self.seat(player)
            && self.seats[seat].hand == Hand::Here
        {
            self.seats[seat].hand = Hand::Away;
            effects.set_timer(&away(player), ms(self.params.grace_ms));
        }
    }

    pub(super) fn on_returned(&mut self, player: &PlayerId, effects: &mut Effects<Update>) {
        let Some(seat) = self.seat(player) else {
            // The place was freed while the player was away. Another may be free now.
            if self.phase == Phase::Waiting {
                self.sit(player, effects);
            }
            return;
        };
        match self.seats[seat].hand {
            Hand::Here | Hand::Gone | Hand::Bot => {}
            Hand::Away | Hand::Missing { .. } => {
                self.seats[seat].hand = Hand::Here;
                effects.clear_timer(&away(player));
                self.set_pause(effects);
            }
        }
    }

    /// Handles the end of a player's time to return: pauses the game, or gives up on the player after the pause.
    pub(super) fn on_away(&mut self, player: &str, effects: &mut Effects<Update>) {
        let Some(seat) = self
            .seats
            .iter()
            .position(|seat| seat.player.as_str() == player)
        else {
            return;
        };
        match (self.phase, self.seats[seat].hand) {
            (Phase::Waiting, Hand::Away) => self.free(seat, effects),
            (Phase::Playing | Phase::Paused, Hand::Away) => {
                let until_ms = effects.now_ms() + self.params.pause_ms;
                self.seats[seat].hand = Hand::Missing { until_ms };
                effects.set_timer(&away(&self.seats[seat].player), ms(self.params.pause_ms));
                self.set_pause(effects);
            }
            (Phase::Playing | Phase::Paused, Hand::Missing { .. }) => self.give_up(seat, effects),
            _ => {}
        }
    }

    /// Frees a place before the start. An empty room ends after the time of a pause.
    fn free(&mut self, seat: usize, effects: &mut Effects<Update>) {
        let seat = self.seats.remove(seat);
        effects.clear_timer(&away(&seat.player));
        effects.update(Update::Waiting {
            players: players(&self.seats),
        });
        if self.seats.iter().all(|seat| seat.hand == Hand::Bot) {
            effects.set_timer(EMPTY, ms(self.params.pause_ms));
        }
    }

    /// Replaces a player, or ends the game if it is abandoned.
    fn give_up(&mut self, seat: usize, effects: &mut Effects<Update>) {
        if self.seats[seat].hand == Hand::Gone {
            return;
        }
        self.seats[seat].hand = Hand::Gone;
        effects.clear_timer(&away(&self.seats[seat].player));
        match self.params.on_drop {
            OnDrop::Abandon => {
                let others = self
                    .seats
                    .iter()
                    .filter(|seat| matches!(seat.hand, Hand::Here | Hand::Away))
                    .map(|seat| seat.player.clone())
                    .collect();
                self.end(others, effects);
            }
            OnDrop::Computer => {
                effects.update(Update::Replaced {
                    player: self.seats[seat].player.clone(),
                    by: "computer",
                });
                let is_computer = |seat: &Seat| matches!(seat.hand, Hand::Gone | Hand::Bot);
                if self.seats.iter().all(is_computer) {
                    return self.end(self.best(), effects);
                }
                self.set_pause(effects);
                if self.phase == Phase::Playing && seat == self.turn {
                    self.arm_computer(effects);
                }
            }
        }
    }

    /// Pauses the game if a player is missing, until the first such player's time is up, and resumes it if none is.
    fn set_pause(&mut self, effects: &mut Effects<Update>) {
        let until_ms = |seat: &Seat| match seat.hand {
            Hand::Missing { until_ms } => Some(until_ms),
            _ => None,
        };
        let deadline_ms = self.seats.iter().filter_map(until_ms).min();
        match (self.phase, deadline_ms) {
            (Phase::Playing | Phase::Paused, Some(deadline_ms)) => {
                if self.phase == Phase::Paused && self.deadline_ms == Some(deadline_ms) {
                    return;
                }
                effects.clear_timer(TURN);
                effects.clear_timer(COMPUTER);
                self.phase = Phase::Paused;
                self.deadline_ms = Some(deadline_ms);
                effects.update(Update::Paused { deadline_ms });
            }
            (Phase::Paused, None) => {
                self.phase = Phase::Playing;
                effects.update(Update::Resumed);
                self.begin_turn(effects);
            }
            _ => {}
        }
    }
}
