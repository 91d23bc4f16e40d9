//! The data of a plot.

use crate::load::tally::Latencies;

/// A named series of points.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The name.
    pub name: String,
    /// The points.
    pub points: Vec<(f64, f64)>,
    /// Texts that replace the values of bars at these places.
    pub notes: Vec<(f64, String)>,
}

impl Line {
    /// A series.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self {
            name: name.into(),
            points,
            notes: Vec::new(),
        }
    }

    /// The distribution of latencies, for [`Axis::Percentile`](super::Axis::Percentile).
    pub fn spread(name: impl Into<String>, latencies: &Latencies) -> Self {
        let steps = (0..=80).map(|step| f64::from(step) / 20.0);
        let points = steps.filter_map(|nines| {
            let share = 1.0 - 10f64.powf(-nines);
            latencies.quantile_ms(share).map(|ms| (nines, ms))
        });
        Self::new(name, points.collect())
    }
}
