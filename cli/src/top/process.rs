//! One process: what it says each second, and the rates and quantiles that follow.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::exposition::Metrics;
use super::histogram::Buckets;
use super::rooms::Room;
use crate::admin::{AdminUrl, Report};

/// The seconds of history that are kept.
pub(super) const HISTORY: usize = 120;

/// The answers of a process at one time.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) at: Instant,
    pub(super) metrics: Metrics,
    /// The status of `/ready`, and its words.
    pub(super) ready: (u16, Report),
    /// Its rooms, or why there are none.
    pub(super) rooms: Result<Vec<Room>, String>,
    /// Whether it has more rooms than were asked for.
    pub(super) has_more_rooms: bool,
}

/// The kind of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Edge and worker in one.
    Dev,
    Edge,
    Worker,
    /// Another one, or one that has not answered.
    Other,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Edge => "edge",
            Self::Worker => "worker",
            Self::Other => "",
        }
    }

    fn of(metrics: &Metrics) -> Self {
        let build = metrics.all("grandstand_build_info").first();
        let service = build.and_then(|build| build.label("service").or(build.label("component")));
        let has = |name| metrics.sum(name, &[]).is_some();
        let has_edge = has("grandstand_edge_connections");
        match (service, has_edge, has("grandstand_worker_partitions")) {
            (Some("dev"), ..) | (_, true, true) => Self::Dev,
            (_, true, false) => Self::Edge,
            (_, false, true) => Self::Worker,
            (_, false, false) => Self::Other,
        }
    }
}

/// The numbers of one second. Those that the process does not have are `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Numbers {
    pub(super) connections: Option<f64>,
    /// `None` without a limit.
    pub(super) max_connections: Option<f64>,
    pub(super) players: Option<f64>,
    pub(super) viewers: Option<f64>,
    pub(super) rooms: Option<f64>,
    pub(super) partitions: Option<f64>,
    /// Messages of clients a second.
    pub(super) messages_in: Option<f64>,
    /// Inputs a second.
    pub(super) inputs: Option<f64>,
    /// Writes to clients a second.
    pub(super) deliveries: Option<f64>,
    /// Errors sent to clients a second.
    pub(super) errors: Option<f64>,
    /// Connections accepted a second.
    pub(super) accepted: Option<f64>,
    /// Cores in use.
    pub(super) cpu: Option<f64>,
    pub(super) memory: Option<f64>,
    pub(super) files: Option<f64>,
    pub(super) max_files: Option<f64>,
    /// Seconds.
    pub(super) bus_round_trip: Option<f64>,
    /// Seconds from an input to its ack.
    pub(super) input_p50: Option<f64>,
    pub(super) input_p99: Option<f64>,
    /// Seconds from an input to its update at spectators.
    pub(super) spectators_p99: Option<f64>,
    /// Seconds by which loops are late.
    pub(super) loop_lag_p99: Option<f64>,
}

/// A process over time.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) url: AdminUrl,
    pub(super) kind: Kind,
    /// The last answer.
    pub(super) last: Option<Reading>,
    /// The reason why there is none at the moment.
    pub(super) failure: Option<String>,
    pub(super) now: Numbers,
    /// Observations of the last second, to be added to those of others.
    pub(super) input_latency: Option<Buckets>,
    /// The 99th percentile of the input latency, microseconds.
    pub(super) latencies: VecDeque<u64>,
    pub(super) loads: VecDeque<u64>,
}

impl Process {
    /// A process that was not asked yet.
    pub(super) fn new(url: AdminUrl) -> Self {
        Self {
            url,
            kind: Kind::Other,
            last: None,
            failure: None,
            now: Numbers::default(),
            input_latency: None,
            latencies: VecDeque::new(),
            loads: VecDeque::new(),
        }
    }

    /// Whether it has answered the last time.
    pub(super) fn is_up(&self) -> bool {
        self.failure.is_none() && self.last.is_some()
    }

    /// Whether it has clients.
    pub(super) fn has_edge(&self) -> bool {
        matches!(self.kind, Kind::Dev | Kind::Edge)
    }

