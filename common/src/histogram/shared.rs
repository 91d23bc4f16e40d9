//! The observations of all threads, as a metric.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

use super::scale::Scale;
use super::tally::Tally;

/// The observations that threads have published. Clones are handles to the same ones.
///
/// The lock is taken once a second by each thread, and when the metrics are read.
#[derive(Debug, Clone)]
pub struct Histogram(Arc<Mutex<Tally>>);

impl Histogram {
    /// No observations.
    pub fn new(scale: &'static Scale) -> Self {
        Self(Arc::new(Mutex::new(Tally::new(scale))))
    }

    /// Publishes the observations of a tally of the same scale, which has none afterwards.
    pub fn publish(&self, tally: &mut Tally) {
        if tally.count() > 0 {
            self.0.lock().take_from(tally);
        }
    }

    /// Adds the observations of another histogram of the same scale, which keeps them.
    pub fn add(&self, other: &Self) {
        let mut observations = other.0.lock().clone();
        self.publish(&mut observations);
    }

    /// Counts an observation at once, in the small unit of the scale. It is for what happens seldom.
    pub fn observe(&self, small: u64) {
        self.0.lock().observe(small);
    }

    /// The number of observations that are published.
    pub fn count(&self) -> u64 {
        self.0.lock().count()
    }

    /// A part of the histogram for one thread, which publishes it.
    pub fn local(&self) -> LocalHistogram {
        let scale = self.0.lock().scale();
        LocalHistogram {
            shared: self.clone(),
            own: RefCell::new(Tally::new(scale)),
        }
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let tally = self.0.lock().clone();
        let scale = tally.scale();
        let bounds = scale.upper_bounds().zip(tally.classic.iter().copied());
        let buckets: Vec<_> = bounds.collect();
        tally.native.encode(scale, |native| {
            encoder.encode_histogram_with_native::<NoLabelSet>(
                scale.export(tally.sum),
                tally.count,
                &buckets,
                None,
                native,
            )
        })
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

/// The part of a histogram that one thread counts. [`publish`](Self::publish) adds it to the histogram.
#[derive(Debug)]
pub struct LocalHistogram {
    shared: Histogram,
    own: RefCell<Tally>,
}

impl LocalHistogram {
    /// Counts an observation, in the small unit of the scale.
    pub fn observe(&self, small: u64) {
        self.own.borrow_mut().observe(small);
    }

    /// Adds what was counted since the last call to the histogram.
    pub fn publish(&self) {
        self.shared.publish(&mut self.own.borrow_mut());
    }
}

impl Drop for LocalHistogram {
    fn drop(&mut self) {
        self.publish();
    }
}
