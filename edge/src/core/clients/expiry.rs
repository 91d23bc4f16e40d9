//! The times at which a client's token is checked.

use std::time::{Duration, Instant};

use grandstand_common::clock::Now;

use crate::core::clients::renewal::TokenEvent;
use crate::time::coarse::CoarseInstant;

/// The time before a token's expiry at which its client is notified.
const NOTICE_MS: u64 = 60_000;

/// The longest time between two checks of a client's token, because a timer outlives its connection.
const CHECK_MS: u64 = 600_000;

/// The checks of a client's token, in 8 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expiry {
    /// The time at which the token is checked, if a timer is set.
    due: CoarseInstant,
    /// Whether a timer is set. It is not if the token never expires.
    is_armed: bool,
    /// The client was notified that its token expires.
    is_notified: bool,
}

impl Expiry {
    /// The client connects.
    pub(super) fn new(now: CoarseInstant) -> Self {
        Self {
            due: now,
            is_armed: false,
            is_notified: false,
        }
    }

    /// The client has another token.
    pub(super) fn renew(&mut self) {
        self.is_notified = false;
    }

    /// Checks a token that expires at `expires_ms` if the timer that has expired is the one that counts.
    pub(super) fn check(
        &mut self,
        expires_ms: Option<u64>,
        now: Now,
        coarse: CoarseInstant,
    ) -> Option<TokenEvent> {
        if self.is_armed && !coarse.has_reached(self.due) {
            return None;
        }
        self.is_armed = false;
        let expires = expires_ms?;
        if expires <= now.unix_ms {
            return Some(TokenEvent::Expired);
        }
        let soon = !self.is_notified && expires - now.unix_ms <= NOTICE_MS;
        self.is_notified |= soon;
        soon.then_some(TokenEvent::ExpiresSoon)
    }

    /// The time for which a timer must be set: the earliest of the notice, the expiry and the next check. `None` if one is
    /// set, or the token never expires.
    pub(super) fn arm(
        &mut self,
        expires_ms: Option<u64>,
        now: Now,
        coarse: impl Fn(Instant) -> CoarseInstant,
    ) -> Option<Instant> {
        let left = expires_ms?.saturating_sub(now.unix_ms);
        let wait = if self.is_notified {
            left
        } else {
            left.saturating_sub(NOTICE_MS)
        };
        let due = now.at + Duration::from_millis(wait.min(CHECK_MS));
        let at = coarse(due);
        let sets = !self.is_armed || !at.has_reached(self.due);
        sets.then(|| {
            (self.due, self.is_armed) = (at, true);
            due
        })
    }
}
