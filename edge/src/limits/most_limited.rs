//! The addresses and players that are refused most, for operators.

use std::fmt::Display;

// Held to count a refusal. A shard that does not get it at once counts nothing.
use parking_lot::Mutex;
use serde::Serialize;

use crate::limits::refusal::Limit;

/// The most entries.
const ENTRIES: usize = 64;

/// An address, a player, a room or a connection that limits refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limited {
    /// The limit.
    pub limit: &'static str,
    /// The address, the player or the room; the connection, if its client has no token.
    pub who: String,
    /// The most times that it was refused: a new entry takes over the count of the one that it displaces.
    pub refused: u64,
}

/// The addresses, players, rooms and connections that were refused most, in bounded memory (the algorithm Space-Saving,
/// Metwally et al. 2005).
#[derive(Debug, Default)]
pub(super) struct MostLimited(Mutex<Vec<Limited>>);

impl MostLimited {
    /// Counts a refusal.
    pub(super) fn note(&self, limit: Limit, who: &impl Display) {
        let Some(mut entries) = self.0.try_lock() else {
            return;
        };
        let limit = limit.name();
        let who = who.to_string();
        let known = entries
            .iter_mut()
            .find(|entry| entry.limit == limit && entry.who == who);
        if let Some(entry) = known {
            entry.refused += 1;
            return;
        }
        let mut entry = Limited {
            limit,
            who,
            refused: 1,
        };
        if entries.len() < ENTRIES {
            return entries.push(entry);
        }
        if let Some(least) = entries.iter_mut().min_by_key(|entry| entry.refused) {
            entry.refused += least.refused;
            *least = entry;
        }
    }

    /// The entries, those with the most refusals first.
    pub(super) fn list(&self) -> Vec<Limited> {
        let mut entries = self.0.lock().clone();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.refused));
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_most_stays_in_bounded_memory() {
        let most = MostLimited::default();
        for round in 0..100 {
            most.note(Limit::AddressConnections, &"192.0.2.1");
            most.note(Limit::PlayerConnections, &"alice");
            most.note(Limit::PlayerConnections, &"alice");
            for other in 0..10 {
                most.note(
                    Limit::AddressConnections,
                    &format!("2001:db8::{round}:{other}"),
                );
            }
        }
        let list = most.list();
        assert_eq!(list.len(), ENTRIES);
        let first = Limited {
            limit: "player_connections",
            who: "alice".to_owned(),
            refused: 200,
        };
        assert_eq!(list[0], first);
        assert_eq!((list[1].who.as_str(), list[1].refused), ("192.0.2.1", 100));
    }
}
