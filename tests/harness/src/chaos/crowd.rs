//! The distribution of players and spectators over rooms, edges and connections.

use std::net::SocketAddr;
use std::time::Duration;

use grandstand_common::envelope::Encoding;
use grandstand_common::id::Lane;

use super::page::Plan;

/// Rooms of a connection that is in many rooms.
const ROOMS_PER_CONNECTION: usize = 16;
/// One in this many rooms has players with a connection for that room alone.
const SINGLE_ROOM_EVERY: usize = 5;

/// Returns all clients of `rooms` rooms: two players in each, and a spectator on each edge. Most connections are in
/// many rooms, some in one. Half of them use protobuf.
pub(super) fn crowd(rooms: usize, edges: &[SocketAddr], seed: u64, pace: Duration) -> Vec<Plan> {
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
    // The second player's groups of rooms overlap with two groups of the first player.
    for (name, shift) in [("ann", 0), ("bob", ROOMS_PER_CONNECTION / 2)] {
        let groups = (rooms + shift).div_ceil(ROOMS_PER_CONNECTION);
        for group in 0..groups {
            let slots = (0..rooms).filter(|slot| (slot + shift) / ROOMS_PER_CONNECTION == group);
            let slots = slots.filter(|slot| slot % SINGLE_ROOM_EVERY != 0).collect();
            add(format!("{name}-{group}"), Lane::Players, slots);
        }
        for slot in (0..rooms).step_by(SINGLE_ROOM_EVERY) {
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
    fn every_room_has_two_players_and_a_spectator_on_each_edge() {
        let edges = [([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into()];
        for rooms in [1, 7, 33, 200] {
            let plans = crowd(rooms, &edges, 1, Duration::ZERO);
            let mut seats = BTreeMap::<_, usize>::new();
            let mut names: Vec<_> = plans.iter().map(|plan| &plan.client).collect();
            for plan in &plans {
                assert!(plan.slots.len() <= ROOMS_PER_CONNECTION);
                for slot in &plan.slots {
                    *seats.entry((*slot, plan.lane)).or_default() += 1;
                }
            }
            assert_eq!(seats.len(), rooms * 2);
            assert!(seats.values().all(|&count| count == 2), "{seats:?}");
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), plans.len());
        }
    }
}