    /// Takes an answer, or the reason why there is none.
    pub(super) fn take(&mut self, reading: Result<Reading, String>) {
        match reading {
            Ok(reading) => {
                self.failure = None;
                self.kind = Kind::of(&reading.metrics);
                let change = Change::between(self.last.as_ref(), &reading);
                self.input_latency = change.histogram("grandstand_edge_input_latency_seconds", &[]);
                self.now = change.numbers(self.input_latency.as_ref());
                self.last = Some(reading);
            }
            Err(why) => {
                self.failure = Some(why);
                self.now = Numbers::default();
                self.input_latency = None;
            }
        }
        let micros = self.now.input_p99.unwrap_or(0.0) * 1e6;
        keep(&mut self.latencies, micros);
        keep(&mut self.loads, self.now.cpu.unwrap_or(0.0) * 1e3);
    }
}

/// Adds a value to a history.
pub(super) fn keep(history: &mut VecDeque<u64>, value: f64) {
    if history.len() == HISTORY {
        history.pop_front();
    }
    history.push_back(value.max(0.0) as u64);
}

/// Two answers, one after the other.
struct Change<'a> {
    before: Option<&'a Reading>,
    now: &'a Reading,
    seconds: f64,
}

impl<'a> Change<'a> {
    fn between(before: Option<&'a Reading>, now: &'a Reading) -> Self {
        let seconds = before.map_or(0.0, |before| (now.at - before.at).as_secs_f64());
        Self {
            before,
            now,
            seconds,
        }
    }

    fn value(&self, name: &str) -> Option<f64> {
        self.now.metrics.sum(name, &[])
    }

    /// The growth of a counter a second. A process that has restarted began again at 0.
    fn rate(&self, name: &str) -> Option<f64> {
        let now = self.value(name)?;
        let before = self.before?.metrics.sum(name, &[]).unwrap_or(0.0);
        let grown = if now >= before { now - before } else { now };
        (self.seconds > 0.0).then(|| grown / self.seconds)
    }

    fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Option<Buckets> {
        let now = self.now.metrics.histogram(name, labels)?;
        let before = self.before?.metrics.histogram(name, labels);
        Some(before.map_or(now.clone(), |before| now.since(&before)))
    }

    fn numbers(&self, input_latency: Option<&Buckets>) -> Numbers {
        let either = |edge: &str, worker: &str| self.value(edge).or(self.value(worker));
        let quantile = |name: &str, labels: &[(&str, &str)], q| {
            self.histogram(name, labels)
                .and_then(|buckets| buckets.quantile(q))
        };
        let edge_lag = quantile("grandstand_edge_loop_lag_seconds", &[], 0.99);
        let worker_lag = quantile("grandstand_worker_loop_lag_seconds", &[], 0.99);
        let limit = self.value("grandstand_edge_max_connections");
        Numbers {
            connections: self.value("grandstand_edge_connections"),
            max_connections: limit.filter(|limit| *limit > 0.0),
            players: self.value("grandstand_edge_players"),
            viewers: self.value("grandstand_edge_viewers"),
            rooms: either("grandstand_edge_rooms", "grandstand_worker_rooms"),
            partitions: self.value("grandstand_worker_partitions"),
            messages_in: self.rate("grandstand_edge_messages_in_total"),
            inputs: self
                .rate("grandstand_edge_inputs_total")
                .or(self.rate("grandstand_worker_inputs_total")),
            deliveries: self.rate("grandstand_edge_writes_total"),
            errors: self.rate("grandstand_edge_errors_total"),
            accepted: self.rate("grandstand_edge_accepted_total"),
            cpu: self.rate("process_cpu_seconds_total"),
            memory: self.value("process_resident_memory_bytes"),
            files: self.value("process_open_fds"),
            max_files: self.value("process_max_fds"),
            bus_round_trip: either(
                "grandstand_edge_bus_round_trip_seconds",
                "grandstand_worker_bus_round_trip_seconds",
            ),
            input_p50: input_latency.and_then(|buckets| buckets.quantile(0.5)),
            input_p99: input_latency.and_then(|buckets| buckets.quantile(0.99)),
            spectators_p99: quantile(
                "grandstand_room_latency_seconds",
                &[("lane", "spectators")],
                0.99,
            ),
            loop_lag_p99: edge_lag.into_iter().chain(worker_lag).reduce(f64::max),
        }
    }
}
