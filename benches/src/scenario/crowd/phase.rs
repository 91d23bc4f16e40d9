//! The pings in one phase of the scenario.

use std::time::Duration;

use crate::load::tally::Latencies;

/// The latencies of the pings in one phase.
pub(super) struct Phase {
    pub(super) name: &'static str,
    pub(super) pings: Latencies,
    /// The duration of the phase, if its end is an event.
    pub(super) seconds: Option<f64>,
    /// The most CPU time of one step, if it is known.
    pub(super) step: Option<Duration>,
}
