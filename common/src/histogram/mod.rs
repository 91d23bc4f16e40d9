//! Histograms that one thread counts in plain numbers and publishes from time to time, so that the hot path shares nothing.
//!
//! A [`Tally`] is the thread's own; a [`Histogram`] is what all threads have published, and a metric. Each observation is
//! counted twice: in the classic buckets of its [`Scale`], whose bounds are round numbers, and in the buckets of a native
//! histogram of Prometheus, which are fine and have no bounds to choose.

mod scale;

mod native;

mod tally;

mod shared;

#[cfg(test)]
mod tests;

pub use scale::{AGE, BYTES, COUNT, LATENCY, LIFETIME, Scale};
pub use shared::{Histogram, LocalHistogram};
pub use tally::{Tally, micros};
