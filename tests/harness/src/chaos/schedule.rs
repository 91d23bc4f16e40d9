//! The schedule of faults: a pure function of a seed, a duration and the kinds.

use std::fmt;
use std::time::Duration;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use super::kind::Kind;

/// Delay of the first event, so that players have begun by then.
const FIRST_AT: Duration = Duration::from_secs(2);
/// Time between two events.
const GAP_MS: std::ops::Range<u64> = 1_000..5_000;
/// The time that a process is spared after its recovery.
const RECOVERY: Duration = Duration::from_millis(1_500);
/// Estimate for a graceful shutdown and a start.
const RESTART_ESTIMATE: Duration = Duration::from_secs(6);
/// A wall clock jumps by up to this much, seconds.
const CLOCK_S: i64 = 24 * 3600;

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

/// A subject on which no user may publish for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The log of rooms.
    Log,
    /// The requests of edges to owners.
    Requests,
    /// The messages of owners to edges.
    Batches,
    /// The buckets of rooms.
    Rooms,
}

impl Subject {
    /// The pattern of NATS.
    pub(super) fn pattern(self) -> &'static str {
        match self {
            Self::Log => "in.>",
            Self::Requests => "ctl.>",
            Self::Batches => "edge.>",
            Self::Rooms => "$KV.rooms_0.>",
        }
    }
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
    /// SIGKILL, a start, and as many more of both, each this long after the start before.
    KillStarting(u32, Duration),
    /// A copy of the store, and a start with it after this long.
    RollBack(Duration),
    /// A jump of the wall clock, so that it is this many seconds ahead.
    Clock(i64),
    /// No more space for the log for this long.
    FillLog(Duration),
    /// A small `max_payload` for this long.
    ShrinkPayload(Duration),
    /// No permission to publish on a subject for this long.
    Deny(Subject, Duration),
    /// A client that sends as much as it can for this long.
    Flood(Duration),
}

/// A fault of a process at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Since the start of the schedule.
    pub at: Duration,
    /// The kind of the fault.
    pub kind: Kind,
    /// The process.
    pub target: Target,
    /// The fault.
    pub action: Action,
}

impl Event {
    /// The estimated time at which the process has recovered.
    fn over(&self) -> Duration {
        let lasts = match self.action {
            Action::Kill(time) | Action::Stop(time) | Action::FillLog(time) => time,
            Action::ShrinkPayload(time) | Action::Deny(_, time) | Action::Flood(time) => time,
            Action::Restart => RESTART_ESTIMATE,
            Action::KillStarting(times, after) => after * times,
            Action::RollBack(after) => after + RESTART_ESTIMATE,
            Action::Clock(_) => Duration::ZERO,
        };
        self.at + lasts + RECOVERY
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
            Action::KillStarting(times, after) => {
                write!(
                    f,
                    "SIGKILL {target}, and {times} times {after:?} after its start"
                )
            }
            Action::RollBack(after) => write!(f, "store of {target} as it was {after:?} before"),
            Action::Clock(seconds) => write!(f, "wall clock of {target} is {seconds:+} s off"),
            Action::FillLog(time) => write!(f, "no space in the log for {time:?}"),
            Action::ShrinkPayload(time) => write!(f, "max_payload of 32 KiB for {time:?}"),
            Action::Deny(subject, time) => {
                write!(f, "publish on {} denied for {time:?}", subject.pattern())
            }
            Action::Flood(time) => write!(f, "a client floods {target} for {time:?}"),
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

/// Returns the events of these kinds within `duration`, in order. All processes recover by its end. A process has one
/// fault at a time; several processes may have faults at the same time.
pub fn schedule(seed: u64, duration: Duration, kinds: &[Kind], shape: Shape) -> Vec<Event> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut events: Vec<Event> = Vec::new();
    let mut at = FIRST_AT;
    while at < duration {
        let Some(kind) = draw(kinds, &mut rng) else {
            break;
        };
        let (target, action) = fault(kind, shape, &mut rng);
        let event = Event {
            at,
            kind,
            target,
            action,
        };
        let busy = events.iter().any(|e| e.target == target && e.over() > at);
        if !busy && event.over() <= duration {
            events.push(event);
        }
        at += Duration::from_millis(rng.random_range(GAP_MS));
    }
    events
}

/// Draws a kind by its weight; `None` if there are none.
fn draw(kinds: &[Kind], rng: &mut impl Rng) -> Option<Kind> {
    let sum: u32 = kinds.iter().map(|kind| kind.weight()).sum();
    if sum == 0 {
        return None;
    }
    let mut drawn = rng.random_range(0..sum);
    kinds.iter().copied().find(|kind| {
        let found = drawn < kind.weight();
        drawn = drawn.saturating_sub(kind.weight());
        found
    })
}

/// Draws the details of a fault.
fn fault(kind: Kind, shape: Shape, rng: &mut impl Rng) -> (Target, Action) {
    let worker = Target::Worker(rng.random_range(0..shape.workers.max(1)));
    let edge = Target::Edge(rng.random_range(0..shape.edges.max(1)));
    let is_edge = rng.random_bool(0.4);
    let ahead_s = rng.random_range(-CLOCK_S..=CLOCK_S);
    let mut ms = |range: std::ops::Range<u64>| Duration::from_millis(rng.random_range(range));
    match kind {
        Kind::WorkerKilled => (worker, Action::Kill(ms(0..3_000))),
        // Around the times after which a worker suspends itself (2 s) and after which others declare it dead (3 s).
        Kind::WorkerStopped => (worker, Action::Stop(ms(200..6_000))),
        Kind::WorkerRestarted => (worker, Action::Restart),
        Kind::EdgeKilled => (edge, Action::Kill(ms(0..3_000))),
        Kind::EdgeStopped => (edge, Action::Stop(ms(200..4_500))),
        Kind::EdgeRestarted => (edge, Action::Restart),
        Kind::NatsKilled => (Target::Nats, Action::Kill(ms(0..1_000))),
        Kind::NatsStopped => (Target::Nats, Action::Stop(ms(200..4_500))),
        Kind::NatsRestarted => (Target::Nats, Action::Restart),
        Kind::StartKilled => {
            let after = ms(1..600);
            let times = 1 + (after.as_millis() % 3) as u32;
            let target = if is_edge { edge } else { worker };
            (target, Action::KillStarting(times, after))
        }
        Kind::StoreRolledBack => (Target::Nats, Action::RollBack(ms(300..4_000))),
        Kind::ClockJumped => (worker, Action::Clock(ahead_s)),
        Kind::LogFull => (Target::Nats, Action::FillLog(ms(1_000..6_000))),
        Kind::PayloadShrunk => (Target::Nats, Action::ShrinkPayload(ms(1_000..6_000))),
        Kind::PermissionDenied => {
            let time = ms(1_000..6_000);
            let subjects = [
                Subject::Log,
                Subject::Requests,
                Subject::Batches,
                Subject::Rooms,
            ];
            let subject = subjects[time.as_millis() as usize % subjects.len()];
            (Target::Nats, Action::Deny(subject, time))
        }
        Kind::ClientFloods => (edge, Action::Flood(ms(1_000..5_000))),
    }
}

#[cfg(test)]
mod tests;
