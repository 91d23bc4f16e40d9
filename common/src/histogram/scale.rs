//! The buckets of histograms.

/// The buckets of a histogram. Observations are whole numbers of a small unit, and exported in a larger one.
#[derive(Debug, PartialEq, Eq)]
pub struct Scale {
    /// The upper bounds of the classic buckets, in the small unit, ascending. An observation at the bound is inside.
    pub bounds: &'static [u64],
    /// The number of small units in the exported one.
    pub per_unit: u64,
    /// The powers of two, in the exported unit, between which the native buckets lie. Observations beyond them count in
    /// the outermost bucket.
    pub(super) powers: (i32, i32),
}

/// Latencies, counted in microseconds and exported in seconds: 25 µs to 30 s.
pub const LATENCY: Scale = Scale {
    bounds: &[
        25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000,
        500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000,
    ],
    per_unit: 1_000_000,
    powers: (-17, 7),
};

/// Durations of processes that people wait for, counted in milliseconds and exported in seconds: 10 ms to 10 min.
pub const AGE: Scale = Scale {
    bounds: &[
        10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000,
    ],
    per_unit: 1_000,
    powers: (-10, 12),
};

/// Lifetimes of connections and rooms, counted in seconds: 1 s to 1 day.
pub const LIFETIME: Scale = Scale {
    bounds: &[
        1, 5, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400,
    ],
    per_unit: 1,
    powers: (0, 21),
};

/// Numbers of things: 1 to 1 million.
pub const COUNT: Scale = Scale {
    bounds: &[
        0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000, 10_000, 100_000, 1_000_000,
    ],
    per_unit: 1,
    powers: (0, 24),
};

/// Sizes in bytes: 64 B to 16 MiB.
pub const BYTES: Scale = Scale {
    bounds: &[
        64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216,
    ],
    per_unit: 1,
    powers: (0, 30),
};

impl Scale {
    /// The upper bounds in the exported unit; the last one is infinite.
    pub(super) fn upper_bounds(&self) -> impl Iterator<Item = f64> {
        let finite = self.bounds.iter().map(|&bound| self.export(bound));
        finite.chain([f64::INFINITY])
    }

    /// Converts a number of small units to the exported unit.
    pub(super) fn export(&self, small: u64) -> f64 {
        small as f64 / self.per_unit as f64
    }

    /// The index of the classic bucket of an observation.
    pub(super) fn bucket(&self, small: u64) -> usize {
        self.bounds.partition_point(|bound| *bound < small)
    }
}
