//! `memory`: two to four players take turns at finding pairs among hidden cards.
//!
//! It starts when `params.players` are in. Input is `{"op":"flip","card":5}`; two equal cards stay open, score one and
//! keep the turn, two different ones are hidden again after a second, and the turn passes. Both lanes see the same, and
//! the face of a hidden card is in no message to anybody.
//!
//! A player who drops has 30 s to return while the game goes on, then it pauses for up to two minutes, then the
//! computer plays on or the others win ([`OnDrop`]). Who leaves for good is replaced at once. When nobody is left whom
//! the computer did not replace, the game is over.
//!
//! | reject | when |
//! | --- | --- |
//! | `bad_input` | not `{"op":"flip","card":number}` |
//! | `bad_card` | there is no card of that number |
//! | `finished` | the game is over |
//! | `not_playing` | a player of the room who has no place in the game |
//! | `replaced` | the computer plays in the player's place |
//! | `not_started` | players are missing |
//! | `paused` | the game is paused |
//! | `not_your_turn` | it is another's |
//! | `two_open` | two different cards are still open |
//! | `card_open` | the card is open |
//!
//! A join is refused with `room_full` when all places are taken, and with `finished` at the end.

mod params;

mod update;

mod play;

mod drops;

pub use params::{OnDrop, Params};
pub use update::Phase;

use grandstand_game::{Data, Lane, PlayerId};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use grandstand_game::Effects;
use grandstand_game::{Event, EventKind, Game, Refusal, Setup};
use update::{Players, Scores, Update, View};

/// What cards show.
const FACES: &[&str] = &[
    "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S",
    "T", "U", "V", "W", "X", "Y", "Z", "2", "3", "4", "5", "6", "7",
];

/// The turn runs out.
const TURN: &str = "turn";
/// Two different cards are hidden again.
const HIDE: &str = "hide";
/// The computer flips a card.
const COMPUTER: &str = "computer";
/// Nobody came to a room in which nobody waits.
const EMPTY: &str = "empty";
/// `away:{player}`: the player's time to return runs out.
const AWAY: &str = "away:";

/// A game of `memory`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Memory {
    params: Params,
    phase: Phase,
    /// Each card's face, by its index in [`FACES`]. Never shown as a whole.
    deck: Vec<usize>,
    /// Which cards were matched.
    matched: Vec<bool>,
    /// The one or two cards that are open and not matched.
    open: Vec<usize>,
    /// When two different open cards are hidden.
    hide_ms: Option<u64>,
    /// Who plays, in the order of their turns.
    seats: Vec<Seat>,
    /// Whose turn it is, while there is one.
    turn: usize,
    deadline_ms: Option<u64>,
    winners: Option<Vec<PlayerId>>,
}

/// A place in the game.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Seat {
    player: PlayerId,
    score: u32,
    hand: Hand,
}

/// Who plays in a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Hand {
    /// Its player, who is connected.
    Here,
    /// Its player, who dropped a short while ago.
    Away,
    /// Its player, for whom the game is paused until then.
    Missing { until_ms: u64 },
    /// The computer, or, where the game was abandoned, nobody.
    Gone,
}

/// A player's input.
#[derive(Deserialize)]
struct Flip {
    op: String,
    card: serde_json::Number,
}

impl Game for Memory {
    const NAME: &'static str = "memory";
    type Volatile = ();

    fn create(setup: &mut Setup<'_>) -> Result<Self, Refusal> {
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
                Err(refusal) => effects.reject(&refusal.code, refusal.message),
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
    fn on_joined(&mut self, player: &PlayerId, effects: &mut Effects) {
        if self.phase == Phase::Over {
            return effects.reject("finished", "the game is over");
        }
        // Who comes again after the computer took over only watches.
        if self.seat(player).is_some() {
            return;
        }
        if self.phase != Phase::Waiting {
            return effects.reject("room_full", "all places are taken");
        }
        self.seats.push(Seat {
            player: player.clone(),
            score: 0,
            hand: Hand::Here,
        });
        effects.clear_timer(EMPTY);
        if self.seats.len() < self.params.players {
            effects.update(&Update::Waiting {
                players: Players(&self.seats),
            });
        } else {
            self.start(effects);
        }
    }

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

    /// Whether a player may flip a card now, and which.
    fn check(&self, player: &PlayerId, data: &Data) -> Result<usize, Refusal> {
        let refuse = |code, message: &str| Err(Refusal::new(code, message));
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

    fn seat(&self, player: &PlayerId) -> Option<usize> {
        self.seats.iter().position(|seat| &seat.player == player)
    }

    fn is_open(&self, card: usize) -> bool {
        self.matched[card] || self.open.contains(&card)
    }
}

/// The name of a player's timer.
fn away(player: &PlayerId) -> String {
    format!("{AWAY}{player}")
}

#[cfg(test)]
mod tests;
