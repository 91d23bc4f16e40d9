//! A cluster of real processes (NATS, workers and edges). Each of them can be killed, paused, ended and started again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use grandstand_common::bus::{Bucket, Bus, BusOptions};
use grandstand_common::id::{Partition, RoomId};
use grandstand_common::record::Lease;

use crate::client::ClientOptions;
use crate::error::RigError;
use crate::nats::NatsServer;
use crate::process::{PATIENCE, Process, Start};
use crate::programs;
use crate::site::{everywhere, token};
use crate::wall_clock::WallClock;

/// The processes of a [`Rig`] and their settings.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The number of workers.
    pub workers: usize,
    /// The number of edges, of one shard each.
    pub edges: usize,
    /// The number of partitions of the cluster.
    pub partitions: u16,
    /// Further environment variables, such as `GRANDSTAND_WORKER_ROOMS_SNAPSHOT_ENTRIES`. The prefix tells those of
    /// workers from those of edges.
    pub variables: Vec<(String, String)>,
    /// The log filter of the processes, for example `info`.
    pub log: String,
    /// Keeps Ctrl-C on the terminal from the processes.
    pub own_group: bool,
    /// The folder for logs; `None` is the usual one.
    pub logs: Option<PathBuf>,
    /// The seconds by which the wall clock of each worker is ahead. Workers without a number have the machine's clock.
    pub worker_clocks: Vec<i64>,
    /// The text of a configuration file for NATS.
    pub nats_config: Option<String>,
}

impl Default for Plan {
    /// Three workers, and two edges that drain for one second.
    fn default() -> Self {
        Self {
            workers: 3,
            edges: 2,
            partitions: BusOptions::default().partitions,
            variables: Vec::new(),
            log: "info".to_owned(),
            own_group: false,
            logs: None,
            worker_clocks: Vec::new(),
            nats_config: None,
        }
        .env("GRANDSTAND_EDGE_EDGE_DRAIN_MS", 1000)
    }
}

impl Plan {
    /// Adds a variable. Its prefix says whether it is for workers or for edges.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.push((name.to_owned(), value.to_string()));
        self
    }

    /// A worker's program, arguments and environment.
    pub fn worker(&self, nats: &str, name: &str) -> Start {
        let start = Start::worker().flag("--nats", nats);
        self.configure(start.flag("--name", name), "GRANDSTAND_WORKER_")
    }

    /// The same for an edge that trusts [`token`]s.
    pub fn edge(&self, nats: &str, name: &str) -> Start {
        let start = crate::site::edge(nats).flag("--name", name);
        self.configure(start, "GRANDSTAND_EDGE_")
    }

    fn configure(&self, mut start: Start, prefix: &str) -> Start {
        start = start
            .flag("--log", &self.log)
            .env(&format!("{prefix}CLUSTER_PARTITIONS"), self.partitions);
        for (name, value) in &self.variables {
            if name.starts_with(prefix) {
                start = start.env(name, value);
            }
        }
        if self.own_group {
            start = start.own_group();
        }
        match &self.logs {
            Some(dir) => start.logs(dir),
            None => start,
        }
    }
}

/// A running cluster. Edges are dropped before workers, and both before NATS.
#[derive(Debug)]
pub struct Rig {
    /// The edges: `edge-0` and so on.
    pub edges: Vec<Process>,
    /// The workers: `worker-0` and so on.
    pub workers: Vec<Process>,
    /// The NATS server.
    pub nats: NatsServer,
    /// The wall clocks of the first workers, as many as the plan has.
    pub worker_clocks: Vec<WallClock>,
    plan: Plan,
}

