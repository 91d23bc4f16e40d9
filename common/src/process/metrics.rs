//! Metrics with one prefix and labels from enums. The hot path looks nothing up.

use std::fmt;
use std::marker::PhantomData;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::error::ErrorKind;

/// A closed set of values of one label, so that an error's text never becomes a label.
pub trait Label: Copy + 'static {
    /// The label's name, for example `reason`.
    const NAME: &'static str;

    /// All values, each at its [`index`](Self::index).
    const ALL: &'static [Self];

    /// The value's place in [`ALL`](Self::ALL).
    fn index(self) -> usize;

    /// The value's text in the metrics.
    fn value(self) -> &'static str;
}

impl Label for ErrorKind {
    const NAME: &'static str = "code";
    const ALL: &'static [Self] = &ErrorKind::ALL;

    fn index(self) -> usize {
        self as usize
    }

    fn value(self) -> &'static str {
        self.code()
    }
}

type Pairs = Vec<(&'static str, String)>;

/// A counter per value of a label and per part of the process (a shard).
pub struct Counters<L> {
    family: Family<Pairs, Counter>,
    label: PhantomData<L>,
}

impl<L: Label> Counters<L> {
    /// Registers the counters as `{prefix}_{name}_total`.
    pub fn register(registry: &mut Registry, name: &str, help: &str) -> Self {
        let family = Family::default();
        registry.register(name, help, family.clone());
        Self {
            family,
            label: PhantomData,
        }
    }

    /// The counters of the part with these labels, for example `[("shard", "0")]`; none if the process has a single
    /// part. All counters exist from now on, at 0.
    pub fn with_labels(&self, labels: &[(&'static str, &str)]) -> CounterSet<L> {
        let counter = |&value: &L| {
            let mut pairs: Pairs = labels.iter().map(|&(n, v)| (n, v.to_owned())).collect();
            pairs.push((L::NAME, value.value().to_owned()));
            self.family.get_or_create(&pairs).clone()
        };
        CounterSet {
            counters: L::ALL.iter().map(counter).collect(),
            label: PhantomData,
        }
    }
}

impl<L> fmt::Debug for Counters<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").finish_non_exhaustive()
    }
}

/// The counters of one part. Counting is one atomic addition.
#[derive(Debug, Clone)]
pub struct CounterSet<L> {
    counters: Box<[Counter]>,
    label: PhantomData<L>,
}

impl<L: Label> CounterSet<L> {
    /// Counts one.
    pub fn inc(&self, label: L) {
        self.add(label, 1);
    }

    /// Counts `n`.
    pub fn add(&self, label: L, n: u64) {
        if let Some(counter) = self.counters.get(label.index()) {
            counter.inc_by(n);
        }
    }

    /// The count so far.
    pub fn get(&self, label: L) -> u64 {
        self.counters.get(label.index()).map_or(0, Counter::get)
    }
}

/// The process' build, in `grandstand_build_info`.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// `edge`, `worker` or `dev`.
    pub service: &'static str,
    /// `CARGO_PKG_VERSION` of the binary.
    pub version: &'static str,
}

/// A registry with the prefix `grandstand_` that has `grandstand_build_info`. Each module registers in a
/// [`sub_registry_with_prefix`](Registry::sub_registry_with_prefix) of its own: `edge`, `worker`, `bus`.
pub fn registry(build: Build) -> Registry {
    let mut registry = Registry::with_prefix("grandstand");
    let labels = vec![("service", build.service), ("version", build.version)];
    registry.register(
        "build",
        "Service and version of this process",
        Info::new(labels),
    );
    registry
}

/// Renders the metrics in the OpenMetrics text format.
pub fn render(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing to a string fails only for an invalid metric; the other metrics are useless then too.
    if let Err(error) = prometheus_client::encoding::text::encode(&mut text, registry) {
        tracing::error!(%error, "cannot write the metrics");
        text.clear();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_prefix_labels_and_build() {
        let mut registry = registry(Build {
            service: "edge",
            version: "1.2.3",
        });
        let edge = registry.sub_registry_with_prefix("edge");
        let errors = Counters::<ErrorKind>::register(edge, "errors", "Refusals");
        let shards = ["0", "1"].map(|shard| errors.with_labels(&[("shard", shard)]));
        shards[1].inc(ErrorKind::BadSeq);
        shards[1].add(ErrorKind::BadSeq, 2);
        assert_eq!(shards[1].get(ErrorKind::BadSeq), 3);
        let text = render(&registry);
        for line in [
            "grandstand_build_info{service=\"edge\",version=\"1.2.3\"} 1",
            "# TYPE grandstand_edge_errors counter",
            "grandstand_edge_errors_total{shard=\"1\",code=\"bad_seq\"} 3",
            "grandstand_edge_errors_total{shard=\"0\",code=\"bad_json\"} 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn the_index_of_a_label_is_its_position() {
        for (i, kind) in ErrorKind::ALL.iter().enumerate() {
            assert_eq!(kind.index(), i);
        }
    }
}
