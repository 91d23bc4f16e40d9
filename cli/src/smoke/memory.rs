//! The table of `memory`, as one client sees it, and a player with a perfect memory.

use serde_json::{Value, json};

/// The table.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    phase: String,
    turn: Option<String>,
    /// The cards that are open and not matched.
    open: Vec<u64>,
    cards: Vec<Card>,
    /// Whether the game waits for an input: no other update follows at once.
    waits: bool,
}

#[derive(Debug, Clone, Default)]
struct Card {
    /// The face, once it was seen.
    face: Option<String>,
    is_shown: bool,
}

impl Table {
    /// Whether the game is over.
    pub(super) fn is_over(&self) -> bool {
        self.phase == "over"
    }

    /// Whether both players are there.
    pub(super) fn is_playing(&self) -> bool {
        self.phase == "playing"
    }

    /// Takes a snapshot.
    pub(super) fn show(&mut self, view: &Value) {
        self.phase = text(&view["phase"]);
        self.turn = view["turn"].as_str().map(str::to_owned);
        self.open = numbers(&view["open"]);
        let faces = view["cards"].as_array().cloned().unwrap_or_default();
        self.cards.resize_with(faces.len(), Card::default);
        for (card, face) in self.cards.iter_mut().zip(&faces) {
            card.is_shown = face.is_string();
            if card.is_shown {
                card.face = Some(text(face));
            }
        }
        self.waits = true;
    }

    /// Takes an update.
    pub(super) fn update(&mut self, update: &Value) {
        let kind = update["kind"].as_str().unwrap_or_default();
        match kind {
            "started" | "turn" => {
                self.phase = "playing".to_owned();
                let player = if kind == "turn" { "player" } else { "turn" };
                self.turn = update[player].as_str().map(str::to_owned);
            }
            "flipped" => {
                let number = update["card"].as_u64().unwrap_or_default();
                self.open.push(number);
                if let Some(card) = self.cards.get_mut(number as usize) {
                    card.face = Some(text(&update["face"]));
                    card.is_shown = true;
                }
            }
            "matched" => self.open.clear(),
            "hidden" => {
                for number in numbers(&update["cards"]) {
                    self.open.retain(|open| *open != number);
                    if let Some(card) = self.cards.get_mut(number as usize) {
                        card.is_shown = false;
                    }
                }
            }
            "paused" => self.phase = "paused".to_owned(),
            "resumed" => self.phase = "playing".to_owned(),
            "over" => {
                self.phase = "over".to_owned();
                self.turn = None;
            }
            _ => {}
        }
        self.waits = matches!(kind, "started" | "turn" | "flipped");
    }

    /// Chooses the card to flip, if it is this player's turn.
    pub(super) fn choose(&self, player: &str) -> Option<Value> {
        let is_mine = self.is_playing() && self.turn.as_deref() == Some(player);
        if !is_mine || !self.waits || self.open.len() >= 2 {
            return None;
        }
        let known = match self.open.first() {
            Some(open) => self.twin(*open as usize),
            None => self.hidden().find(|card| self.twin(*card).is_some()),
        };
        let new = || self.hidden().find(|card| self.cards[*card].face.is_none());
        known
            .or_else(new)
            .or_else(|| self.hidden().next())
            .map(flip)
    }

    fn hidden(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.cards.len()).filter(|card| !self.cards[*card].is_shown)
    }

    /// A hidden card that is known to have the face of another one.
    fn twin(&self, card: usize) -> Option<usize> {
        let face = self.cards.get(card)?.face.as_ref()?;
        self.hidden()
            .find(|other| *other != card && self.cards[*other].face.as_ref() == Some(face))
    }
}

/// The input that flips a card.
pub(super) fn flip(card: usize) -> Value {
    json!({"op": "flip", "card": card})
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn numbers(value: &Value) -> Vec<u64> {
    let numbers = value.as_array().into_iter().flatten();
    numbers.filter_map(Value::as_u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_player_flips_the_twin_of_a_card_that_it_has_seen() {
        let mut table = Table::default();
        table.show(&json!({"phase": "waiting", "turn": null, "open": [], "cards": [null, null, null, null]}));
        assert_eq!(table.choose("a"), None);
        table.update(&json!({"kind": "started", "turn": "a"}));
        assert_eq!(
            (table.choose("a"), table.choose("b")),
            (Some(flip(0)), None)
        );
        table.update(&json!({"kind": "flipped", "card": 0, "face": "A", "by": "a"}));
        assert_eq!(table.choose("a"), Some(flip(1)));
        table.update(&json!({"kind": "flipped", "card": 1, "face": "B", "by": "a"}));
        assert_eq!(table.choose("a"), None, "two are open");
        table.update(&json!({"kind": "hidden", "cards": [0, 1]}));
        assert_eq!(table.choose("a"), None, "the turn follows");
        table.update(&json!({"kind": "turn", "player": "b"}));
        assert_eq!(table.choose("b"), Some(flip(2)));
        table.update(&json!({"kind": "flipped", "card": 2, "face": "A", "by": "b"}));
        assert_eq!(table.choose("b"), Some(flip(0)));
        table.update(&json!({"kind": "flipped", "card": 0, "face": "A", "by": "b"}));
        table.update(&json!({"kind": "matched", "cards": [2, 0], "by": "b"}));
        table.update(&json!({"kind": "over"}));
        assert!(table.is_over());
        assert_eq!(table.choose("b"), None);
    }
}
