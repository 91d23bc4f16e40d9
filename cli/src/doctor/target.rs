//! The load that a machine has to carry.

/// The share of files beside those of connections: NATS, logs, listeners, and the reserve of the admin port.
const OTHER_FILES: u64 = 1024;

/// The memory of a process without connections, and of the system beside it.
const BASE_BYTES: u64 = 512 << 20;

/// The memory of an idle connection: 0.5 KiB in the edge and 5 in the kernel were measured, and some wait to be sent.
const PLAIN_BYTES: u64 = 8 << 10;

/// The same with TLS, whose buffers and keys took 3 KiB.
const TLS_BYTES: u64 = 12 << 10;

/// The load that is planned for one edge process on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    /// The connections of clients.
    pub(super) connections: u64,
    /// `tcp.backlog` of the edge.
    pub(super) backlog: u64,
    /// `quic.buffer_bytes`, of an edge that has QUIC.
    pub(super) quic_buffer: Option<u64>,
    /// Whether the edge has TLS.
    pub(super) is_tls: bool,
}

impl Target {
    /// The files that the process has open.
    pub(super) fn files(&self) -> u64 {
        self.connections + OTHER_FILES
    }

    /// The queue of connections before accept: all clients of an edge that died may come back at once.
    pub(super) fn queue(&self) -> u64 {
        self.connections.clamp(128, self.backlog.max(128))
    }

    /// The memory that it takes.
    pub(super) fn memory_bytes(&self) -> u64 {
        let each = if self.is_tls { TLS_BYTES } else { PLAIN_BYTES };
        BASE_BYTES + self.connections * each
    }
}
