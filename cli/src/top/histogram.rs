//! Quantiles of histograms with classic buckets.

/// The cumulative counts of a histogram, by upper bound.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Buckets(Vec<(f64, f64)>);

impl Buckets {
    /// The buckets with these bounds and counts; those of one bound are added. `None` if there are none.
    pub(super) fn of(counts: impl Iterator<Item = (f64, f64)>) -> Option<Self> {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for (bound, count) in counts {
            match buckets.iter_mut().find(|(known, _)| *known == bound) {
                Some((_, sum)) => *sum += count,
                None => buckets.push((bound, count)),
            }
        }
        buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        (!buckets.is_empty()).then_some(Self(buckets))
    }

    /// The observations after `earlier`. A process that has restarted began again.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let before = |bound: f64| {
            let found = earlier.0.iter().find(|(known, _)| *known == bound);
            found.map_or(0.0, |(_, count)| *count)
        };
        let has_restarted = self.0.iter().any(|(bound, count)| before(*bound) > *count);
        if has_restarted {
            return self.clone();
        }
        let since = self.0.iter();
        Self(
            since
                .map(|(bound, count)| (*bound, count - before(*bound)))
                .collect(),
        )
    }

    /// The observations of both.
    pub(super) fn and(&self, other: &Self) -> Option<Self> {
        Self::of(self.0.iter().chain(&other.0).copied())
    }

    /// A quantile, between the bounds of its bucket in proportion; `None` without observations.
    pub(super) fn quantile(&self, quantile: f64) -> Option<f64> {
        let all = self.0.last().map_or(0.0, |(_, count)| *count);
        if all <= 0.0 {
            return None;
        }
        let rank = quantile * all;
        let (mut below, mut counted) = (0.0, 0.0);
        for (bound, count) in &self.0 {
            if *count >= rank {
                // Values beyond the last bound are at least as large as that bound.
                if bound.is_infinite() {
                    return Some(below);
                }
                let within = (rank - counted) / (count - counted).max(f64::MIN_POSITIVE);
                return Some(below + (bound - below) * within);
            }
            (below, counted) = (*bound, *count);
        }
        Some(below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(counts: [f64; 3]) -> Buckets {
        let bounds = [0.1, 0.2, f64::INFINITY];
        Buckets::of(bounds.into_iter().zip(counts)).unwrap()
    }

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let all = buckets([50.0, 100.0, 100.0]);
        assert_eq!(all.quantile(0.25), Some(0.05));
        assert!((all.quantile(0.75).unwrap() - 0.15).abs() < 1e-9);
        let beyond = buckets([0.0, 0.0, 5.0]);
        assert_eq!(beyond.quantile(0.5), Some(0.2));
        assert_eq!(buckets([0.0; 3]).quantile(0.5), None);
    }

    #[test]
    fn only_what_came_since_counts_and_a_restart_begins_again() {
        let before = buckets([50.0, 50.0, 50.0]);
        let now = buckets([50.0, 60.0, 60.0]);
        assert!(now.since(&before).quantile(0.5).unwrap() > 0.1);
        assert_eq!(before.since(&now), before);
        assert_eq!(before.and(&now), Some(buckets([100.0, 110.0, 110.0])));
    }
}
