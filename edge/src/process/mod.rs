//! The edge process: starts the shards, watches the leases, answers probes, drains.

mod start;

mod edge;

mod shards;

mod thread;

mod shard_start;

mod shard_end;

mod options;

pub mod config;

pub mod api;

mod sockets;

#[cfg(feature = "quic")]
mod packets;

#[cfg(not(feature = "quic"))]
mod no_packets;

mod certificates;

mod revocations;

mod lobby;

mod tokens;

pub mod leases;

pub mod liveness;

mod degraded;

mod limits;

mod memory;

mod readiness;

mod reload;

pub mod upgrade;

#[cfg(not(feature = "quic"))]
use no_packets as packets;

pub use edge::Edge;
pub use options::{AdmissionError, BusSource, EdgeError, EdgeOptions, admission};
pub use reload::EdgeReloadError;
pub use start::start;
