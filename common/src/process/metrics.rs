//! Metrics with one prefix and labels from enums. The hot path looks nothing up.

use std::fmt;
use std::marker::PhantomData;

use prometheus_client::encoding::prometheus_protobuf::encode_to_vec;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::usage;
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
    let labels = vec![
        ("service", build.service),
        ("component", build.service),
        ("version", build.version),
    ];
    registry.register(
        "build",
        "Component and version of this process; `service` is the former name of `component`",
        Info::new(labels),
    );
    registry
}

/// Renders the metrics in the OpenMetrics text format, with those of the process itself.
pub fn render(registry: &Registry) -> String {
    let mut out = String::new();
    let all = [registry, &usage::registry()];
    let written = all
        .into_iter()
        .try_for_each(|registry| text::encode_registry(&mut out, registry))
        .and_then(|()| text::encode_eof(&mut out));
    // Writing to a string fails only for an invalid metric; the other metrics are useless then too.
    if let Err(error) = written {
        tracing::error!(%error, "cannot write the metrics");
        out.clear();
    }
    out
}

/// Renders the metrics as length-delimited protobuf (`io.prometheus.client.MetricFamily`), which has native histograms
/// beside the classic ones. With those of the process itself.
pub fn render_protobuf(registry: &Registry) -> Vec<u8> {
    let all = [registry, &usage::registry()];
    let families: Result<Vec<_>, _> = all.into_iter().map(encode_to_vec).collect();
    families.map_or_else(
        |error| {
            tracing::error!(%error, "cannot write the metrics as protobuf");
            Vec::new()
        },
        |families| families.concat(),
    )
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::MetricFamily;
    use prost::Message as _;

    use super::*;
    use crate::histogram::{Histogram, LATENCY};

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
            "grandstand_build_info{service=\"edge\",component=\"edge\",version=\"1.2.3\"} 1",
            "# TYPE grandstand_edge_errors counter",
            "grandstand_edge_errors_total{shard=\"1\",code=\"bad_seq\"} 3",
            "grandstand_edge_errors_total{shard=\"0\",code=\"bad_json\"} 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn protobuf_has_the_names_of_the_text_and_native_histograms() {
        let mut registry = registry(Build {
            service: "edge",
            version: "1.2.3",
        });
        let histogram = Histogram::new(&LATENCY);
        for micros in [0, 1_000, 1_000, 1_000_000] {
            histogram.observe(micros);
        }
        registry.register("lag_seconds", "Lag", histogram);
        let errors = Counters::<ErrorKind>::register(&mut registry, "errors", "Refusals");
        errors.with_labels(&[]).inc(ErrorKind::BadSeq);
        let encoded = render_protobuf(&registry);
        let mut rest = &encoded[..];
        let mut families = Vec::new();
        while !rest.is_empty() {
            families.push(MetricFamily::decode_length_delimited(&mut rest).unwrap());
        }
        let text = render(&registry);
        for family in &families {
            let name = &family.name;
            let has = |line: &str| {
                line.starts_with(&format!("{name} ")) || line.starts_with(&format!("{name}{{"))
            };
            let is_histogram = text.contains(&format!("# TYPE {name} histogram"));
            assert!(
                is_histogram || text.lines().any(has),
                "{name} is not in\n{text}"
            );
        }
        let lag = families.iter().find(|f| f.name == "grandstand_lag_seconds");
        let lag = lag.unwrap().metric[0].histogram.clone().unwrap();
        assert_eq!((lag.sample_count, lag.schema, lag.zero_count), (4, 3, 1));
        // 1 ms ends in the bucket up to 2^(-79/8) = 1.07 ms, and 1 s in the one up to 2^0.
        let spans: Vec<_> = lag
            .positive_span
            .iter()
            .map(|s| (s.offset, s.length))
            .collect();
        assert_eq!(spans, [(-79, 1), (78, 1)]);
        assert_eq!(lag.positive_delta, [2, -1]);
        let classic = lag.bucket.iter().find(|bucket| bucket.upper_bound == 0.001);
        assert_eq!(classic.unwrap().cumulative_count, 3);
    }

    #[test]
    fn the_index_of_a_label_is_its_position() {
        for (i, kind) in ErrorKind::ALL.iter().enumerate() {
            assert_eq!(kind.index(), i);
        }
    }
}
