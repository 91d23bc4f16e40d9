//! The cluster on NATS that a command reads.

use std::path::PathBuf;

use grandstand_common::bus::{Bus, BusOptions, BusRole};
use grandstand_common::exit::Failure;
use grandstand_common::process::config::{self, Sources};
use grandstand_common::supervisor::Supervisor;
use grandstand_worker::process::config::WorkerConfig;

/// The address of a cluster.
#[derive(Debug, clap::Args)]
pub(crate) struct NatsArgs {
    /// NATS servers, separated by commas [default: those of --config, or nats://127.0.0.1:4222]
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    /// Configuration file of a worker, with the addresses and credentials of NATS
    #[arg(long, value_name = "FILE", env = "GRANDSTAND_WORKER_CONFIG")]
    config: Option<PathBuf>,
}

impl NatsArgs {
    /// The cluster at this address.
    pub(crate) fn new(url: String, config: Option<PathBuf>) -> Self {
        Self {
            nats: Some(url),
            config,
        }
    }

    /// The cluster of these arguments of another command.
    pub(crate) fn of(nats: Option<String>, config: Option<PathBuf>) -> Self {
        Self { nats, config }
    }

    /// Connects to the cluster as `name`, without changing it.
    pub(crate) async fn inspect(&self, name: &str, role: BusRole) -> Result<Bus, Failure> {
        let sources = Sources::new(self.config.clone());
        let sources = sources.flag("--nats", "cluster.url", self.nats.as_ref());
        let config: WorkerConfig = config::load(&sources)?;
        let options = BusOptions {
            role: Some(role),
            ..config.cluster.bus_options(name, &Supervisor::default())
        };
        Ok(Bus::inspect_nats(&config.cluster.url, &options).await?)
    }
}
