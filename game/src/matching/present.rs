//! The players in the room of a queue.

use std::collections::BTreeMap;

use grandstand_types::id::PlayerId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::messages::size;

/// The players in the room.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Present {
    players: BTreeMap<PlayerId, Here>,
    /// The bytes that they take in the stored state, roughly.
    bytes: usize,
}

/// A player in the room.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Here {
    /// The options of its token.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    options: Value,
    /// The time of the loss of its connection, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lost_ms: Option<u64>,
}

impl Present {
    pub(super) fn len(&self) -> usize {
        self.players.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.players.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn has(&self, player: &PlayerId) -> bool {
        self.players.contains_key(player)
    }

    /// Whether a player has lost its connection.
    pub(super) fn has_lost(&self) -> bool {
        self.players.values().any(|here| here.lost_ms.is_some())
    }

    /// The options of a player's token; null if there are none.
    pub(super) fn options(&self, player: &PlayerId) -> &Value {
        let here = self.players.get(player);
        here.map_or(&Value::Null, |here| &here.options)
    }

    /// Adds a player, or takes its new options.
    pub(super) fn add(&mut self, player: &PlayerId, options: Value) {
        self.remove(player);
        self.bytes += size(player, &options);
        let lost_ms = None;
        self.players
            .insert(player.clone(), Here { options, lost_ms });
    }

    pub(super) fn remove(&mut self, player: &PlayerId) {
        if let Some(here) = self.players.remove(player) {
            self.bytes -= size(player, &here.options);
        }
    }

    /// Notes that a player is not connected, or is again.
    pub(super) fn lose(&mut self, player: &PlayerId, lost_ms: Option<u64>) {
        if let Some(here) = self.players.get_mut(player) {
            here.lost_ms = lost_ms;
        }
    }

    /// The players who are connected.
    pub(super) fn connected(&self) -> impl Iterator<Item = &PlayerId> {
        let players = self.players.iter();
        players.filter_map(|(player, here)| here.lost_ms.is_none().then_some(player))
    }

    /// The players who were lost before a time, Unix milliseconds.
    pub(super) fn lost_before(&self, before_ms: u64) -> impl Iterator<Item = &PlayerId> {
        let is_lost = move |here: &Here| here.lost_ms.is_some_and(|at| at < before_ms);
        let players = self.players.iter();
        players.filter_map(move |(player, here)| is_lost(here).then_some(player))
    }
}
