//! The servers of a scenario: real processes, pinned to a core if requested.

use std::net::SocketAddr;

use grandstand_harness::process::{PATIENCE, Process};
use grandstand_harness::rig::{Plan, Rig};

use super::pin::{Cores, Pinned};
use super::proc::Usage;
use crate::error::BenchError;

/// The servers to start.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The number of workers.
    pub workers: usize,
    /// The number of edges, of one shard each, all on one port.
    pub edges: usize,
    /// Their cores.
    pub cores: Cores,
}

/// NATS, workers and edges.
#[derive(Debug)]
pub struct Servers {
    /// Edges that share the first edge's port. They are dropped before the other processes.
    more_edges: Vec<Process>,
    /// NATS, the workers and the first edge.
    pub rig: Rig,
    cores: Cores,
}

impl Servers {
    /// Starts all servers and waits until they are ready.
    ///
    /// # Errors
    /// If a program is missing or does not become ready.
    pub async fn start(wanted: Wanted) -> Result<Self, BenchError> {
        Self::start_with(wanted, &[]).await
    }

    /// Starts like [`Self::start`], with further variables of the edges, such as `GRANDSTAND_EDGE_ROOMS_FLUSH_INTERVAL_US`.
    ///
    /// # Errors
    /// If a program is missing or does not become ready.
    pub async fn start_with(
        wanted: Wanted,
        variables: &[(String, String)],
    ) -> Result<Self, BenchError> {
        let pinned = Pinned::to(wanted.cores.server).map_err(BenchError::Pin)?;
        let plan = Plan {
            workers: wanted.workers,
            edges: 1,
            log: "warn".to_owned(),
            ..Plan::default()
        };
        let mut plan = plan
            .env("GRANDSTAND_EDGE_EDGE_EXCLUSIVE", false)
            // One connection of the generator sends the inputs of many players.
            .env("GRANDSTAND_EDGE_LIMITS_MESSAGES_PER_S", 0)
            .env("GRANDSTAND_EDGE_LIMITS_BYTES_PER_S", 0)
            // Idle connections are in no room for as long as a run takes, and cost their timer.
            .env("GRANDSTAND_EDGE_LIMITS_NO_ROOM_MS", 3_600_000);
        plan.variables.extend_from_slice(variables);
        let rig = Rig::start(plan).await?;
        let mut more_edges = Vec::new();
        for edge in 1..wanted.edges {
            let start = rig.plan().edge(&rig.nats.url(), &format!("edge-{edge}"));
            let start = start.env("GRANDSTAND_EDGE_EDGE_LISTEN", rig.address(0));
            more_edges.push(Process::launch(start, false)?);
        }
        for edge in &mut more_edges {
            edge.try_ready(PATIENCE).await?;
        }
        drop(pinned);
        Ok(Self {
            more_edges,
            rig,
            cores: wanted.cores,
        })
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        self.rig.address(0)
    }

    /// Pins this thread to the servers' core, so that everything started while the guard lives runs there.
    ///
    /// # Errors
    /// If it cannot be pinned.
    pub fn pinned(&self) -> Result<Pinned, BenchError> {
        Pinned::to(self.cores.server).map_err(BenchError::Pin)
    }

    /// The process ids of the edges.
    pub fn edges(&self) -> Vec<u32> {
        let edges = self.rig.edges.iter().chain(&self.more_edges);
        edges.map(|edge| edge.pid()).collect()
    }

    /// Reads the usage of edges, workers and NATS.
    ///
    /// # Errors
    /// If one has ended.
    pub fn usage(&self) -> Result<ServersUsage, BenchError> {
        let workers: Vec<_> = self.rig.workers.iter().map(|worker| worker.pid()).collect();
        let usage = |pids: &[u32]| Usage::read_all(pids).map_err(BenchError::Proc);
        Ok(ServersUsage {
            edges: usage(&self.edges())?,
            workers: usage(&workers)?,
            nats: usage(&[self.rig.nats.pid()])?,
        })
    }
}

/// The usage of servers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ServersUsage {
    /// All edges.
    pub edges: Usage,
    /// All workers.
    pub workers: Usage,
    /// NATS.
    pub nats: Usage,
}

impl ServersUsage {
    /// All processes together.
    pub fn all(&self) -> Usage {
        let parts = [self.edges, self.workers, self.nats];
        Usage {
            cpu_s: parts.iter().map(|part| part.cpu_s).sum(),
            memory: parts.iter().map(|part| part.memory).sum(),
        }
    }
}
