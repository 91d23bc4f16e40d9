//! `memory`: two to four players take turns at finding pairs among hidden cards.
//!
//! The game starts when `params.players` players have joined. The input is `{"op":"flip","card":5}`. Two equal cards
//! stay open, score one point and keep the turn. Two different cards are hidden after a second, and the turn passes.
//! Both lanes have the same view, and no message contains the face of a hidden card.
//!
//! A player whose connection drops has 30 s to return while the game continues. Then the game pauses for up to two
//! minutes. Then the computer plays on or the others win ([`OnDrop`]). A player who leaves is replaced at once. The
//! game ends when the computer has replaced every player.
//!
//! With `params.bots` the computer plays against the first player, under the names `bot-1`, `bot-2`, …
//!
//! At the end the game emits its result with the topic `results`, without the bots:
//! `{"players":[{"player":"alice","score":3,"won":false},{"player":"bob","score":5,"won":true}]}`.
//!
//! | reject | when |
//! | --- | --- |
//! | `bad_input` | not `{"op":"flip","card":number}` |
//! | `bad_card` | no card has this number |
//! | `finished` | the game is over |
//! | `not_playing` | the player has no place in the game |
//! | `replaced` | the computer plays in the player's place |
//! | `not_started` | players are missing |
//! | `paused` | the game is paused |
//! | `not_your_turn` | another player has the turn |
//! | `two_open` | two different cards are still open |
//! | `card_open` | the card is open |
//!
//! A join is rejected with `room_full` when all places are taken, with `finished` after the end, and with `name_taken` under
//! the name of a bot.

mod params;

mod table;

mod timer;

mod update;

mod play;

mod drops;

mod bots;

pub use params::{OnDrop, Params};
pub use table::{Memory, Phase};

use grandstand_game::{
    Data, Effects, FromInput, Game, Lane, Leave, Listing, PlayerId, Reject, Rng, Setup, Verdict,
    View,
};
use rand::seq::SliceRandom;
use serde::Deserialize;

use params::FACES;
use table::Hand;
use timer::{AWAY, COMPUTER, EMPTY, HIDE, TURN};
use update::{Table, Update, players, scores};

/// A player's input: opens a card.
#[derive(Debug)]
pub struct Flip {
    card: serde_json::Number,
}

/// An input as it is written.
#[derive(Deserialize)]
struct FlipText {
    op: String,
    card: serde_json::Number,
}

impl FromInput for Flip {
    fn from_input(data: &Data) -> Result<Self, String> {
        let flip = match data {
            Data::Json(text) => serde_json::from_slice::<FlipText>(text).ok(),
            Data::Binary(_) => None,
        };
        flip.filter(|flip| flip.op == "flip")
            .map(|flip| Self { card: flip.card })
            .ok_or_else(|| r#"an input must be {"op":"flip","card":number}"#.to_owned())
    }
}

impl Game for Memory {
    const NAME: &'static str = "memory";
    type Params = Params;
    type Input = Flip;
    type Update = Update;

    fn create(params: Params, setup: &mut Setup<'_>) -> Result<Self, Reject> {
        params.check()?;
        let mut deck: Vec<usize> = (0..params.cards()).map(|card| card / 2).collect();
        deck.shuffle(setup.rng);
        Ok(Self {
            phase: Phase::Waiting,
            matched: vec![false; deck.len()],
            deck,
            open: Vec::new(),
            hide_ms: None,
            seats: Vec::new(),
            turn: 0,
            deadline_ms: None,
            winners: None,
            params,
        })
    }

    fn joined(
        &mut self,
        player: &PlayerId,
        _options: &serde_json::Value,
        effects: &mut Effects<Update>,
    ) -> Verdict {
        self.on_joined(player, effects)
    }

    fn left(&mut self, player: &PlayerId, _how: Leave, effects: &mut Effects<Update>) {
        self.on_left(player, effects);
    }

    fn lost(&mut self, player: &PlayerId, effects: &mut Effects<Update>) {
        self.on_lost(player, effects);
    }

    fn returned(&mut self, player: &PlayerId, effects: &mut Effects<Update>) {
        self.on_returned(player, effects);
    }

    fn input(&mut self, player: &PlayerId, flip: Flip, effects: &mut Effects<Update>) -> Verdict {
        let card = self.check(player, &flip)?;
        self.flip(card, effects);
        Ok(())
    }

    fn bot(&self, player: &PlayerId, rng: &mut Rng) -> Option<serde_json::Value> {
        let card = self.choose(player, rng)?;
        Some(serde_json::json!({"op": "flip", "card": card}))
    }

    fn timer(&mut self, name: &str, effects: &mut Effects<Update>) {
        match name {
            TURN => self.pass(effects),
            HIDE => self.hide(effects),
            COMPUTER => self.play_computer(effects),
            EMPTY => self.end(Vec::new(), effects),
            _ => {
                if let Some(player) = name.strip_prefix(AWAY) {
                    self.on_away(player, effects);
                }
            }
        }
    }

    fn listing(&self) -> Option<Listing> {
        let cards = format!("{}x{}", self.params.rows, self.params.cols);
        let mut listing =
            Listing::of_seats(self.seats.len(), self.params.players).with("cards", cards);
        listing.open &= self.phase == Phase::Waiting;
        Some(listing)
    }

    fn view(&self, _lane: Lane) -> View {
        let cards = (0..self.deck.len())
            .map(|card| self.is_open(card).then(|| FACES[self.deck[card]]))
            .collect();
        let has_turn = matches!(self.phase, Phase::Playing | Phase::Paused);
        View::of(&Table {
            phase: self.phase,
            rows: self.params.rows,
            cols: self.params.cols,
            cards,
            open: &self.open,
            turn: has_turn.then(|| &self.seats[self.turn].player),
            deadline_ms: self.deadline_ms,
            players: players(&self.seats),
            scores: scores(&self.seats),
            winners: self.winners.as_deref(),
        })
    }
}

impl Memory {
    /// The card that an input flips, or the reason why the player may not flip it.
    fn check(&self, player: &PlayerId, flip: &Flip) -> Result<usize, Reject> {
        let refuse = |code: &'static str, message: &str| Err(Reject::new(code, message));
        if self.phase == Phase::Over {
            return refuse("finished", "the game is over");
        }
        let Some(seat) = self.seat(player) else {
            return refuse("not_playing", "you have no place in this game");
        };
        if self.seats[seat].hand == Hand::Gone {
            return refuse("replaced", "the computer plays in your place");
        }
        let card = match flip.card.as_u64().and_then(|card| card.try_into().ok()) {
            Some(card) if card < self.deck.len() => card,
            _ => return refuse("bad_card", "there is no card of that number"),
        };
        match self.phase {
            Phase::Waiting => refuse("not_started", "players are missing"),
            Phase::Paused => refuse("paused", "the game waits for a player"),
            _ if seat != self.turn => refuse("not_your_turn", "it is not your turn"),
            _ if self.open.len() == 2 => refuse("two_open", "two cards are open already"),
            _ if self.is_open(card) => refuse("card_open", "the card is open already"),
            _ => Ok(card),
        }
    }
}

#[cfg(test)]
mod tests;
