//! The answers to probes: how a process is, and what it depends on.
//!
//! | path | healthy (200) | degraded (200) | unhealthy (503) |
//! | --- | --- | --- | --- |
//! | `/health` | every component is ready | a component is not ready, but restarting the process would not help | a loop hangs |
//! | `/ready` | every component is ready | every component is ready, but a loop hangs | a component is not ready |
//! | `/startup` | every component is ready | every component has been ready, and one is not now | a component has not been ready yet |

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use rustix::param::page_size;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::status::{ComponentState, Status};
use crate::clock::unix_ms;

/// The version that is said: that of Grandstand, also in programs of authors.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The health of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Health {
    /// All is well.
    Healthy,
    /// The question is answered with yes, but something is wrong.
    Degraded,
    /// The question is answered with no.
    Unhealthy,
}

impl Health {
    /// The status of the answer.
    pub(super) fn code(self) -> StatusCode {
        match self {
            Self::Healthy | Self::Degraded => StatusCode::OK,
            Self::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn new(yes: bool, well: bool) -> Self {
        match (yes, well) {
            (false, _) => Self::Unhealthy,
            (true, false) => Self::Degraded,
            (true, true) => Self::Healthy,
        }
    }
}

/// A question of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    /// `/health`: whether the process should live on.
    Health,
    /// `/ready`: whether to send it clients.
    Ready,
    /// `/startup`: whether it has started.
    Startup,
}

impl Probe {
    /// The question with this path.
    pub(super) fn from_path(path: &str) -> Option<Self> {
        match path {
            "/health" => Some(Self::Health),
            "/ready" => Some(Self::Ready),
            "/startup" => Some(Self::Startup),
            _ => None,
        }
    }

    /// The answer.
    pub(super) fn answer(self, status: &Status) -> Health {
        let (is_ready, turns) = (status.is_ready(), status.silent().is_empty());
        match self {
            Self::Health => Health::new(turns, is_ready),
            Self::Ready => Health::new(is_ready, turns),
            Self::Startup => Health::new(status.has_started(), is_ready && turns),
        }
    }

    /// The answer as text, for people: the loops that hang, or the phase of each component.
    pub(super) fn text(self, status: &Status) -> String {
        match self {
            Self::Health => match status.silent() {
                silent if silent.is_empty() => "alive\n".to_owned(),
                silent => silent,
            },
            Self::Ready | Self::Startup => status.to_string(),
        }
    }
}

/// An answer in JSON.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    status: Health,
    /// The time of the answer (RFC 3339).
    timestamp: String,
    /// Seconds since the admin port was opened.
    uptime: f64,
    memory: Memory,
    version: &'static str,
    dependencies: Vec<Dependency>,
    loops: Vec<Loop>,
}

/// The memory that the process uses; `None` if the kernel does not tell.
#[derive(Debug, Serialize)]
struct Memory {
    resident_bytes: Option<u64>,
}

/// A component of the process, or something that it depends on.
#[derive(Debug, Serialize)]
struct Dependency {
    name: &'static str,
    /// `starting`, `ready`, `not_ready` or `draining`.
    state: &'static str,
    /// The reason why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Since when it has been in this state (RFC 3339).
    since: String,
    /// The time that it took to answer, in milliseconds; `None` if it is not asked, or has not answered yet.
    response_time_ms: Option<f64>,
}

/// A loop of the process.
#[derive(Debug, Serialize)]
struct Loop {
    name: String,
    /// `turns` or `hangs`.
    state: &'static str,
    /// The seconds since it last answered.
    silent_s: f64,
}

/// The facts that answers need besides the phases of components.
#[derive(Debug)]
pub(super) struct ProcessFacts {
    begun: Instant,
    /// Opened once, so that an answer needs no descriptor.
    memory: Option<File>,
}

impl ProcessFacts {
    /// The facts of a process that begins now.
    pub(super) fn new() -> Self {
        Self {
            begun: now(),
            memory: File::open("/proc/self/statm").ok(),
        }
    }

    /// The answer to a question.
    pub(super) fn report(&self, probe: Probe, status: &Status) -> Report {
        Report {
            status: probe.answer(status),
            timestamp: rfc3339(unix_ms()),
            uptime: rounded(now().saturating_duration_since(self.begun).as_secs_f64()),
            memory: Memory {
                resident_bytes: self.resident_bytes(),
            },
            version: VERSION,
            dependencies: status.components().into_iter().map(dependency).collect(),
            loops: status.loops().into_iter().map(loop_of).collect(),
        }
    }

    fn resident_bytes(&self) -> Option<u64> {
        let mut text = [0; 128];
        let count = self.memory.as_ref()?.read_at(&mut text, 0).ok()?;
        // The second number: pages in memory (proc_pid_statm(5)).
        let text = str::from_utf8(&text[..count]).ok()?;
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        Some(pages * page_size() as u64)
    }
}

fn dependency(component: ComponentState) -> Dependency {
    Dependency {
        name: component.name,
        state: component.phase.name(),
        reason: component.phase.reason().map(str::to_owned),
        since: rfc3339(component.since_ms),
        response_time_ms: component
            .response_time
            .map(|took| rounded(took.as_secs_f64() * 1e3)),
    }
}

fn loop_of((name, silence, hangs): (String, Duration, bool)) -> Loop {
    Loop {
        name,
        state: if hangs { "hangs" } else { "turns" },
        silent_s: silence.as_secs_f64(),
    }
}

/// A Unix time in milliseconds as text.
fn rfc3339(unix_ms: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000);
    let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    // A time of this century can be written.
    time.format(&Rfc3339).unwrap_or_default()
}

/// A number with three digits behind the point.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
