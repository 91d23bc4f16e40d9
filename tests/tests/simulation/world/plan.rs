//! What goes wrong in a run.

/// What goes wrong, and how often.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Of messages, appends, requests, tags.
    pub(crate) lost: f64,
    /// Of appends and batches.
    pub(crate) repeated: f64,
    /// Of messages that are late and so overtaken.
    pub(crate) reordered: f64,
    /// Times that the worker dies and another takes over.
    pub(crate) worker_restarts: usize,
    /// Of a client's turns in which its connection drops.
    pub(crate) connection_drops: f64,
    /// Of sends to a client's socket that find it full.
    pub(crate) slow: f64,
    /// Of rooms of whose players one leaves for good, without a word.
    pub(crate) quits: f64,
    /// Times that an edge dies and another takes its place.
    pub(crate) edge_restarts: usize,
    /// Rooms are hot as soon as all edges watch them.
    pub(crate) hot: bool,
    /// Times that an edge loses the bus for a while.
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
