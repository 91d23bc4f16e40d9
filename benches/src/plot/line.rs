//! The points of a plot.

use crate::load::tally::Latencies;

/// Points that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What they are.
    pub name: String,
    /// Where they are.
    pub points: Vec<(f64, f64)>,
    /// What stands behind the bar at that place instead of its value.
    pub notes: Vec<(f64, String)>,
}

impl Line {
    /// A line.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self {
            name: name.into(),
            points,
            notes: Vec::new(),
        }
    }

    /// How latencies are spread, for [`Axis::Percentile`](super::Axis::Percentile). One bar is none.
    pub fn spread(name: impl Into<String>, latencies: &Latencies) -> Self {
        let steps = (0..=80).map(|step| f64::from(step) / 20.0);
        let points = steps.filter_map(|nines| {
            let share = 1.0 - 10f64.powf(-nines);
            latencies.quantile_ms(share).map(|ms| (nines, ms))
        });
        Self::new(name, points.collect())
    }
}
