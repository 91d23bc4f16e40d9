//! The kinds of faults, with their names on the command line and their labels in reports.

use std::str::FromStr;

use serde::Serialize;

/// A kind of fault.
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
    StartKilled,
    StoreRolledBack,
    ClockJumped,
    LogFull,
    PayloadShrunk,
    PermissionDenied,
    ClientFloods,
}

impl Kind {
    /// All kinds, the [usual](Self::USUAL) ones first.
    pub const ALL: [Self; 16] = [
        Self::WorkerKilled,
        Self::WorkerStopped,
        Self::WorkerRestarted,
        Self::EdgeKilled,
        Self::EdgeStopped,
        Self::EdgeRestarted,
        Self::NatsKilled,
        Self::NatsStopped,
        Self::NatsRestarted,
        Self::StartKilled,
        Self::StoreRolledBack,
        Self::ClockJumped,
        Self::LogFull,
        Self::PayloadShrunk,
        Self::PermissionDenied,
        Self::ClientFloods,
    ];

    /// The kinds of a run that names none: processes that are killed, paused and restarted.
    pub const USUAL: &[Self] = Self::ALL.split_at(9).0;

    /// The kind's name on the command line.
    pub fn name(self) -> &'static str {
        self.texts().0
    }

    /// The kind's label in reports.
    pub fn label(self) -> &'static str {
        self.texts().1
    }

    /// The fault in one line, for `--help`.
    pub fn help(self) -> &'static str {
        self.texts().2
    }

    /// The frequency of the kind, relative to other kinds.
    pub(super) fn weight(self) -> u32 {
        match self {
            Self::WorkerKilled => 26,
            Self::WorkerStopped => 17,
            Self::WorkerRestarted => 15,
            Self::EdgeKilled => 11,
            Self::EdgeStopped => 7,
            Self::EdgeRestarted => 6,
            Self::NatsKilled => 8,
            Self::NatsStopped => 5,
            Self::NatsRestarted => 5,
            Self::StartKilled => 10,
            Self::StoreRolledBack | Self::LogFull => 5,
            Self::PayloadShrunk | Self::PermissionDenied => 5,
            Self::ClockJumped | Self::ClientFloods => 15,
        }
    }

    fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::WorkerKilled => ("worker-kill", "worker killed", "SIGKILL a worker"),
            Self::WorkerStopped => ("worker-stop", "worker paused", "SIGSTOP a worker"),
            Self::WorkerRestarted => ("worker-restart", "worker restarted", "SIGTERM a worker"),
            Self::EdgeKilled => ("edge-kill", "edge killed", "SIGKILL an edge"),
            Self::EdgeStopped => ("edge-stop", "edge paused", "SIGSTOP an edge"),
            Self::EdgeRestarted => ("edge-restart", "edge restarted", "SIGTERM an edge"),
            Self::NatsKilled => ("nats-kill", "NATS killed", "SIGKILL nats-server"),
            Self::NatsStopped => ("nats-stop", "NATS paused", "SIGSTOP nats-server"),
            Self::NatsRestarted => ("nats-restart", "NATS restarted", "SIGTERM nats-server"),
            Self::StartKilled => (
                "start-kill",
                "killed while starting",
                "SIGKILL a worker or an edge, and again while it starts",
            ),
            Self::StoreRolledBack => (
                "rollback",
                "store rolled back",
                "Restore the store of NATS from a copy of some seconds before",
            ),
            Self::ClockJumped => (
                "clock",
                "clock jumped",
                "Set the wall clock of a worker up to a day ahead or back (needs faketime)",
            ),
            Self::LogFull => (
                "full-log",
                "log full",
                "Give the streams of the log no more space for some seconds",
            ),
            Self::PayloadShrunk => (
                "small-payload",
                "max_payload shrunk",
                "Lower max_payload of NATS to 32 KiB for some seconds",
            ),
            Self::PermissionDenied => (
                "denied",
                "permission denied",
                "Deny all processes to publish on a subject for some seconds",
            ),
            Self::ClientFloods => (
                "flood",
                "client floods",
                "Let a client send as much as it can, and read nothing half of the time",
            ),
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == name);
        kind.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("`{name}` is no kind of fault; use one of {names}")
        })
    }
}
