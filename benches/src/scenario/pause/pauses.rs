//! Pauses and waits of rooms over all rounds.

use std::fmt::{self, Display, Formatter};

use super::options::Fault;
use crate::load::job::{Pause, Pauses};
use crate::load::tally::Latencies;

/// The pauses and waits over all rounds of one fault.
#[derive(Debug, Clone, Default)]
pub(super) struct FaultPauses {
    pub(super) rounds: u32,
    /// The most memory that a worker had after a fault, bytes.
    pub(super) memory: u64,
    pub(super) probes: Spread,
    /// All rooms, including the probes.
    pub(super) all: Spread,
    /// The longest wait in unaffected rooms.
    pub(super) unmoved: Latencies,
}

/// Pauses and waits of affected rooms.
#[derive(Debug, Clone, Default)]
pub(super) struct Spread {
    pub(super) rooms: u64,
    pub(super) pauses: Latencies,
    pub(super) waits: Latencies,
}

impl FaultPauses {
    /// Adds a round. A fault of NATS affects all rooms, whether or not they get a new owner.
    pub(super) fn add(&mut self, fault: Fault, probes: &Pauses, others: &Pauses) {
        self.rounds += 1;
        for (pauses, is_probe) in [(probes, true), (others, false)] {
            let (touched, unmoved): (_, &[Pause]) = match fault {
                Fault::Nats => ([&pauses.moved[..], &pauses.stayed].concat(), &[]),
                _ => (pauses.moved.clone(), &pauses.stayed),
            };
            for pause in &touched {
                self.all.add(pause);
                if is_probe {
                    self.probes.add(pause);
                }
            }
            for pause in unmoved {
                self.unmoved.record_us(pause.wait_us, 1);
            }
        }
    }
}

impl Spread {
    fn add(&mut self, pause: &Pause) {
        self.rooms += 1;
        self.pauses.record_us(pause.gap_us, 1);
        self.waits.record_us(pause.wait_us, 1);
    }
}

impl Display for FaultPauses {
    /// Formats the current state in a few words.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let p99 = |of: &Latencies| of.quantile_ms(0.99).unwrap_or(0.0);
        let pause = p99(&self.probes.pauses);
        let wait = p99(&self.all.waits);
        write!(f, "p99: pause of probes {pause:.0} ms, wait {wait:.0} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(ms: u64) -> Pause {
        Pause {
            gap_us: ms * 1000,
            wait_us: ms * 1000,
            back_us: 1,
        }
    }

    fn pauses(moved: &[u64], stayed: &[u64]) -> Pauses {
        Pauses {
            moved: moved.iter().copied().map(pause).collect(),
            stayed: stayed.iter().copied().map(pause).collect(),
            waiting: 0,
        }
    }

    #[test]
    fn probes_that_moved_are_counted_separately() {
        let mut totals = FaultPauses::default();
        totals.add(
            Fault::Handover,
            &pauses(&[20, 30], &[90]),
            &pauses(&[1000], &[5]),
        );
        totals.add(Fault::Handover, &pauses(&[40], &[]), &pauses(&[], &[]));
        assert_eq!(totals.rounds, 2);
        assert_eq!((totals.probes.rooms, totals.all.rooms), (3, 4));
        assert_eq!(totals.probes.pauses.max_ms().map(f64::round), Some(40.0));
        assert_eq!(totals.all.pauses.max_ms().map(f64::round), Some(1000.0));
        assert_eq!(totals.unmoved.max_ms().map(f64::round), Some(90.0));
    }

    #[test]
    fn a_fault_of_nats_affects_all_rooms() {
        let mut totals = FaultPauses::default();
        totals.add(Fault::Nats, &pauses(&[20], &[30]), &pauses(&[], &[50]));
        assert_eq!((totals.probes.rooms, totals.all.rooms), (2, 3));
        assert_eq!(totals.unmoved.count(), 0);
    }
}
