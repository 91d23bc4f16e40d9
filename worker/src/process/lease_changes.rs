//! The changes of leases as one metric. The counters of the single changes are older, and stay.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::{ConstCounter, Counter};

/// The counters of the changes.
#[derive(Debug)]
pub(super) struct LeaseChanges {
    pub(super) taken: Counter,
    pub(super) released: Counter,
    pub(super) lost: Counter,
}

impl Collector for LeaseChanges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Leases of partitions that changed, by change";
        let kind_of = self.taken.metric_type();
        let mut family = encoder.encode_descriptor("lease_changes", help, None, kind_of)?;
        for (change, counter) in [
            ("taken", &self.taken),
            ("released", &self.released),
            ("lost", &self.lost),
        ] {
            let labels = [("change", change)];
            let metric = family.encode_family(&labels)?;
            ConstCounter::new(counter.get()).encode(metric)?;
        }
        Ok(())
    }
}
