//! A room as an edge sees it: two lanes, and the sessions of the players on this edge.

use std::time::Instant;

use bytes::Bytes;
use grandstand_common::clock::Now;
use grandstand_common::id::{Epoch, Instance, Lane as LaneId, Partition, RoomId};
use grandstand_common::wire::{Known, RoomInterest};

use super::hot::HotStream;
use super::lane::Lane;
use super::sessions::Sessions;
use crate::conn::key::ConnKey;
use crate::core::command::Command;
use crate::core::effects::Effects;
use crate::core::ids::RoomAddress;

/// A room that has clients on this edge, or had some recently.
#[derive(Debug)]
pub(crate) struct Room {
    address: RoomAddress,
    /// The highest epoch of the owners that have sent a batch about the room.
    epoch: Epoch,
    /// The latest instance; 0 before the owner has sent one.
    instance: Instance,
    lanes: [Lane; 2],
    sessions: Sessions,
    /// The owner has no such room yet.
    missing: bool,
    /// The room's own subject; `None` if the room is not hot.
    hot: Option<Box<HotStream>>,
    /// The time at which the room became empty.
    empty_since: Option<Instant>,
}

impl Room {
    /// Creates a room whose owner has not sent a batch yet.
    pub(crate) fn new(address: RoomAddress, ring_bytes: usize) -> Self {
        Self {
            address,
            epoch: Epoch(0),
            instance: Instance(0),
            lanes: LaneId::ALL.map(|id| Lane::new(id, ring_bytes)),
            sessions: Sessions::default(),
            missing: false,
            hot: None,
            empty_since: None,
        }
    }

    /// The room's identity in this core and on the bus.
    pub(crate) fn address(&self) -> &RoomAddress {
        &self.address
    }

    /// The room's name.
    pub(crate) fn id(&self) -> &RoomId {
        &self.address.id
    }

    /// The partition that the room belongs to.
    pub(crate) fn partition(&self) -> Partition {
        self.address.partition
    }

    /// Moves the room to a partition of another layout.
    pub(crate) fn set_partition(&mut self, partition: Partition) {
        self.address.partition = partition;
    }

    /// The highest epoch of the owners that have sent a batch about the room.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The latest instance; 0 before the owner has sent one.
    pub(crate) fn instance(&self) -> Instance {
        self.instance
    }

    /// Notes a new owner, or a new room of the same name (D15). The caller delivers the event to the lanes.
    pub(crate) fn begin(&mut self, epoch: Epoch, instance: Instance) {
        self.epoch = epoch;
        self.instance = instance;
        self.missing = false;
        // The last batches of the former owner may be lost.
        let joined = self.sessions.has_joined();
        self.sessions.sync_mut().restart(joined);
    }

    /// Whether the owner has no such room yet.
    pub(crate) fn is_missing(&self) -> bool {
        self.missing
    }

    /// Notes that the owner has no such room yet.
    pub(crate) fn set_missing(&mut self) {
        self.missing = true;
    }

    /// An audience of the room.
    pub(crate) fn lane(&self, lane: LaneId) -> &Lane {
        &self.lanes[lane.index()]
    }

    /// An audience of the room, to change it.
    pub(crate) fn lane_mut(&mut self, lane: LaneId) -> &mut Lane {
        &mut self.lanes[lane.index()]
    }

    /// The players' sessions.
    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The players' sessions, to change them.
    pub(crate) fn sessions_mut(&mut self) -> &mut Sessions {
        &mut self.sessions
    }

    /// The players' sessions, to change them, with the address that their entries are sent to.
    pub(crate) fn addressed_sessions(&mut self) -> (&RoomAddress, &mut Sessions) {
        (&self.address, &mut self.sessions)
    }

    /// The room's name, an audience and the players' sessions, to change both.
    pub(crate) fn parts(&mut self, lane: LaneId) -> (&RoomId, &mut Lane, &mut Sessions) {
        let lane = &mut self.lanes[lane.index()];
        (&self.address.id, lane, &mut self.sessions)
    }

    /// Queues a player's frames. They follow the updates that the player has not been sent (D31).
    pub(crate) fn queue_private(&mut self, (conn, frames): (ConnKey, Bytes)) {
        let players = self.lane_mut(LaneId::Players).clients_mut();
        players.private_mut().push(conn, &frames);
    }

