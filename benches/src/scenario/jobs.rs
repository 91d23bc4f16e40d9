//! Jobs for the generators.

use std::net::SocketAddr;

use grandstand_harness::site::SECRET;

use crate::host::pin::Cores;
use crate::host::priority::Priority;
use crate::host::tls::TlsPort;
use crate::load::dialect::Dialect;
use crate::load::job::{Job, LoadRole, Reading, Rooms};

/// Clients that may be connecting at a time, where nothing else is measured.
const AT_ONCE: u32 = 256;

/// Returns the common job of clients of an edge.
pub fn job(target: SocketAddr, role: LoadRole, connections: u32, cores: Cores) -> Job {
    Job {
        targets: vec![target],
        tls: None,
        front: None,
        source: 2,
        dialect: Dialect::Grandstand,
        secret: SECRET.to_owned(),
        role,
        rooms: Rooms {
            prefix: "relay-bench-".to_owned(),
            each: connections,
            per_connection: 1,
        },
        connections,
        first_player: 0,
        at_once: AT_ONCE,
        idle_ms: 0,
        waits: false,
        size: 128,
        controls: false,
        reading: Reading::All,
        receive_buffer: 0,
        core: cores.client,
        priority: Priority::Plain,
    }
}

/// One player that sends to the room of [`job`].
pub fn publisher(target: SocketAddr, cores: Cores, size: u32) -> Job {
    Job {
        first_player: 10_000_000,
        size,
        ..job(target, LoadRole::Player, 1, cores)
    }
}

/// The same job over TLS, if there is a port for it.
pub fn over(tls: Option<&TlsPort>, job: Job) -> Job {
    let Some(tls) = tls else {
        return job;
    };
    Job {
        targets: vec![tls.address()],
        tls: Some(tls.certificate().file()),
        ..job
    }
}
