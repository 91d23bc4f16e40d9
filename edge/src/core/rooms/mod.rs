//! The rooms of a core: lanes with their members, and players' sessions.

mod config;

mod room;

pub(crate) mod sessions;

mod recipient;

mod player_session;

mod private_messages;

mod reject;

mod input_charge;

pub(crate) mod sync;

pub(crate) mod chain;

pub(crate) mod event;

pub(crate) mod lane;

mod ended_term;

mod lane_clients;

mod private_frames;

mod waiting;

mod stale;

mod catch_up;

mod update_ring;

mod newest_frame;

pub(crate) mod frame_log;

pub(crate) mod delay;

pub(crate) mod hot;

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use grandstand_common::id::{Lane as LaneId, RoomId};
use grandstand_common::layout::Layout;
use slab::Slab;

use super::effects::Effects;
use super::ids::{RoomAddress, RoomKey};
use crate::codec::{DeflateOptions, Encoder};

pub use config::RoomConfig;
pub(crate) use room::Room;

/// All rooms of a core, by key and by name.
#[derive(Debug)]
pub(crate) struct Rooms {
    rooms: Slab<Room>,
    names: HashMap<RoomId, RoomKey>,
    /// The number of rooms that were ever opened; wraps around.
    generation: u32,
    /// The times at which delayed lanes have due events, with their rooms.
    releases: BTreeSet<(Instant, RoomKey)>,
    /// Encodes messages for all members of a lane.
    encoder: Encoder,
    config: RoomConfig,
    layout: Layout,
}

impl Rooms {
    /// Creates an empty table.
    pub(crate) fn new(config: RoomConfig, layout: Layout, deflate: DeflateOptions) -> Self {
        Self {
            rooms: Slab::new(),
            names: HashMap::new(),
            generation: 0,
            releases: BTreeSet::new(),
            encoder: Encoder::new(deflate),
            config,
            layout,
        }
    }

    /// Moves all rooms to the partitions of another layout.
    pub(crate) fn set_layout(&mut self, layout: Layout) {
        self.layout = layout;
        for (_, room) in &mut self.rooms {
            room.set_partition(layout.partition_of(room.id()));
        }
    }

    /// The settings of rooms.
    pub(crate) fn config(&self) -> &RoomConfig {
        &self.config
    }

    /// Replaces the most bytes of frames that may wait for one member.
    pub(crate) fn set_outbox_bytes(&mut self, bytes: usize) {
        self.config.outbox_bytes = bytes;
    }

    /// The room of this name, if it is known.
    pub(crate) fn find(&self, id: &str) -> Option<RoomKey> {
        self.names.get(id).copied()
    }

    /// The room of this name. Creates it if it is not known.
    pub(crate) fn open(&mut self, id: &RoomId) -> RoomKey {
        if let Some(&key) = self.names.get(id) {
            return key;
        }
        self.generation = self.generation.wrapping_add(1);
        let entry = self.rooms.vacant_entry();
        let key = RoomKey::new(entry.key(), self.generation);
        let address = RoomAddress {
            key,
            id: id.clone(),
            partition: self.layout.partition_of(id),
        };
        entry.insert(Room::new(address, self.config.ring_bytes));
        self.names.insert(id.clone(), key);
        key
    }

    /// Removes a room, and ends its subscription if it is hot.
    pub(crate) fn remove(&mut self, key: RoomKey, effects: &mut Effects) {
        let Some(room) = self.get_mut(key) else {
            return;
        };
        room.end_hot(effects);
        let id = room.id().clone();
        self.names.remove(&id);
        self.rooms.remove(key.index());
    }

    pub(crate) fn get(&self, key: RoomKey) -> Option<&Room> {
        let room = self.rooms.get(key.index())?;
        (room.address().key == key).then_some(room)
    }

    /// A room, to change it.
    pub(crate) fn get_mut(&mut self, key: RoomKey) -> Option<&mut Room> {
        let room = self.rooms.get_mut(key.index())?;
        (room.address().key == key).then_some(room)
    }

    /// A room, with the encoder of its lanes' messages.
    pub(crate) fn get_with_encoder(&mut self, key: RoomKey) -> Option<(&mut Room, &mut Encoder)> {
        let room = self.rooms.get_mut(key.index())?;
        (room.address().key == key).then_some((room, &mut self.encoder))
    }

    /// The number of slots of rooms, also of those that are gone.
    pub(crate) fn slots(&self) -> usize {
        self.rooms.capacity()
    }

    pub(crate) fn at(&self, slot: usize) -> Option<&Room> {
        self.rooms.get(slot)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Room> {
        self.rooms.iter().map(|(_, room)| room)
    }

    /// All rooms, to change them.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Room> {
        self.rooms.iter_mut().map(|(_, room)| room)
    }

    /// The number of rooms.
    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// The encoder, for its counters.
    pub(crate) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Notes when the room's delayed lane has its next due event.
    pub(crate) fn schedule_release(&mut self, key: RoomKey) {
        let room = self.get(key);
        if let Some(at) = room.and_then(|room| room.lane(LaneId::Spectators).next_release()) {
            self.releases.insert((at, key));
        }
    }

    /// The next room whose delayed lane has a due event. Call until `None`, again at
    /// [`next_release`](Self::next_release).
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<RoomKey> {
        let (_, key) = *self.releases.first().filter(|(at, _)| *at <= now)?;
        self.releases.pop_first();
        Some(key)
    }

    /// The time of the next call of [`pop_due`](Self::pop_due).
    pub(crate) fn next_release(&self) -> Option<Instant> {
        self.releases.first().map(|(at, _)| *at)
    }
}
