//! The faults of a run.

/// The kinds and rates of faults.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Share of messages, appends, requests and tags that are lost.
    pub(crate) lost: f64,
    /// Share of appends and batches that are repeated.
    pub(crate) repeated: f64,
    /// Share of messages that are late and therefore overtaken.
    pub(crate) reordered: f64,
    /// The number of times that the worker dies and another takes over.
    pub(crate) worker_restarts: usize,
    /// Share of a client's actions in which its connection drops.
    pub(crate) connection_drops: f64,
    /// Share of sends to a client's socket that find it full.
    pub(crate) slow: f64,
    /// Share of rooms in which a player leaves for good without a message.
    pub(crate) quits: f64,
    /// The number of times that an edge dies and is replaced.
    pub(crate) edge_restarts: usize,
    /// Whether rooms are hot as soon as all edges watch them.
    pub(crate) hot: bool,
    /// The number of times that an edge loses the bus for a while.
    pub(crate) outages: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            lost: 0.05,
            repeated: 0.05,
            reordered: 0.05,
            worker_restarts: 4,
            connection_drops: 0.05,
            slow: 0.0,
            quits: 0.3,
            edge_restarts: 0,
            hot: false,
            outages: 0,
        }
    }
}
