//! The busiest rooms, from the lists of workers, or of edges if no worker is asked.

use std::collections::HashMap;

use serde_json::Value;

/// A room, as far as the asked processes know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) name: String,
    pub(super) players: u64,
    pub(super) spectators: u64,
    /// The shards of edges that watch it; `None` from an edge.
    pub(super) edges: Option<u64>,
    /// Unusual facts: quarantine, hot.
    pub(super) note: String,
}

/// The order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Order {
    #[default]
    Spectators,
    Players,
    Name,
}

impl Order {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Spectators => Self::Players,
            Self::Players => Self::Name,
            Self::Name => Self::Spectators,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Spectators => "by spectators",
            Self::Players => "by players",
            Self::Name => "by name",
        }
    }
}

/// Reads a page of rooms. Returns whether there are more.
pub(super) fn read(page: &Value) -> (Vec<Room>, bool) {
    let rooms = page["rooms"].as_array();
    let rooms = rooms.into_iter().flatten().filter_map(room).collect();
    (rooms, page["next"].is_string())
}

fn room(item: &Value) -> Option<Room> {
    let number = |name: &str| item[name].as_u64().unwrap_or_default();
    let mut notes = Vec::new();
    if let Some(state) = item["state"].as_str().filter(|state| *state != "loaded") {
        notes.push(state);
    }
    notes.extend(item["code"].as_str());
    notes.extend((item["is_hot"] == true).then_some("hot"));
    notes.extend((item["is_waiting"] == true).then_some("waits"));
    Some(Room {
        name: item["room"].as_str()?.to_owned(),
        players: number("players"),
        spectators: number("spectators"),
        edges: item["edges"].as_u64(),
        note: notes.join(", "),
    })
}

/// Joins the lists of several processes: a worker knows all of a room, each shard of an edge its own clients.
pub(super) fn join<'a>(
    of_workers: impl Iterator<Item = &'a Room>,
    of_edges: impl Iterator<Item = &'a Room>,
) -> Vec<Room> {
    let mut rooms: HashMap<&str, Room> = HashMap::new();
    for room in of_edges {
        rooms
            .entry(&room.name)
            .and_modify(|known| {
                known.players += room.players;
                known.spectators += room.spectators;
            })
            .or_insert_with(|| room.clone());
    }
    for room in of_workers {
        rooms.insert(&room.name, room.clone());
    }
    rooms.into_values().collect()
}

/// Sorts rooms.
pub(super) fn sort(rooms: &mut [Room], order: Order) {
    rooms.sort_by(|a, b| {
        let name = || a.name.cmp(&b.name);
        match order {
            Order::Spectators => (b.spectators, b.players)
                .cmp(&(a.spectators, a.players))
                .then_with(name),
            Order::Players => (b.players, b.spectators)
                .cmp(&(a.players, a.spectators))
                .then_with(name),
            Order::Name => name(),
        }
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shards_are_added_and_a_worker_knows_best() {
        let page = json!({"rooms": [{"room": "a-1", "shard": "e-0", "players": 1, "spectators": 5},
                                    {"room": "a-1", "shard": "e-1", "players": 1, "spectators": 7},
                                    {"room": "b-1", "shard": "e-1", "players": 2, "spectators": 0}], "next": "1.9"});
        let (edges, has_more) = read(&page);
        assert!(has_more);
        let page = json!({"rooms": [{"room": "b-1", "players": 3, "spectators": 1, "edges": 2, "is_hot": true,
                                     "state": "loaded", "code": null}], "next": null});
        let (workers, has_more) = read(&page);
        assert!(!has_more);
        let mut rooms = join(workers.iter(), edges.iter());
        sort(&mut rooms, Order::Spectators);
        let shown: Vec<_> = rooms
            .iter()
            .map(|room| {
                (
                    room.name.as_str(),
                    room.players,
                    room.spectators,
                    room.note.as_str(),
                )
            })
            .collect();
        assert_eq!(shown, [("a-1", 2, 12, ""), ("b-1", 3, 1, "hot")]);
        sort(&mut rooms, Order::Players);
        assert_eq!(rooms[0].name, "b-1");
        assert_eq!(Order::Spectators.next().next().next(), Order::Spectators);
    }
}
