//! The servers of a scenario: real processes, pinned if asked for.

use std::net::SocketAddr;

use grandstand_harness::process::{PATIENCE, Process};
use grandstand_harness::rig::{Plan, Rig};

use super::pin::{Cores, Pinned};
use super::proc::Usage;
use crate::error::BenchError;

/// What is started.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Workers.
    pub workers: usize,
    /// Edges of one shard each; all on one port.
    pub edges: usize,
    /// Where they run.
    pub cores: Cores,
}

/// NATS, workers and edges.
#[derive(Debug)]
pub struct Servers {
    /// Edges that share the first one's port. They end before the rest.
    more_edges: Vec<Process>,
    /// NATS, the workers and the first edge.
    pub rig: Rig,
    cores: Cores,
}

impl Servers {
    /// Starts all, and waits until they are ready.
    ///
    /// # Errors
    /// If a program is missing or does not become ready.
    pub async fn start(wanted: Wanted) -> Result<Self, BenchError> {
        Self::start_with(wanted, &[]).await
    }

    /// As [`Self::start`], with further variables of the edges, as `GRANDSTAND_EDGE_ROOMS_FLUSH_INTERVAL_US`.
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
            // One connection of the generator stands for many players' inputs.
            .env("GRANDSTAND_EDGE_LIMITS_MESSAGES_PER_S", 0);
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

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.rig.address(0)
    }

    /// What is started as long as this is held runs where the servers do.
    ///
    /// # Errors
    /// If it cannot be pinned.
    pub fn pinned(&self) -> Result<Pinned, BenchError> {
        Pinned::to(self.cores.server).map_err(BenchError::Pin)
    }

    /// The edges' processes.
    pub fn edges(&self) -> Vec<u32> {
        let edges = self.rig.edges.iter().chain(&self.more_edges);
        edges.map(Process::pid).collect()
    }

    /// What edges, workers and NATS used until now.
    ///
    /// # Errors
    /// If one has ended.
    pub fn usage(&self) -> Result<ServersUsage, BenchError> {
        let workers: Vec<_> = self.rig.workers.iter().map(Process::pid).collect();
        let of = |pids: &[u32]| Usage::of_all(pids).map_err(BenchError::Proc);
        Ok(ServersUsage {
            edges: of(&self.edges())?,
            workers: of(&workers)?,
            nats: of(&[self.rig.nats.pid()])?,
        })
    }
}

/// What servers used.
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
