//! The result of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::field::Counts;
use super::listener::Traffic;
use super::schedule::Kind;
use super::violation::Violations;
use super::waits::Pauses;

/// The result of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The schedule's seed.
    pub seed: u64,
    /// The schedule's length in seconds.
    pub seconds: u64,
    /// The run's length in seconds, including start and recovery.
    pub took_s: f64,
    /// Whether the run was ended early.
    pub ended_early: bool,
    /// Rooms that were played at a time.
    pub rooms: usize,
    /// The game of the program that was played; `None` for the built-in ones.
    pub game: Option<String>,
    /// Rooms that were compared with the replays of their logs.
    pub replayed: usize,
    /// Connections of players and spectators.
    pub connections: usize,
    /// Restarts of processes that ended because NATS was away.
    pub restarts: u64,
    /// The number of events of each kind.
    pub events: BTreeMap<Kind, u64>,
    /// Counts of client events.
    pub clients: Counts,
    /// Counts of the traffic on the bus.
    pub bus: Traffic,
    /// Players' waits before the first event.
    pub undisturbed: Option<Pauses>,
    /// Players' waits after events of each kind.
    pub pauses: BTreeMap<Kind, Pauses>,
    /// The violations.
    pub violations: Violations,
    /// The folder of the processes' logs, if they were kept.
    pub logs: Option<PathBuf>,
}

impl Report {
    /// Whether there was no violation.
    pub fn is_good(&self) -> bool {
        self.violations.total == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clients, bus, .. } = self;
        let early = if self.ended_early {
            ", ended early"
        } else {
            ""
        };
        let game = self.game.as_ref();
        let game = game.map_or_else(String::new, |game| format!(" of {game}"));
        writeln!(
            f,
            "chaos: seed {}, {} s{early}, {:.0} s with start and recovery; {} rooms{game}, {} connections",
            self.seed, self.seconds, self.took_s, self.rooms, self.connections
        )?;
        writeln!(
            f,
            "inputs: {} sent, {} acked, of which {} rejected by games; {} sent again",
            clients.inputs_sent,
            clients.inputs_acked,
            clients.inputs_rejected,
            clients.inputs_resent
        )?;
        writeln!(
            f,
            "clients: {} reconnects, {} updates, {} snapshots, {} games played to their end ({} against bots), {} `degraded` notices",
            clients.reconnects,
            clients.updates,
            clients.snapshots,
            clients.games_over,
            clients.bot_games_over,
            clients.degraded
        )?;
        if self.replayed > 0 {
            writeln!(
                f,
                "logs: {} rooms are what the replays of their logs lead to, unless a violation names them",
                self.replayed
            )?;
        }
        if clients.inputs_lost + clients.busy > 0 {
            writeln!(
                f,
                "refused: {} inputs as `busy`; lost with the store, as players were told: {} acked inputs",
                clients.busy, clients.inputs_lost
            )?;
        }
        writeln!(
            f,
            "bus: {} batches with {} rooms from {} owners, {} late rooms, which edges drop",
            bus.batches, bus.rooms, bus.owners, bus.late
        )?;
        writeln!(
            f,
            "\nThe longest wait of each player in each room for an answer, from an event to the next, ms:\n\
             {:<28}{:>7}{:>10}{:>10}{:>10}",
            "event", "times", "p50", "p99", "max"
        )?;
        let mut line = |name: &str, times: Option<u64>, pauses: Option<&Pauses>| {
            let times = times.map_or_else(String::new, |times| times.to_string());
            match pauses {
                Some(p) => writeln!(
                    f,
                    "{name:<28}{times:>7}{:>10.1}{:>10.1}{:>10.1}",
                    p.p50_ms, p.p99_ms, p.max_ms
                ),
                None => writeln!(f, "{name:<28}{times:>7}"),
            }
        };
        line("(before the first)", None, self.undisturbed.as_ref())?;
        for (kind, times) in &self.events {
            line(kind.label(), Some(*times), self.pauses.get(kind))?;
        }
        if self.is_good() {
            return write!(
                f,
                "\nall is well: every acked input is in its room once and in order, and all clients show the same"
            );
        }
        writeln!(f, "\n{} violations:", self.violations.total)?;
        for violation in &self.violations.first {
            writeln!(f, "{violation}")?;
        }
        match &self.logs {
            Some(logs) => write!(f, "logs: {}", logs.display()),
            None => Ok(()),
        }
    }
}