impl Rig {
    /// Starts all processes and waits until they are ready.
    ///
    /// # Errors
    /// If a program is missing, cannot be started, or does not become ready.
    pub async fn start(plan: Plan) -> Result<Self, RigError> {
        programs::grandstand()?;
        let nats = NatsServer::try_start_configured(
            plan.own_group,
            plan.logs.as_deref(),
            plan.nats_config.as_deref(),
        )
        .await?;
        let url = nats.url();
        let mut rig = Self {
            edges: Vec::new(),
            workers: Vec::new(),
            nats,
            worker_clocks: Vec::new(),
            plan,
        };
        for worker in 0..rig.plan.workers {
            let mut start = rig.plan.worker(&url, &worker_name(worker));
            if let Some(ahead) = rig.plan.worker_clocks.get(worker) {
                let clock = WallClock::ahead(*ahead)?;
                start = clock.on(start);
                rig.worker_clocks.push(clock);
            }
            rig.workers.push(Process::launch(start, false)?);
        }
        for edge in 0..rig.plan.edges {
            let start = rig.plan.edge(&url, &format!("edge-{edge}"));
            rig.edges.push(Process::launch(start, true)?);
        }
        for process in rig.workers.iter_mut().chain(&mut rig.edges) {
            process.try_ready(PATIENCE).await?;
        }
        Ok(rig)
    }

    /// Starts the processes of [`Plan::default`].
    ///
    /// # Panics
    /// If a program is missing, cannot be started, or does not become ready.
    pub async fn three_workers() -> Self {
        let started = Self::start(Plan::default()).await;
        started.unwrap_or_else(|e| panic!("{e}"))
    }

    /// Starts another worker and waits until it is ready. Returns its index.
    ///
    /// # Errors
    /// If it cannot be started or does not become ready.
    pub async fn add_worker(&mut self) -> Result<usize, RigError> {
        let index = self.workers.len();
        let start = self.plan.worker(&self.nats.url(), &worker_name(index));
        self.workers.push(Process::try_start(start, false).await?);
        Ok(index)
    }

    /// The plan of this cluster.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The address for clients of edge `edge`, modulo the number of edges.
    pub fn address(&self, edge: usize) -> SocketAddr {
        self.edges[edge % self.edges.len()].address()
    }

    /// The connection options of a player with access to all rooms.
    pub fn client_options(&self, edge: usize, player: &str) -> ClientOptions {
        ClientOptions::new(self.address(edge)).token(&token(player, 24 * 3600, &everywhere()))
    }

    /// Connects to the bus.
    ///
    /// # Errors
    /// If the bus cannot be reached.
    pub async fn bus(&self) -> Result<Bus, RigError> {
        let options = BusOptions {
            partitions: self.plan.partitions,
            name: "rig".to_owned(),
            ..BusOptions::default()
        };
        Ok(Bus::connect_nats(&self.nats.url(), &options).await?)
    }

    /// Reads the owner of a partition from its lease.
    ///
    /// # Errors
    /// If the lease cannot be read.
    pub async fn owner(&self, bus: &Bus, partition: Partition) -> Result<Owner, RigError> {
        let entry = bus.get(Bucket::Leases, &partition.to_string()).await?;
        let lease = entry
            .and_then(|entry| entry.value)
            .and_then(|value| serde_json::from_slice::<Lease>(&value).ok());
        let Some(lease) = lease else {
            return Ok(Owner::default());
        };
        let named = lease.worker.filter(|_| lease.ready).and_then(|id| {
            // `worker-1-{random part}`
            let number = id.as_str().strip_prefix("worker-")?.split('-').next()?;
            number.parse().ok()
        });
        Ok(Owner {
            worker: named,
            epoch: lease.epoch.0,
        })
    }

    /// Returns the index of the worker that owns a room; `None` if no worker is ready for it.
    ///
    /// # Errors
    /// If the lease cannot be read.
    pub async fn owner_of(&self, bus: &Bus, room: &RoomId) -> Result<Option<usize>, RigError> {
        let partition = room.partition(self.plan.partitions);
        Ok(self.owner(bus, partition).await?.worker)
    }

    /// The folder of the processes' logs.
    pub fn log_dir(&self) -> Option<PathBuf> {
        let process = self.workers.first().or(self.edges.first())?;
        process.log_path().parent().map(Path::to_owned)
    }

    /// Keeps the logs of all processes when this value is dropped.
    pub fn keep_logs(&mut self) {
        for process in self.workers.iter_mut().chain(&mut self.edges) {
            process.keep_log();
        }
        self.nats.keep_log();
    }
}

/// The owner of a partition.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The index of the worker; `None` if there is no owner or it is not ready.
    pub worker: Option<usize>,
    /// The epoch; 0 if the partition never had an owner.
    pub epoch: u64,
}

fn worker_name(index: usize) -> String {
    format!("worker-{index}")
}
