//! The buckets of native histograms of Prometheus: a bucket ends at `2^(index / 8)` and begins behind the end of the one
//! before it. The end itself is inside.

use prometheus_client::encoding::{NativeHistogram, NativeHistogramBuckets};

use super::scale::Scale;

/// The resolution: a bucket is wider than the one before by a factor of `2^(2^-SCHEMA)`, which is 1.09.
const SCHEMA: i32 = 3;

/// Buckets from one power of two to the next.
const PER_POWER: i32 = 1 << SCHEMA;

/// The ends of the buckets between one half and one: `2^(k / 8 - 1)`.
const ENDS: [f64; PER_POWER as usize] = [
    0.5,
    0.545_253_866_332_628_8,
    0.594_603_557_501_360_5,
    0.648_419_777_325_504_8,
    std::f64::consts::FRAC_1_SQRT_2,
    0.771_105_412_703_970_4,
    0.840_896_415_253_714_6,
    0.917_004_043_204_671_2,
];

/// The counts of the buckets of a scale, and of the observations that are 0.
#[derive(Debug, Clone)]
pub(super) struct NativeCounts {
    zeros: u64,
    buckets: Box<[u64]>,
}

impl NativeCounts {
    /// No observations.
    pub(super) fn new(scale: &Scale) -> Self {
        let (low, high) = scale.powers;
        Self {
            zeros: 0,
            buckets: vec![0; ((high - low) * PER_POWER) as usize].into(),
        }
    }

    /// Counts an observation, in the exported unit.
    #[inline]
    pub(super) fn observe(&mut self, scale: &Scale, value: f64) {
        if value <= 0.0 {
            self.zeros += 1;
            return;
        }
        let place = index_of(value) - first_index(scale);
        let last = self.buckets.len() as i32 - 1;
        self.buckets[place.clamp(0, last) as usize] += 1;
    }

    /// Adds the counts of another one of the same scale, and sets them to 0.
    pub(super) fn take_from(&mut self, other: &mut Self) {
        self.zeros += std::mem::take(&mut other.zeros);
        for (sum, count) in self.buckets.iter_mut().zip(&mut other.buckets) {
            *sum += std::mem::take(count);
        }
    }

    /// Passes the buckets on in the form that encoders need: spans of buckets in a row, and the difference of each count
    /// to the one before.
    pub(super) fn encode<T>(
        &self,
        scale: &Scale,
        pass: impl FnOnce(NativeHistogram<'_>) -> T,
    ) -> T {
        let mut spans: Vec<(i32, u32)> = Vec::new();
        let mut deltas = Vec::new();
        let (mut next, mut before) = (0, 0_i64);
        let counted = self.buckets.iter().enumerate();
        for (place, &count) in counted.filter(|(_, count)| **count > 0) {
            let index = first_index(scale) + place as i32;
            match spans.last_mut() {
                Some((_, length)) if index == next => *length += 1,
                _ => spans.push((index - next, 1)),
            }
            deltas.push(count as i64 - before);
            (next, before) = (index + 1, count as i64);
        }
        if spans.is_empty() {
            // Without a span, a histogram without observations would not count as native.
            spans.push((0, 0));
        }
        pass(NativeHistogram {
            schema: SCHEMA,
            zero_threshold: 0.0,
            zero_count: self.zeros,
            negative: NativeHistogramBuckets {
                spans: &[],
                deltas: &[],
            },
            positive: NativeHistogramBuckets {
                spans: &spans,
                deltas: &deltas,
            },
            created: None,
        })
    }
}

/// The index of the first bucket of a scale: the one that ends at its lowest power.
fn first_index(scale: &Scale) -> i32 {
    scale.powers.0 * PER_POWER
}

/// The index of the bucket of a positive number.
#[inline]
fn index_of(value: f64) -> i32 {
    const MANTISSA: u32 = f64::MANTISSA_DIGITS - 1;
    const HALF: u64 = 1022 << MANTISSA;
    let bits = value.to_bits();
    // value = fraction * 2^exponent, and the fraction is at least one half.
    let exponent = ((bits >> MANTISSA) & 0x7ff) as i32 - 1022;
    let fraction = f64::from_bits((bits & ((1 << MANTISSA) - 1)) | HALF);
    let place = ENDS.partition_point(|end| *end < fraction);
    place as i32 + (exponent - 1) * PER_POWER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_at_a_power_of_the_eighth_root_of_two() {
        for index in -100_i32..100 {
            let end = 2_f64.powf(f64::from(index) / f64::from(PER_POWER));
            assert_eq!(index_of(end * 0.999), index, "{end}");
            assert_eq!(index_of(end * 1.001), index + 1, "{end}");
        }
        assert_eq!(index_of(1.0), 0);
        assert_eq!(index_of(2.0), PER_POWER);
    }
}
