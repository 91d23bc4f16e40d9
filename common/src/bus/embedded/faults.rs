//! Failures of NATS, drawn from a seed.

use std::collections::HashMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, RngExt as _, SeedableRng as _};
use tokio::time::Instant;

use crate::bus::embedded::route::ClientId;

/// A plan of faults for [`Bus::simulated`](crate::bus::Bus::simulated). Probabilities are from 0 to 1; the default has
/// none. The same seed and the same calls give the same faults.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// The seed of all faults.
    pub seed: u64,
    /// The start of the bus' clock, in Unix milliseconds.
    pub start_ms: u64,
    /// The probability that an append or put is lost on its way: it is not stored, and its receipt fails at the
    /// deadline.
    pub lost_write: f64,
    /// The probability that the answer to a stored append or put is lost: the receipt fails at the deadline.
    pub lost_ack: f64,
    /// The probability that an append is stored twice.
    pub repeated_append: f64,
    /// The probability that a lossy message is lost.
    pub lost_message: f64,
    /// The longest delay of a lossy message, so that it comes after later ones of other subjects. Messages of one
    /// client to one subject stay in order.
    pub max_delay: Duration,
    /// The probability that a client that sends loses its connection.
    pub disconnect: f64,
    /// The longest time without a connection.
    pub max_outage: Duration,
    /// The most of a stream's newest entries that a disconnect loses, acked or not, like a server that loses power.
    pub lost_tail: u64,
}

impl Faults {
    /// A plan without faults.
    pub fn none(seed: u64) -> Self {
        Self {
            seed,
            start_ms: 1_767_225_600_000,
            lost_write: 0.0,
            lost_ack: 0.0,
            repeated_append: 0.0,
            lost_message: 0.0,
            max_delay: Duration::ZERO,
            disconnect: 0.0,
            max_outage: Duration::from_secs(1),
            lost_tail: 0,
        }
    }
}

/// The fate of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteOutcome {
    Fine,
    Lost,
    AckLost,
    Repeated,
}

/// A plan in progress.
#[derive(Debug)]
pub(super) struct FaultState {
    plan: Faults,
    rng: StdRng,
    /// The delivery time of a client's last message to a subject, so that no message overtakes it.
    last_due: HashMap<(ClientId, String), Instant>,
}

impl FaultState {
    pub(super) fn new(plan: Faults) -> Self {
        Self {
            rng: StdRng::seed_from_u64(plan.seed),
            plan,
            last_due: HashMap::new(),
        }
    }

    fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.rng.random_bool(probability.min(1.0))
    }

    pub(super) fn write(&mut self, is_append: bool) -> WriteOutcome {
        if self.happens(self.plan.lost_write) {
            WriteOutcome::Lost
        } else if self.happens(self.plan.lost_ack) {
            WriteOutcome::AckLost
        } else if is_append && self.happens(self.plan.repeated_append) {
            WriteOutcome::Repeated
        } else {
            WriteOutcome::Fine
        }
    }

    /// The delivery time of a message: `None` for never, `Some(None)` for now.
    pub(super) fn message(
        &mut self,
        client: ClientId,
        subject: &str,
        now: Instant,
    ) -> Option<Option<Instant>> {
        if self.happens(self.plan.lost_message) {
            return None;
        }
        if self.plan.max_delay.is_zero() {
            return Some(None);
        }
        let drawn = now + self.duration(self.plan.max_delay);
        self.last_due.retain(|_, due| *due > now);
        let last = self.last_due.entry((client, subject.to_owned()));
        let due = last
            .and_modify(|last| *last = drawn.max(*last))
            .or_insert(drawn);
        Some(Some(*due))
    }

    /// The length of the outage, if a client that sends loses its connection now.
    pub(super) fn outage(&mut self) -> Option<Duration> {
        let probability = self.plan.disconnect;
        self.happens(probability).then(|| {
            self.duration(self.plan.max_outage)
                .max(Duration::from_millis(1))
        })
    }

    /// The number of newest entries that a stream loses at a disconnect.
    pub(super) fn lost_tail(&mut self) -> u64 {
        match self.plan.lost_tail {
            0 => 0,
            max => self.rng.random_range(0..=max),
        }
    }

    fn duration(&mut self, max: Duration) -> Duration {
        let nanos = max.as_nanos().min(u128::from(u64::MAX)) as u64;
        Duration::from_nanos(self.rng.next_u64() % nanos.max(1))
    }
}
