//! The setup of scenarios with spectators: one edge, one worker, and a player whose room all watch.

use crate::error::BenchError;
use crate::host::pin::Cores;
use crate::host::priority::Priority;
use crate::host::servers::{Servers, Wanted};
use crate::load::job::{Job, LoadRole};
use crate::load::remote::Load;
use crate::progress::Progress;
use crate::scenario::jobs::{job, publisher};
use crate::scenario::variant::Variant;

/// Servers on one core, generators on another.
#[derive(Debug)]
pub struct Stage {
    /// The player that created the room and sends to it. Dropped before the servers.
    pub player: Load,
    /// NATS, a worker and an edge.
    pub servers: Servers,
    variant: Variant,
    cores: Cores,
}

impl Stage {
    /// Starts all. The player sends inputs of `size` bytes.
    ///
    /// # Errors
    /// If servers or the player are unavailable.
    pub async fn start(
        variant: &Variant,
        size: u32,
        progress: &mut Progress,
    ) -> Result<Self, BenchError> {
        progress.phase("starting");
        let cores = Cores::apart();
        let wanted = Wanted {
            workers: 1,
            edges: 1,
            cores,
        };
        let servers = Servers::start_with(wanted, &variant.edge).await?;
        let player = Job {
            dialect: variant.dialect,
            ..publisher(servers.address(), cores, size)
        };
        let player = Load::connect_all(&player, progress).await?;
        progress.phase("connecting");
        Ok(Self {
            player,
            servers,
            variant: variant.clone(),
            cores,
        })
    }

    /// Returns the common job of clients of the player's room.
    pub fn job(&self, role: LoadRole, connections: u32) -> Job {
        Job {
            dialect: self.variant.dialect,
            ..job(self.servers.address(), role, connections, self.cores)
        }
    }

    /// Spectators of the player's room.
    pub fn spectators(&self, connections: u32) -> Job {
        self.job(LoadRole::Spectator, connections)
    }

    /// Players of other two-player rooms, whose latency is measured.
    pub fn pairs(&self, rooms: u32, size: u32) -> Job {
        Job {
            first_player: 30_000_000,
            dialect: self.variant.dialect,
            priority: Priority::First,
            ..super::rooms::pairs(&self.servers, rooms, size, self.cores)
        }
    }
}
