//! What can go wrong with NATS, from a seed.

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
    /// What all of it is drawn from.
    pub seed: u64,
    /// What the bus' clock shows at the beginning, Unix milliseconds.
    pub start_ms: u64,
    /// An append or put is lost on its way: not stored, and its receipt fails at the deadline.
    pub lost_write: f64,
    /// An append or put is stored, but its answer is lost: the receipt fails at the deadline.
    pub lost_ack: f64,
    /// An append is stored twice.
    pub repeated_append: f64,
    /// A message of the lossy part is lost.
    pub lost_message: f64,
    /// A message of the lossy part is delayed by up to this, so that it comes after later ones of other subjects. The
    /// order of one client's messages to one subject is kept.
    pub max_delay: Duration,
    /// A client that sends something loses its connection.
    pub disconnect: f64,
    /// For how long at most.
    pub max_outage: Duration,
    /// At a disconnect, the server is one that lost power: up to this many of a stream's newest entries are gone,
    /// acked or not.
    pub lost_tail: u64,
}

impl Faults {
    /// No faults, drawn from `seed`.
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

/// What happens to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteOutcome {
    Fine,
    Lost,
    AckLost,
    Repeated,
}

/// A plan being carried out.
#[derive(Debug)]
pub(super) struct FaultState {
    plan: Faults,
    rng: StdRng,
    /// When the last message of a client to a subject is delivered, so that none overtakes it.
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

    /// When a message is delivered: `None` never, `Some(None)` now.
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

    /// Whether a client that sends something loses its connection now, and for how long.
    pub(super) fn outage(&mut self) -> Option<Duration> {
        let probability = self.plan.disconnect;
        self.happens(probability).then(|| {
            self.duration(self.plan.max_outage)
                .max(Duration::from_millis(1))
        })
    }

    /// How many of the newest entries a stream loses at a disconnect.
    pub(super) fn lost_tail(&mut self) -> u64 {
        match self.plan.lost_tail {
            0 => 0,
            most => self.rng.random_range(0..=most),
        }
    }

    fn duration(&mut self, max: Duration) -> Duration {
        let nanos = max.as_nanos().min(u128::from(u64::MAX)) as u64;
        Duration::from_nanos(self.rng.next_u64() % nanos.max(1))
    }
}
