//! The machines of a core.

use grandstand_common::auth::Verifier;
use grandstand_common::clock::Now;
use grandstand_common::id::{EdgeId, RoomId};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::announcements::Announcements;
use super::clients::Clients;
use super::config::CoreConfig;
use super::health::BusHealth;
use super::limits::CoreLimits;
use super::owners::Owners;
use super::rooms::Rooms;
use crate::conn::key::ConnKey;

/// All machines of a core, and the configuration and random numbers that its handlers share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) config: CoreConfig,
    /// The configured limit of a client's message. That in `config` is lower if the log accepts less.
    pub(super) message_bytes: u64,
    /// The most bytes of a client's message that the log accepts.
    pub(super) fitting_bytes: u64,
    pub(super) edge: EdgeId,
    pub(super) rng: StdRng,
    pub(super) hub: Hub,
    pub(super) owners: Owners,
    pub(super) health: BusHealth,
}

/// The machines that serve clients. They do not depend on owners.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) clients: Clients,
    pub(super) rooms: Rooms,
    pub(super) announcements: Announcements,
}

impl Hub {
    /// Whether a client's token is revoked.
    pub(super) fn is_revoked(&self, conn: ConnKey, unix_ms: u64) -> bool {
        let revocations = self.clients.revocations().zip(self.clients.get(conn));
        revocations.is_some_and(|(revocations, client)| revocations.has(client.grants(), unix_ms))
    }

    /// Whether a client's token is revoked for a room.
    pub(super) fn is_room_revoked(&self, conn: ConnKey, room: &RoomId, unix_ms: u64) -> bool {
        let revocations = self.clients.revocations().zip(self.clients.get(conn));
        revocations.is_some_and(|(revocations, client)| {
            revocations.has_room(room, client.grants(), unix_ms)
        })
    }
}

impl State {
    /// Creates a state without clients. `seed` makes random ids.
    pub(super) fn new(
        config: CoreConfig,
        edge: EdgeId,
        verifier: Option<Verifier>,
        seed: u64,
        now: Now,
    ) -> Self {
        Self {
            message_bytes: config.limits.message_bytes,
            fitting_bytes: u64::MAX,
            rng: StdRng::seed_from_u64(seed),
            hub: Hub {
                clients: Clients::new(
                    config.clients,
                    config.shared.clone(),
                    verifier,
                    edge.clone(),
                    now.at,
                ),
                rooms: Rooms::new(config.rooms, config.layout, config.deflate),
                announcements: Announcements::default(),
            },
            owners: Owners::new(config.layout),
            health: BusHealth::default(),
            config,
            edge,
        }
    }

    /// Replaces the limits.
    pub(super) fn set_limits(&mut self, limits: CoreLimits) {
        self.hub.clients.set_config(limits.clients);
        self.hub.rooms.set_outbox_bytes(limits.outbox_bytes);
        self.config.limits.rooms = limits.rooms;
        let rooms = &mut self.config.rooms;
        rooms.player_input_bytes_per_s = limits.player_input_bytes_per_s;
        rooms.room_input_bytes_per_s = limits.room_input_bytes_per_s;
        rooms.outbox_bytes = limits.outbox_bytes;
        self.message_bytes = limits.message_bytes;
        self.update_message_bytes();
    }

    /// Sets the limit of a client's message to the lower one of both. Returns it if it is now another one.
    pub(super) fn update_message_bytes(&mut self) -> Option<u64> {
        let lower = self.message_bytes.min(self.fitting_bytes);
        let before = std::mem::replace(&mut self.config.limits.message_bytes, lower);
        (lower != before).then_some(lower)
    }
}
