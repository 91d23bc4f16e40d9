//! Lists of clients and rooms, for operators.

use grandstand_common::envelope::Encoding;
use grandstand_common::id::{EdgeId, Lane as LaneId, RoomId};
use serde::Serialize;

use super::rooms::Room;
use super::state::Hub;
use crate::conn::key::ConnKey;
use crate::conn::name::ConnName;

/// A client, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedClient {
    /// The key of the connection.
    #[serde(skip)]
    pub key: ConnKey,
    /// The name of the connection, as in `welcome` and in the log.
    pub connection: String,
    /// The player; `None` for a client without a token.
    pub player: Option<String>,
    /// The encoding of messages: `json` or `proto`.
    pub encoding: &'static str,
    /// The time at which the token expires, Unix milliseconds.
    pub token_expires_ms: Option<u64>,
    /// The rooms, and the role in each.
    pub rooms: Vec<ListedMembership>,
}

/// A client's room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedMembership {
    /// The room.
    pub room: String,
    /// `player` or `spectator`.
    pub role: &'static str,
}

/// A room as one shard knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedRoom {
    /// The room.
    pub room: String,
    /// The id of the shard.
    pub shard: String,
    /// The partition.
    pub partition: u16,
    /// The instance; `None` if the owner has not sent one, or there is no such room.
    pub instance: Option<String>,
    /// The clients of this shard that play.
    pub players: usize,
    /// The clients of this shard that watch.
    pub spectators: usize,
}

/// A part of a list, and the slot to continue from; `None` at its end.
pub type Part<T> = (Vec<T>, Option<usize>);

/// The lists of a core.
#[derive(Debug, Clone, Copy)]
pub struct Lists<'a> {
    hub: &'a Hub,
    edge: &'a EdgeId,
}

impl<'a> Lists<'a> {
    pub(super) fn new(hub: &'a Hub, edge: &'a EdgeId) -> Self {
        Self { hub, edge }
    }

    /// The numbers of known rooms, of open connections, and of memberships by [`LaneId::index`].
    pub fn sizes(self) -> (usize, usize, [usize; 2]) {
        let Hub { rooms, clients, .. } = self.hub;
        (rooms.len(), clients.len(), clients.members())
    }

    /// The clients in slots from `from` on.
    pub fn clients(self, from: usize, bounds: Bounds) -> Part<ListedClient> {
        clients(self.hub, self.edge, from, bounds)
    }

    /// The rooms in slots from `from` on.
    pub fn rooms(self, from: usize, bounds: Bounds) -> Part<ListedRoom> {
        let rooms = &self.hub.rooms;
        part(rooms.slots(), from, bounds, |slot| {
            Some(listed(rooms.at(slot)?, self.edge))
        })
    }

    /// One room.
    pub fn room(self, id: &RoomId) -> Option<ListedRoom> {
        let key = self.hub.rooms.find(id.as_str())?;
        Some(listed(self.hub.rooms.get(key)?, self.edge))
    }
}

fn clients(hub: &Hub, edge: &EdgeId, from: usize, bounds: Bounds) -> Part<ListedClient> {
    part(hub.clients.slots(), from, bounds, |slot| {
        let key = hub.clients.key_at(slot)?;
        let client = hub.clients.get(key)?;
        let memberships = client.memberships().iter();
        let rooms = memberships.filter_map(|member| {
            let room = hub.rooms.get(member.room)?;
            Some(ListedMembership {
                room: room.id().to_string(),
                role: match member.lane {
                    LaneId::Players => "player",
                    LaneId::Spectators => "spectator",
                },
            })
        });
        Some(ListedClient {
            key,
            connection: ConnName { edge, key }.to_string(),
            player: client.grants().player().map(ToString::to_string),
            encoding: match client.encoding() {
                Encoding::Json => "json",
                Encoding::Proto => "proto",
            },
            token_expires_ms: client.grants().expires_ms(),
            rooms: rooms.collect(),
        })
    })
}

fn listed(room: &Room, edge: &EdgeId) -> ListedRoom {
    let instance = room.instance();
    ListedRoom {
        room: room.id().to_string(),
        shard: edge.to_string(),
        partition: room.partition().0,
        instance: (instance.0 != 0).then(|| instance.to_string()),
        players: room.lane(LaneId::Players).clients().len(),
        spectators: room.lane(LaneId::Spectators).clients().len(),
    }
}

/// The most work for a part of a list.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The most slots that are looked at.
    pub slots: usize,
    /// The most items.
    pub limit: usize,
}

fn part<T>(end: usize, from: usize, bounds: Bounds, item: impl Fn(usize) -> Option<T>) -> Part<T> {
    let last = end.min(from.saturating_add(bounds.slots));
    let mut items = Vec::new();
    for slot in from..last {
        if items.len() == bounds.limit {
            return (items, Some(slot));
        }
        items.extend(item(slot));
    }
    (items, (last < end).then_some(last.max(from)))
}