    /// Queues the frames of their own that players are due, unless messages that precede them may still arrive (D4, D31).
    /// Returns how many acks are among them.
    pub(crate) fn queue_due(&mut self) -> u64 {
        let (id, players, sessions) = self.parts(LaneId::Players);
        let mut acks = 0;
        sessions.send_due(id, |conn, due| {
            acks += u64::from(due.has_ack);
            players.clients_mut().private_mut().push(conn, &due.frames);
        });
        acks
    }

    /// Adds a client to an audience.
    pub(crate) fn enter(&mut self, lane: LaneId) {
        self.lane_mut(lane).clients_mut().enter();
        self.empty_since = None;
    }

    /// Whether an owner has sent a batch about the room.
    pub(crate) fn is_described(&self) -> bool {
        self.epoch != Epoch(0)
    }

    /// Whether the room has no clients and no sessions.
    pub(crate) fn is_idle(&self) -> bool {
        let is_empty = |lane: &Lane| lane.clients().len() == 0 && !lane.has_ended();
        self.lanes.iter().all(is_empty) && self.sessions.is_empty()
    }

    /// Notes that the room has become empty at `now`, if it has; returns whether it has.
    pub(crate) fn linger(&mut self, now: Now) -> bool {
        let begins = self.is_idle() && self.empty_since.is_none();
        if begins {
            self.empty_since = Some(now.at);
        }
        begins
    }

    /// The time at which the room became empty; `None` if it is not.
    pub(crate) fn empty_since(&self) -> Option<Instant> {
        self.empty_since.filter(|_| self.is_idle())
    }

    /// Whether a lane is requested from the owner.
    pub(crate) fn is_watched(&self) -> bool {
        self.lanes.iter().any(Lane::is_watched)
    }

    /// Notes that no lane is requested from the owner any more.
    pub(crate) fn unwatch(&mut self) {
        for lane in &mut self.lanes {
            lane.unwatch();
        }
    }

    /// The room's hot stream.
    pub(crate) fn hot(&mut self) -> Option<&mut HotStream> {
        self.hot.as_deref_mut()
    }

    /// Notes that the subscription to the room's own subject, and messages on it, may be lost. The caller asks the
    /// owner for a sync.
    pub(crate) fn reset_hot(&mut self) {
        if let Some(hot) = &mut self.hot {
            hot.reset();
            self.sessions.sync_mut().need();
        }
    }

    /// Subscribes to the room's own subject, or replaces the stream if the edge is subscribed already.
    pub(crate) fn start_hot(&mut self, stream: HotStream, effects: &mut Effects) {
        match &mut self.hot {
            Some(old) => **old = stream,
            None => {
                self.hot = Some(Box::new(stream));
                let room = self.address.id.clone();
                effects.command(Command::Subscribe { room });
            }
        }
    }

    /// Ends the subscription to the room's own subject.
    pub(crate) fn end_hot(&mut self, effects: &mut Effects) {
        if self.hot.take().is_some() {
            let room = self.address.id.clone();
            effects.command(Command::Unsubscribe { room });
        }
    }

    /// The description of the room for its owner. With `sync`, the owner sends what this edge has missed.
    pub(crate) fn interest(&self, sync: bool) -> RoomInterest {
        let known = |lane: LaneId| {
            let lane = self.lane(lane);
            // Without a known version, the owner sends a snapshot.
            let known = lane
                .known_version()
                .filter(|_| !lane.clients().slow().is_asked());
            let known = known.map(|version| Known {
                epoch: self.epoch.0,
                instance: self.instance.0,
                version,
            });
            lane.is_watched().then(|| known.unwrap_or_default())
        };
        let hot = self.hot.as_deref();
        RoomInterest {
            room: self.address.id.as_str().to_owned(),
            players: known(LaneId::Players),
            spectators: known(LaneId::Spectators),
            viewers: self.lane(LaneId::Spectators).clients().len() as u32,
            sessions: self.sessions.joined(),
            sync,
            // The `Joined` of these sessions may not have reached the owner, which would otherwise answer `gone`.
            joining: self.sessions.joining(),
            hot: hot.map_or(0, |hot| hot.reached(self.epoch)),
            subscribed: hot.is_some(),
            sync_number: self.sessions.sync().number(),
        }
    }
}
