//! When a client's token is checked.

use std::time::{Duration, Instant};

use grandstand_common::clock::Now;

use crate::core::clients::renewal::TokenEvent;
use crate::time::coarse::CoarseInstant;

/// The time before a token's expiry at which its client is notified.
const NOTICE_MS: u64 = 60_000;

/// The longest time between two checks of a client's token, because a timer outlives its connection.
const CHECK_MS: u64 = 600_000;

/// The checks of a client's token.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Expiry {
    /// The client was notified that its token expires.
    is_notified: bool,
    /// The time at which the token is checked; `None` if it never expires.
    due: Option<CoarseInstant>,
}

impl Expiry {
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
        if self.due.is_some_and(|armed| !coarse.has_reached(armed)) {
            return None;
        }
        self.due = None;
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
        let wait = match self.is_notified {
            true => left,
            false => left.saturating_sub(NOTICE_MS),
        };
        let due = now.at + Duration::from_millis(wait.min(CHECK_MS));
        let at = coarse(due);
        let sets = self.due.is_none_or(|armed| !at.has_reached(armed));
        sets.then(|| {
            self.due = Some(at);
            due
        })
    }
}
