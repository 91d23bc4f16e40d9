//! The configuration of a core.

use std::time::Duration;

use grandstand_common::envelope::Limits;
use grandstand_common::layout::Layout;

use super::clients::ClientConfig;
use super::rooms::RoomConfig;
use crate::codec::DeflateOptions;
use crate::limits::SharedLimits;

/// The configuration of a core.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// The partitions of the cluster.
    pub layout: Layout,
    /// The limits that `welcome` tells clients. The core enforces them.
    pub limits: Limits,
    /// The keepalive interval that `welcome` tells clients.
    pub heartbeat: Duration,
    /// The limits of one client.
    pub clients: ClientConfig,
    /// The settings of rooms.
    pub rooms: RoomConfig,
    /// The limits of players, which all shards share.
    pub shared: SharedLimits,
    /// The compression for clients that negotiated it.
    pub deflate: DeflateOptions,
}

impl Default for CoreConfig {
    fn default() -> Self {
        Self {
            layout: Layout::new(64, 4),
            limits: Limits {
                message_bytes: 64 * 1024,
                rooms: 64,
                window: 64,
                json_depth: 64,
            },
            heartbeat: Duration::from_secs(25),
            clients: ClientConfig::default(),
            rooms: RoomConfig::default(),
            shared: SharedLimits::default(),
            deflate: DeflateOptions::default(),
        }
    }
}
