//! The schedule of faults: a pure function of a seed and a duration.

use std::fmt;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// Delay of the first event, so that players have begun by then.
const FIRST_AT: Duration = Duration::from_secs(2);
/// Time between two events.
const GAP_MS: std::ops::Range<u64> = 1_000..5_000;
/// How long a process is spared after its recovery.
const RECOVERY: Duration = Duration::from_millis(1_500);
/// Estimate for a graceful shutdown and a start.
const RESTART_ESTIMATE: Duration = Duration::from_secs(6);

/// A process of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The worker with this index.
    Worker(usize),
    /// The edge with this index.
    Edge(usize),
    /// The NATS server.
    Nats,
}

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// SIGKILL, and a start after this long.
    Kill(Duration),
    /// SIGSTOP, and SIGCONT after this long.
    Stop(Duration),
    /// SIGTERM, and a start once the process has ended.
    Restart,
}

/// A fault of a process at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Since the start of the schedule.
    pub at: Duration,
    /// The process.
    pub target: Target,
    /// The fault.
    pub action: Action,
}

/// The kind of an event, for the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Kind {
    WorkerKilled,
    WorkerStopped,
    WorkerRestarted,
    EdgeKilled,
    EdgeStopped,
    EdgeRestarted,
    NatsKilled,
    NatsStopped,
    NatsRestarted,
}

impl Event {
    /// The event's kind.
    pub fn kind(&self) -> Kind {
        match (self.target, self.action) {
            (Target::Worker(_), Action::Kill(_)) => Kind::WorkerKilled,
            (Target::Worker(_), Action::Stop(_)) => Kind::WorkerStopped,
            (Target::Worker(_), Action::Restart) => Kind::WorkerRestarted,
            (Target::Edge(_), Action::Kill(_)) => Kind::EdgeKilled,
            (Target::Edge(_), Action::Stop(_)) => Kind::EdgeStopped,
            (Target::Edge(_), Action::Restart) => Kind::EdgeRestarted,
            (Target::Nats, Action::Kill(_)) => Kind::NatsKilled,
            (Target::Nats, Action::Stop(_)) => Kind::NatsStopped,
            (Target::Nats, Action::Restart) => Kind::NatsRestarted,
        }
    }

    /// The estimated time at which the process has recovered.
    fn over(&self) -> Duration {
        let lasts = match self.action {
            Action::Kill(down) => down,
            Action::Stop(stopped) => stopped,
            Action::Restart => RESTART_ESTIMATE,
        };
        self.at + lasts + RECOVERY
    }
}

impl Kind {
    /// The kind's label in reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::WorkerKilled => "worker killed",
            Self::WorkerStopped => "worker paused",
            Self::WorkerRestarted => "worker restarted",
            Self::EdgeKilled => "edge killed",
            Self::EdgeStopped => "edge paused",
            Self::EdgeRestarted => "edge restarted",
            Self::NatsKilled => "NATS killed",
            Self::NatsStopped => "NATS paused",
            Self::NatsRestarted => "NATS restarted",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker(index) => write!(f, "worker-{index}"),
            Self::Edge(index) => write!(f, "edge-{index}"),
            Self::Nats => f.write_str("NATS"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, action, .. } = self;
        match action {
            Action::Kill(down) => write!(f, "SIGKILL {target}, started again after {down:?}"),
            Action::Stop(stopped) => write!(f, "SIGSTOP {target} for {stopped:?}"),
            Action::Restart => write!(f, "SIGTERM {target}, started again when it has ended"),
        }
    }
}

/// The size of the cluster.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// The number of workers.
    pub workers: usize,
    /// The number of edges.
    pub edges: usize,
}

/// Returns the events within `duration`, in order. All processes recover by its end. A process has one fault at a time;
/// several processes may have faults at the same time.
pub fn schedule(seed: u64, duration: Duration, shape: Shape) -> Vec<Event> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut events: Vec<Event> = Vec::new();
    let mut at = FIRST_AT;
    while at < duration {
        let target = match rng.random_range(0..100) {
            0..58 => Target::Worker(rng.random_range(0..shape.workers.max(1))),
            58..82 => Target::Edge(rng.random_range(0..shape.edges.max(1))),
            _ => Target::Nats,
        };
        let ms = |ms| Duration::from_millis(ms);
        let action = match (rng.random_range(0..100), target) {
            (0..45, Target::Nats) => Action::Kill(ms(rng.random_range(0..1_000))),
            (0..45, _) => Action::Kill(ms(rng.random_range(0..3_000))),
            // Around the times after which a worker suspends itself (2 s) and after which others declare it dead (3 s).
            (45..75, Target::Worker(_)) => Action::Stop(ms(rng.random_range(200..6_000))),
            (45..75, _) => Action::Stop(ms(rng.random_range(200..4_500))),
            _ => Action::Restart,
        };
        let event = Event { at, target, action };
        let busy = events.iter().any(|e| e.target == target && e.over() > at);
        if !busy && event.over() <= duration {
            events.push(event);
        }
        at += ms(rng.random_range(GAP_MS));
    }
    events
}

#[cfg(test)]
mod tests;
