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
//! A join is rejected with `room_full` when all places are taken, and with `finished` after the end.

mod params;

mod table;

mod timer;

mod update;

mod play;

mod drops;

pub use params::{OnDrop, Params};
pub use table::{Memory, Phase};

use grandstand_game::{Data, Effects, Event, EventKind, Game, Lane, PlayerId, Reject, Setup};
use rand::seq::SliceRandom;
use serde::Deserialize;

use params::FACES;
use table::Hand;
use timer::{AWAY, COMPUTER, EMPTY, HIDE, TURN};
use update::{Players, Scores, View};

/// A player's input.
#[derive(Deserialize)]
struct Flip {
    op: String,
    card: serde_json::Number,
}

impl Game for Memory {
    const NAME: &'static str = "memory";
    type Volatile = ();

    fn create(setup: &mut Setup<'_>) -> Result<Self, Reject> {
        let params = Params::parse(setup.params)?;
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

    fn apply(&mut self, event: &Event<'_>, effects: &mut Effects) {
        match event.kind {
            EventKind::Joined { player, .. } => self.on_joined(player, effects),
            EventKind::Left { player } => self.on_left(player, effects),
            EventKind::Lost { player } => self.on_lost(player, effects),
            EventKind::Returned { player } => self.on_returned(player, effects),
            EventKind::Input { player, data } => match self.check(player, data) {
                Ok(card) => self.flip(card, effects),
                Err(reject) => effects.reject(&reject.code, reject.message),
            },
            EventKind::Timer { name } => self.on_timer(name, effects),
        }
    }

    fn view(&self, _lane: Lane) -> Data {
        let cards = (0..self.deck.len())
            .map(|card| self.is_open(card).then(|| FACES[self.deck[card]]))
            .collect();
        let has_turn = matches!(self.phase, Phase::Playing | Phase::Paused);
        let view = View {
            phase: self.phase,
            rows: self.params.rows,
            cols: self.params.cols,
            cards,
            open: &self.open,
            turn: has_turn.then(|| &self.seats[self.turn].player),
            deadline_ms: self.deadline_ms,
            players: Players(&self.seats),
            scores: Scores(&self.seats),
            winners: self.winners.as_deref(),
        };
        Data::json(&view).expect("a view of plain values is JSON")
    }
}

impl Memory {
    fn on_timer(&mut self, name: &str, effects: &mut Effects) {
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

    /// The card that an input flips, or the reason why the player may not flip it.
    fn check(&self, player: &PlayerId, data: &Data) -> Result<usize, Reject> {
        let refuse = |code, message: &str| Err(Reject::new(code, message));
        let flip = match data {
            Data::Json(text) => serde_json::from_slice::<Flip>(text).ok(),
            Data::Binary(_) => None,
        };
        let Some(flip) = flip.filter(|flip| flip.op == "flip") else {
            return refuse(
                "bad_input",
                r#"an input must be {"op":"flip","card":number}"#,
            );
        };
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
