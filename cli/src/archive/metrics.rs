//! The metrics of the archive.

use std::sync::atomic::AtomicU64;

use grandstand_common::process::metrics::{CounterSet, Counters, Label};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::batch::Stored;

/// The outcome of a message of the stream.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    Stored,
    Repeated,
    Refused,
}

impl Label for Outcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Stored, Self::Repeated, Self::Refused];

    fn index(self) -> usize {
        self as usize
    }

    fn value(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Repeated => "repeated",
            Self::Refused => "refused",
        }
    }
}

/// The outcome of a question about a leaderboard.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answered {
    Page,
    /// The request was wrong, or the player is not there.
    Refused,
    /// The database was unavailable.
    Unavailable,
}

impl Label for Answered {
    const NAME: &'static str = "result";
    const ALL: &'static [Self] = &[Self::Page, Self::Refused, Self::Unavailable];

    fn index(self) -> usize {
        self as usize
    }

    fn value(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

/// The metrics. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct ArchiveMetrics {
    pub(super) lag: Gauge,
    pub(super) database_up: Gauge,
    pub(super) leads: Gauge,
    pub(super) gaps: Counter<u64, AtomicU64>,
    pub(super) results: CounterSet<Outcome>,
    pub(super) questions: CounterSet<Answered>,
}

impl ArchiveMetrics {
    /// Registers the metrics as `…_archive_…`.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("archive");
        let help = "Messages of the stream: results that are stored, repeated ones, and messages that are no results";
        let results = Counters::register(registry, "results", help);
        let help = "Questions about leaderboards, by what became of them";
        let questions = Counters::register(registry, "questions", help);
        let metrics = Self {
            lag: Gauge::default(),
            database_up: Gauge::default(),
            leads: Gauge::default(),
            gaps: Counter::default(),
            results: results.with_labels(&[]),
            questions: questions.with_labels(&[]),
        };
        let lag = "Results that wait in the stream to be stored";
        registry.register("lag_messages", lag, metrics.lag.clone());
        let up = "Whether the database stores results: 1, else 0";
        registry.register("database_up", up, metrics.database_up.clone());
        let leads = "Whether this process stores results: 1; 0 if another one does";
        registry.register("leads", leads, metrics.leads.clone());
        let gaps = "Times at which the stream had removed results before they were stored, or was another one";
        registry.register("stream_gaps", gaps, metrics.gaps.clone());
        metrics
    }

    pub(super) fn count(&self, stored: Stored) {
        self.results.add(Outcome::Stored, stored.results);
        self.results.add(Outcome::Repeated, stored.repeated);
        self.results.add(Outcome::Refused, stored.refused);
    }
}

#[cfg(test)]
mod tests {
    use grandstand_common::process::metrics::{Build, registry, render};

    use super::*;

    #[test]
    fn every_metric_is_documented() {
        let mut registry = registry(Build {
            service: "archive",
            version: "0",
        });
        ArchiveMetrics::register(&mut registry);
        let text = render(&registry);
        let docs = include_str!("../../../docs/operations.md");
        let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let own = names.filter(|name| name.starts_with("grandstand_archive_"));
        let own: Vec<_> = own.filter_map(|name| name.split_once(' ')).collect();
        assert_eq!(own.len(), 6, "{text}");
        for (name, kind) in own {
            let suffix = if kind == "counter" { "_total" } else { "" };
            let name = format!("`{name}{suffix}");
            assert!(docs.contains(&name), "{name} is not in docs/operations.md");
        }
    }
}
