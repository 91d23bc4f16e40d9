//! The observations of one thread.

use std::time::Duration;

use super::native::NativeCounts;
use super::scale::Scale;

/// Observations in the buckets of a scale, as plain numbers.
#[derive(Debug, Clone)]
pub struct Tally {
    scale: &'static Scale,
    pub(super) classic: Box<[u64]>,
    pub(super) native: NativeCounts,
    /// The sum of all observations, in small units.
    pub(super) sum: u64,
    /// The number of observations.
    pub(super) count: u64,
}

impl Tally {
    /// No observations.
    pub fn new(scale: &'static Scale) -> Self {
        Self {
            scale,
            classic: vec![0; scale.bounds.len() + 1].into(),
            native: NativeCounts::new(scale),
            sum: 0,
            count: 0,
        }
    }

    /// Counts an observation, in the small unit of the scale.
    #[inline]
    pub fn observe(&mut self, small: u64) {
        self.classic[self.scale.bucket(small)] += 1;
        self.native.observe(self.scale, self.scale.export(small));
        self.sum = self.sum.saturating_add(small);
        self.count += 1;
    }

    /// Counts a duration on a scale of microseconds.
    #[inline]
    pub fn observe_micros(&mut self, duration: Duration) {
        self.observe(micros(duration));
    }

    /// The number of observations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The scale.
    pub(super) fn scale(&self) -> &'static Scale {
        self.scale
    }

    /// Adds the observations of another tally of the same scale, which has none afterwards.
    pub fn take_from(&mut self, other: &mut Self) {
        if other.count == 0 {
            return;
        }
        for (sum, count) in self.classic.iter_mut().zip(&mut other.classic) {
            *sum += std::mem::take(count);
        }
        self.native.take_from(&mut other.native);
        self.sum = self.sum.saturating_add(std::mem::take(&mut other.sum));
        self.count += std::mem::take(&mut other.count);
    }
}

/// A duration in microseconds.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
