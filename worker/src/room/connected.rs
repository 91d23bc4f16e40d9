//! The edges of connected players' sessions, counted per entry so that no query iterates over all players.

use std::collections::BTreeMap;

use grandstand_common::id::EdgeId;

use super::players::Presence;
use super::state::RoomState;

/// The number of connected players by edge.
#[derive(Debug)]
pub(super) struct Connected {
    edges: BTreeMap<EdgeId, u32>,
    /// Whether an edge was added or removed after the last [`take_moved`](Self::take_moved). Starts as true.
    moved: bool,
}

impl Default for Connected {
    fn default() -> Self {
        Self {
            edges: BTreeMap::new(),
            moved: true,
        }
    }
}

impl Connected {
    pub(super) fn from_state(state: &RoomState) -> Self {
        let mut counted = Self::default();
        for player in state.players.values() {
            if player.presence == Presence::Connected {
                counted.count(None, Some(player.edge.clone()));
            }
        }
        counted
    }

    /// Counts a player whose edge was `before` and is `now`; `None` while not connected.
    pub(super) fn count(&mut self, before: Option<EdgeId>, now: Option<EdgeId>) {
        if before == now {
            return;
        }
        if let Some(now) = now {
            let count = self.edges.entry(now).or_default();
            self.moved |= *count == 0;
            *count += 1;
        }
        if let Some(before) = before
            && let Some(count) = self.edges.get_mut(&before)
        {
            *count -= 1;
            if *count == 0 {
                self.edges.remove(&before);
                self.moved = true;
            }
        }
    }

    /// The number of connected players.
    pub(super) fn total(&self) -> usize {
        self.edges.values().map(|count| *count as usize).sum()
    }

    pub(super) fn edges(&self) -> impl Iterator<Item = &EdgeId> {
        self.edges.keys()
    }

    pub(super) fn has(&self, edge: &EdgeId) -> bool {
        self.edges.contains_key(edge)
    }

    pub(super) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }
}
