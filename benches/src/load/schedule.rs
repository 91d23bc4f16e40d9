//! When inputs are due: at a fixed rate from a fixed start, whether or not the server keeps up. What is late was still due
//! at its time, so a stalled server cannot hide behind a client that waited for it (coordinated omission).

/// An open loop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Schedule {
    start_ns: u64,
    per_second: f64,
    next: u64,
}

impl Schedule {
    /// `per_second` inputs from `start_ns` on.
    pub(crate) fn new(start_ns: u64, per_second: f64) -> Self {
        Self {
            start_ns,
            per_second,
            next: 0,
        }
    }

    /// When the next one is due.
    pub(crate) fn next_ns(&self) -> u64 {
        self.start_ns + (self.next as f64 * 1e9 / self.per_second) as u64
    }

    /// The number of an input that is due, and when it was; `None` if none is by `now_ns`.
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
    fn what_is_late_was_due_at_its_time() {
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
