//! The configuration with which a machine and a cluster are compared.

use std::path::Path;

use grandstand_common::bus::BusRole;
use grandstand_common::cluster::ClusterSettings;
use grandstand_common::exit::Failure;
use grandstand_common::process::config::{self, Sources};
use grandstand_edge::process::config::EdgeConfig;
use grandstand_worker::process::config::WorkerConfig;

use super::target::Target;

/// The sections that only an edge has.
const EDGE_SECTIONS: [&str; 8] = [
    "edge",
    "limits",
    "compression",
    "tcp",
    "tls",
    "quic",
    "proxy",
    "upgrade",
];

/// The parts of a configuration that are compared.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) cluster: ClusterSettings,
    /// Whether a cluster was named.
    pub(super) has_cluster: bool,
    pub(super) role: BusRole,
    backlog: u64,
    quic_buffer: Option<u64>,
    is_tls: bool,
}

impl Settings {
    /// Reads the configuration of an edge or a worker, whichever the file is of.
    ///
    /// # Errors
    /// If it cannot be read, or is wrong.
    pub(super) fn load(file: Option<&Path>, nats: Option<&str>) -> Result<Self, Failure> {
        let sources = Sources::new(file.map(Path::to_owned));
        let sources = sources.flag("--nats", "cluster.url", nats);
        let has_cluster = file.is_some() || nats.is_some();
        let defaults = EdgeConfig::default();
        let backlog = u64::from(defaults.tcp.backlog);
        if !file.is_some_and(is_of_edge) {
            let config: WorkerConfig = config::load(&sources)?;
            return Ok(Self {
                cluster: config.cluster,
                has_cluster,
                role: BusRole::Worker,
                backlog,
                quic_buffer: None,
                is_tls: false,
            });
        }
        let config: EdgeConfig = config::load(&sources)?;
        let has_quic = !config.quic.listen.is_empty();
        Ok(Self {
            has_cluster,
            role: BusRole::Edge,
            backlog: u64::from(config.tcp.backlog),
            quic_buffer: has_quic.then_some(config.quic.buffer_bytes as u64),
            is_tls: !config.tls.listen.is_empty(),
            cluster: config.cluster,
        })
    }

    /// The load of so many connections.
    pub(super) fn target(&self, connections: u64) -> Target {
        Target {
            connections,
            backlog: self.backlog,
            quic_buffer: self.quic_buffer,
            is_tls: self.is_tls,
        }
    }
}

/// Whether a file has a section of an edge. One that cannot be read is said to be wrong when it is loaded.
fn is_of_edge(file: &Path) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let table = text.parse::<toml::Table>().unwrap_or_default();
    EDGE_SECTIONS.iter().any(|name| table.contains_key(*name))
}
