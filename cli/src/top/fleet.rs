//! All processes together.

use std::collections::VecDeque;

use super::problems::{self, Problem};
use super::process::{Kind, Process, Reading, keep};
use super::rooms::{self, Order, Room};
use crate::admin::AdminUrl;

/// The processes, and sums over them.
#[derive(Debug)]
pub(super) struct Fleet {
    /// The processes, by kind and address.
    pub(super) processes: Vec<Process>,
    pub(super) connections: Total,
    /// Inputs a second.
    pub(super) inputs: Total,
    /// Writes to clients a second.
    pub(super) deliveries: Total,
    /// The 99th percentile of the input latency over all edges, seconds; in the history microseconds.
    pub(super) latency: Total,
}

/// A number of all processes, and its history.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Total {
    pub(super) now: Option<f64>,
    pub(super) history: VecDeque<u64>,
}

impl Total {
    fn take(&mut self, now: Option<f64>, scale: f64) {
        self.now = now;
        keep(&mut self.history, now.unwrap_or(0.0) * scale);
    }
}

impl Fleet {
    /// The processes at these addresses.
    pub(super) fn new(urls: Vec<AdminUrl>) -> Self {
        Self {
            processes: urls.into_iter().map(Process::new).collect(),
            connections: Total::default(),
            inputs: Total::default(),
            deliveries: Total::default(),
            latency: Total::default(),
        }
    }

    /// Takes the answers of all processes, each with its address.
    pub(super) fn take(&mut self, readings: Vec<(AdminUrl, Result<Reading, String>)>) {
        for (url, reading) in readings {
            let found = self.processes.iter_mut().find(|one| one.url == url);
            if let Some(process) = found {
                process.take(reading);
            }
        }
        self.processes
            .sort_by(|a, b| (a.kind, &a.url).cmp(&(b.kind, &b.url)));
        let sum = |of: fn(&Process) -> Option<f64>| {
            let values = self.processes.iter().filter_map(of);
            values.reduce(|a, b| a + b)
        };
        let connections = sum(|process| process.now.connections);
        // Workers count the same inputs again.
        let inputs = sum(|process| process.now.inputs.filter(|_| process.has_edge()));
        let deliveries = sum(|process| process.now.deliveries);
        let latencies = self.processes.iter();
        let latencies = latencies.filter_map(|process| process.input_latency.clone());
        let latency = latencies
            .reduce(|a, b| a.and(&b).unwrap_or(a))
            .and_then(|buckets| buckets.quantile(0.99));
        self.connections.take(connections, 1.0);
        self.inputs.take(inputs, 1.0);
        self.deliveries.take(deliveries, 1.0);
        self.latency.take(latency, 1e6);
    }

    /// Forgets the processes that have never answered.
    pub(super) fn forget_absent(&mut self) {
        self.processes.retain(|process| process.last.is_some());
    }

    /// Whether a process has answered.
    pub(super) fn is_any_up(&self) -> bool {
        self.processes.iter().any(Process::is_up)
    }

    /// All rooms in this order, and whether there are more than were asked for.
    pub(super) fn rooms(&self, order: Order) -> (Vec<Room>, bool) {
        let of = |is_worker: bool| {
            let fitting = self.processes.iter().filter(move |process| {
                process.is_up() && (process.kind == Kind::Worker) == is_worker
            });
            let readings = fitting.filter_map(|process| process.last.as_ref());
            readings.flat_map(|reading| reading.rooms.iter().flatten())
        };
        let mut rooms = rooms::join(of(true), of(false));
        rooms::sort(&mut rooms, order);
        let mut up = self.processes.iter().filter_map(|one| one.last.as_ref());
        (rooms, up.any(|reading| reading.has_more_rooms))
    }

    /// The reason why no rooms are known, if that is so.
    pub(super) fn no_rooms(&self) -> Option<&str> {
        let readings = self.processes.iter().filter_map(|one| one.last.as_ref());
        let mut why = None;
        for reading in readings {
            match &reading.rooms {
                Ok(_) => return None,
                Err(text) => why = Some(text.as_str()),
            }
        }
        why
    }

    /// The problems of all processes, the worst first.
    pub(super) fn problems(&self) -> Vec<(&Process, Problem)> {
        let mut all: Vec<_> = self
            .processes
            .iter()
            .flat_map(|process| problems::of(process).into_iter().map(move |p| (process, p)))
            .collect();
        all.sort_by_key(|(_, problem)| problem.weight);
        all
    }
}
