//! The due times of inputs: a fixed rate from a fixed start, even if the server does not keep up. A late input keeps
//! its due time, so a stalled server cannot hide behind a client that waited for it (coordinated omission).

/// An open-loop schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Schedule {
    start_ns: u64,
    per_second: f64,
    next: u64,
}

impl Schedule {
    /// `per_second` inputs, beginning at `start_ns`.
    pub(crate) fn new(start_ns: u64, per_second: f64) -> Self {
        Self {
            start_ns,
            per_second,
            next: 0,
        }
    }

    /// The due time of the next input.
    pub(crate) fn next_ns(&self) -> u64 {
        self.start_ns + (self.next as f64 * 1e9 / self.per_second) as u64
    }

    /// Returns the number and due time of an input that is due by `now_ns`.
    pub(crate) fn poll(&mut self, now_ns: u64) -> Option<(u64, u64)> {
        let due = self.next_ns();
        (due <= now_ns).then(|| {
            let number = self.next;
            self.next += 1;
            (number, due)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_input_keeps_its_due_time() {
        let mut schedule = Schedule::new(1_000_000_000, 4.0);
        assert_eq!(schedule.poll(999_999_999), None);
        assert_eq!(schedule.poll(1_000_000_000), Some((0, 1_000_000_000)));
        assert_eq!(schedule.poll(1_000_000_001), None);
        let late: Vec<_> = std::iter::from_fn(|| schedule.poll(2_000_000_000)).collect();
        let due = [1_250_000_000, 1_500_000_000, 1_750_000_000, 2_000_000_000];
        assert_eq!(
            late,
            due.iter()
                .zip(1..)
                .map(|(&d, n)| (n, d))
                .collect::<Vec<_>>()
        );
    }
}
