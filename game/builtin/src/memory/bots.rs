//! Players whom the computer plays from the beginning.

use grandstand_game::{Effects, PlayerId, Rng};
use rand::seq::IteratorRandom as _;

use super::table::{Hand, Memory, Phase, Seat};
use super::timer::ms;
use super::update::Update;

/// The beginning of the names of bots.
const PREFIX: &str = "bot-";

impl Memory {
    /// Whether a name is that of a bot of this room.
    pub(super) fn is_bot(&self, player: &PlayerId) -> bool {
        let number = player.as_str().strip_prefix(PREFIX);
        let number = number.and_then(|number| number.parse::<usize>().ok());
        number.is_some_and(|number| (1..=self.params.bots).contains(&number))
    }

    /// Gives the bots their places.
    pub(super) fn seat_bots(&mut self, effects: &mut Effects<Update>) {
        for number in 1..=self.params.bots {
            let Ok(player) = format!("{PREFIX}{number}").parse::<PlayerId>() else {
                continue;
            };
            if self.seat(&player).is_some() {
                continue;
            }
            effects.add_bot(&player, ms(self.params.computer_ms));
            self.seats.push(Seat {
                player,
                score: 0,
                hand: Hand::Bot,
            });
        }
    }

    /// The card that a bot flips: a random hidden one, because it remembers no cards.
    pub(super) fn choose(&self, player: &PlayerId, rng: &mut Rng) -> Option<usize> {
        let has_turn = self.phase == Phase::Playing && self.seat(player) == Some(self.turn);
        if !has_turn || self.open.len() == 2 {
            return None;
        }
        let hidden = (0..self.deck.len()).filter(|&card| !self.is_open(card));
        hidden.choose(rng)
    }
}
