//! The distribution of players and spectators over rooms, edges and connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::envelope::Encoding;
use grandstand_common::id::Lane;

use super::page::Plan;
use super::script::{Game, OwnGame};

/// Rooms of a connection that is in many rooms.
const ROOMS_PER_CONNECTION: usize = 16;
/// One in this many rooms has players with a connection for that room alone.
const SINGLE_ROOM_EVERY: usize = 5;
/// The names of the first players of each room. Further ones have a number.
const NAMES: [&str; 2] = ["ann", "bob"];

/// The rooms of a run, and how they are played.
#[derive(Debug, Clone)]
pub(super) struct Cast {
    /// The number of rooms.
    pub(super) rooms: usize,
    /// The game of the program that is played; `None` for the built-in ones.
    pub(super) own: Option<Arc<OwnGame>>,
    /// The seed of the clients' decisions.
    pub(super) seed: u64,
    /// The mean time between two inputs.
    pub(super) pace: Duration,
}

/// Returns all clients of the rooms: the players of each game, and a spectator on each edge. Most connections are in
/// many rooms, some in one. Half of them use protobuf.
pub(super) fn crowd(cast: &Cast, edges: &[SocketAddr]) -> Vec<Plan> {
    let Cast {
        rooms, seed, pace, ..
    } = *cast;
    let players = |slot: usize| Game::of_slot(slot, cast.own.as_ref()).players();
    let most = (0..rooms).map(players).max().unwrap_or_default();
    let mut plans: Vec<Plan> = Vec::new();
    let mut add = |client: String, lane, slots: Vec<usize>| {
        if slots.is_empty() {
            return;
        }
        let number = plans.len();
        let mut edges = edges.to_vec();
        let first = number % edges.len().max(1);
        edges.rotate_left(first);
        plans.push(Plan {
            client,
            lane,
            slots,
            edges,
            encoding: [Encoding::Json, Encoding::Proto][number / 2 % 2],
            pace,
            seed: seed.wrapping_mul(1_000_003).wrapping_add(number as u64),
        });
    };
    for player in 0..most {
        let name = NAMES.get(player).map(|&name| name.to_owned());
        let name = name.unwrap_or_else(|| format!("player{}", player + 1));
        // The second player's groups of rooms overlap with two groups of the first player.
        let shift = player % 2 * (ROOMS_PER_CONNECTION / 2);
        let seats = (0..rooms).filter(|slot| players(*slot) > player);
        let groups = (rooms + shift).div_ceil(ROOMS_PER_CONNECTION);
        for group in 0..groups {
            let slots = seats.clone();
            let slots = slots.filter(|slot| (slot + shift) / ROOMS_PER_CONNECTION == group);
            let slots = slots.filter(|slot| slot % SINGLE_ROOM_EVERY != 0).collect();
            add(format!("{name}-{group}"), Lane::Players, slots);
        }
        for slot in seats.filter(|slot| slot.is_multiple_of(SINGLE_ROOM_EVERY)) {
            add(format!("{name}-alone-{slot}"), Lane::Players, vec![slot]);
        }
    }
    for edge in 0..edges.len() {
        for group in 0..rooms.div_ceil(ROOMS_PER_CONNECTION) {
            let slots = (0..rooms)
                .filter(|slot| slot / ROOMS_PER_CONNECTION == group)
                .collect();
            add(format!("sue-{edge}-{group}"), Lane::Spectators, slots);
        }
    }
    plans
}

/// Returns spectators that come at the end and get the final views.
pub(super) fn late(rooms: usize, edges: &[SocketAddr]) -> Vec<Plan> {
    let groups = rooms.div_ceil(ROOMS_PER_CONNECTION);
    let plan = |group: usize| Plan {
        client: format!("lily-{group}"),
        lane: Lane::Spectators,
        slots: (0..rooms)
            .filter(|slot| slot / ROOMS_PER_CONNECTION == group)
            .collect(),
        edges: edges
            .iter()
            .copied()
            .cycle()
            .skip(group)
            .take(edges.len())
            .collect(),
        encoding: Encoding::Json,
        pace: Duration::ZERO,
        seed: group as u64,
    };
    (0..groups).map(plan).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_room_has_its_players_and_a_spectator_on_each_edge() {
        let edges = [([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into()];
        for rooms in [1, 7, 33, 200] {
            let cast = Cast {
                rooms,
                own: None,
                seed: 1,
                pace: Duration::ZERO,
            };
            let plans = crowd(&cast, &edges);
            let mut seats = BTreeMap::<_, usize>::new();
            let mut names: Vec<_> = plans.iter().map(|plan| &plan.client).collect();
            for plan in &plans {
                assert!(plan.slots.len() <= ROOMS_PER_CONNECTION);
                for slot in &plan.slots {
                    *seats.entry((*slot, plan.lane)).or_default() += 1;
                }
            }
            assert_eq!(seats.len(), rooms * 2);
            for ((slot, lane), count) in &seats {
                let with_bot = slot % 8 == 7 && *lane == Lane::Players;
                assert_eq!(*count, if with_bot { 1 } else { 2 }, "{seats:?}");
            }
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), plans.len());
        }
    }
}
