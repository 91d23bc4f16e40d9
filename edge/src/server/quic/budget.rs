//! The budget of packets that a client may send.

use crate::time::coarse::CoarseInstant;
use crate::time::token_bucket::{Charge, Rate, TokenBucket};

/// The most packets that the edge has sent and that answers may come for at any later time.
const BANKED: i32 = 4096;

/// A packet from another address than the client's is answered with up to 1,200 bytes, which that address need not have
/// asked for (RFC 9000 section 8.2.2). Packets of this size or more may have such an answer: it is at most three times
/// as long.
const LARGE: usize = 400;

/// The smaller ones from other addresses. Each change of a client's address brings a few.
const SMALL_ELSEWHERE: Rate = Rate {
    per_s: 5.0,
    burst: 32.0,
};

/// Counts the packets of a connection. For each packet that the edge has sent, one may come as an acknowledgement.
#[derive(Debug)]
pub(super) struct PacketBudget {
    /// Packets received, less those sent.
    surplus: i32,
    unasked: TokenBucket,
    small_elsewhere: TokenBucket,
}

impl PacketBudget {
    pub(super) fn new(rate: Rate, now: CoarseInstant) -> Self {
        Self {
            surplus: 0,
            unasked: TokenBucket::new(rate.burst, now),
            small_elsewhere: TokenBucket::new(SMALL_ELSEWHERE.burst, now),
        }
    }

    /// Charges the client for a packet. `elsewhere`: it comes from another address than the client's.
    pub(super) fn on_received(
        &mut self,
        bytes: usize,
        elsewhere: bool,
        rate: Rate,
        now: CoarseInstant,
    ) -> Charge {
        self.surplus += 1;
        if self.surplus > 0 {
            self.surplus = 0;
            let charge = self.unasked.charge(1, rate, now);
            if charge != Charge::Allowed {
                return charge;
            }
        }
        if elsewhere && bytes < LARGE {
            let charge = self.small_elsewhere.charge(1, SMALL_ELSEWHERE, now);
            return charge.min(Charge::Refused);
        }
        Charge::Allowed
    }

    /// Notes packets that the edge has sent.
    pub(super) fn on_sent(&mut self, packets: usize) {
        let packets = i32::try_from(packets).unwrap_or(BANKED);
        self.surplus = self.surplus.saturating_sub(packets).max(-BANKED);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RATE: Rate = Rate {
        per_s: 100.0,
        burst: 400.0,
    };

    fn at(ms: u64) -> CoarseInstant {
        CoarseInstant::new(Duration::from_millis(ms))
    }

    fn count(charges: &[Charge], wanted: Charge) -> usize {
        charges.iter().filter(|charge| **charge == wanted).count()
    }

    #[test]
    fn a_flood_is_dropped_and_then_ends() {
        let mut budget = PacketBudget::new(RATE, at(0));
        let mut send = |packets: usize| -> Vec<_> {
            let charge = |_| budget.on_received(50, false, RATE, at(0));
            (0..packets).map(charge).collect()
        };
        let charges = send(1000);
        assert_eq!(count(&charges, Charge::Allowed), 400);
        assert_eq!(count(&charges, Charge::Refused), 400);
        assert_eq!(charges.last(), Some(&Charge::Exhausted));
    }

    #[test]
    fn acknowledgements_are_free_and_so_is_an_upload_within_the_rate() {
        let mut budget = PacketBudget::new(RATE, at(0));
        for ms in 0..10_000 {
            // 1000 packets a second to the client, and as many acknowledgements.
            budget.on_sent(1);
            assert_eq!(budget.on_received(40, false, RATE, at(ms)), Charge::Allowed);
            if ms % 10 == 0 {
                let upload = budget.on_received(1200, false, RATE, at(ms));
                assert_eq!(upload, Charge::Allowed);
            }
        }
        // A bank of old packets is bounded.
        budget.on_sent(usize::MAX);
        let charges: Vec<_> = (0..10_000)
            .map(|_| budget.on_received(40, false, RATE, at(10_000)))
            .collect();
        assert_eq!(charges.last(), Some(&Charge::Exhausted));
    }

    #[test]
    fn few_small_packets_from_elsewhere_are_answered() {
        let mut budget = PacketBudget::new(RATE, at(0));
        budget.on_sent(4000);
        let mut send = |bytes| -> Vec<_> {
            let charge = |_| budget.on_received(bytes, true, RATE, at(0));
            (0..1000).map(charge).collect()
        };
        assert_eq!(count(&send(1200), Charge::Allowed), 1000);
        let small = send(50);
        assert_eq!(count(&small, Charge::Allowed), 32);
        assert_eq!(count(&small, Charge::Refused), 968);
    }
}
