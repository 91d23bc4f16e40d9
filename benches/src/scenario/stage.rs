//! The setup of scenarios with spectators: one edge, one worker, and a player whose room all watch.

use crate::error::BenchError;
use crate::host::pin::Cores;
use crate::host::priority::Priority;
use crate::host::servers::{Servers, Wanted};
use crate::host::tls::TlsPort;
use crate::load::job::{Job, LoadRole};
use crate::load::remote::Load;
use crate::progress::Progress;
use crate::scenario::jobs::{job, over, publisher};
use crate::scenario::variant::Variant;

/// Servers on one core, generators on another.
#[derive(Debug)]
pub struct Stage {
    /// The player that created the room and sends to it. Dropped before the servers.
    pub player: Load,
    /// NATS, a worker and an edge.
    pub servers: Servers,
    /// The edge's port for clients with TLS, if they use it.
    tls: Option<TlsPort>,
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
        let tls = variant.tls.then(TlsPort::take).transpose()?;
        let mut variables = variant.edge.clone();
        variables.extend(tls.iter().flat_map(TlsPort::variables));
        let servers = Servers::start_with(wanted, &variables).await?;
        let player = Job {
            dialect: variant.dialect,
            ..over(tls.as_ref(), publisher(servers.address(), cores, size))
        };
        let player = Load::connect_all(&player, progress).await?;
        progress.phase("connecting");
        Ok(Self {
            player,
            servers,
            tls,
            variant: variant.clone(),
            cores,
        })
    }

    /// Returns the common job of clients of the player's room.
    pub fn job(&self, role: LoadRole, connections: u32) -> Job {
        Job {
            dialect: self.variant.dialect,
            ..self.over(job(self.servers.address(), role, connections, self.cores))
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
            ..self.over(super::rooms::pairs(&self.servers, rooms, size, self.cores))
        }
    }

    fn over(&self, job: Job) -> Job {
        over(self.tls.as_ref(), job)
    }
}
