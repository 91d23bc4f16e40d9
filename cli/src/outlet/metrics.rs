//! The metrics of an outlet.

use grandstand_common::process::metrics::{CounterSet, Counters, Label};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The outcome of an attempt to deliver an item.
#[derive(Debug, Clone, Copy)]
pub(super) enum Delivery {
    Delivered,
    /// The attempt failed. Another one follows.
    Failed,
    /// The last attempt failed: the item is a dead letter.
    Dead,
}

impl Label for Delivery {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Delivered, Self::Failed, Self::Dead];

    fn index(self) -> usize {
        self as usize
    }

    fn value(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dead => "dead",
        }
    }
}

/// The outcome of a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum CallOutcome {
    Answered,
    /// The room gets an error.
    Failed,
    /// Its time was over before it was made or answered.
    Expired,
}

impl Label for CallOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Answered, Self::Failed, Self::Expired];

    fn index(self) -> usize {
        self as usize
    }

    fn value(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

type Name = [(&'static str, String); 1];

/// The metrics. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct OutletMetrics {
    breaker: Family<Name, Gauge>,
    waiting: Family<Name, Gauge>,
    lag: Family<Name, Gauge>,
    disabled: Family<Name, Gauge>,
    deliveries: std::sync::Arc<Counters<Delivery>>,
    calls: std::sync::Arc<Counters<CallOutcome>>,
    /// Whether this process is the one at work.
    pub(super) leads: Gauge,
}

/// The metrics of an endpoint.
#[derive(Debug, Clone)]
pub(super) struct EndpointMetrics {
    pub(super) breaker: Gauge,
    pub(super) waiting: Gauge,
    pub(super) lag: Gauge,
    pub(super) disabled: Gauge,
    pub(super) deliveries: CounterSet<Delivery>,
    pub(super) calls: CounterSet<CallOutcome>,
}

impl OutletMetrics {
    /// Registers the metrics as `…_outlet_…`.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("outlet");
        let help = "Attempts to deliver items, by endpoint and by what became of them";
        let deliveries = Counters::register(registry, "deliveries", help).into();
        let help = "Calls of games, by endpoint and by what became of them";
        let calls = Counters::register(registry, "calls", help).into();
        let mut gauge = |name: &str, help: &str| {
            let family = Family::<Name, Gauge>::default();
            registry.register(name, help, family.clone());
            family
        };
        let help = "The circuit breaker of an endpoint: 0 closed, 1 half-open, 2 open";
        let breaker = gauge("breaker_state", help);
        let help = "Items whose delivery has failed and is tried again";
        let waiting = gauge("waiting_letters", help);
        let lag = gauge("lag_messages", "Items that wait in the stream");
        let help = "Whether an endpoint has answered with 410 and gets nothing: 1, else 0";
        let disabled = gauge("endpoint_disabled", help);
        let leads = Gauge::default();
        let help = "Whether this process is the one at work: 1; 0 for a standby";
        registry.register("leads", help, leads.clone());
        Self {
            breaker,
            waiting,
            lag,
            disabled,
            deliveries,
            calls,
            leads,
        }
    }

    /// Removes the gauges of an endpoint that is gone. Counters stay, as they do after a restart.
    pub(super) fn forget(&self, name: &str) {
        for family in [&self.breaker, &self.waiting, &self.lag, &self.disabled] {
            family.remove(&[("endpoint", name.to_owned())]);
        }
    }

    /// The metrics of an endpoint. They exist from now on.
    pub(super) fn endpoint(&self, name: &str) -> EndpointMetrics {
        let of = |family: &Family<Name, Gauge>| {
            let labels = [("endpoint", name.to_owned())];
            family.get_or_create(&labels).clone()
        };
        let labels = [("endpoint", name)];
        EndpointMetrics {
            breaker: of(&self.breaker),
            waiting: of(&self.waiting),
            lag: of(&self.lag),
            disabled: of(&self.disabled),
            deliveries: self.deliveries.with_labels(&labels),
            calls: self.calls.with_labels(&labels),
        }
    }
}

#[cfg(test)]
mod tests {
    use grandstand_common::process::metrics::{Build, registry, render};

    use super::*;

    #[test]
    fn every_metric_is_documented() {
        let mut registry = registry(Build {
            service: "outlet",
            version: "0",
        });
        OutletMetrics::register(&mut registry).endpoint("billing");
        let text = render(&registry);
        let docs = include_str!("../../../docs/operations.md");
        let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let own = names.filter(|name| name.starts_with("grandstand_outlet_"));
        let own: Vec<_> = own.filter_map(|name| name.split_once(' ')).collect();
        assert_eq!(own.len(), 7, "{text}");
        for (name, kind) in own {
            let suffix = if kind == "counter" { "_total" } else { "" };
            let name = format!("`{name}{suffix}");
            assert!(docs.contains(&name), "{name} is not in docs/operations.md");
        }
    }
}
