//! The circuit breaker of an endpoint.

use std::time::Duration;

use tokio::time::Instant;

use super::backoff::Backoff;

/// The state, as the metric has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BreakerState {
    /// Requests are sent.
    Closed = 0,
    /// One request is sent, to see whether the endpoint is well again.
    HalfOpen = 1,
    /// No request is sent.
    Open = 2,
}

/// Stops the requests to an endpoint that has failed several times in a row. After a pause, which grows, one request tries
/// it again.
#[derive(Debug)]
pub(super) struct Breaker {
    /// The failures in a row that open it.
    limit: u32,
    pauses: Backoff,
    failures: u32,
    /// The times that it was opened in a row.
    opened: u32,
    /// The end of the pause, if it is open.
    until: Option<Instant>,
    is_probing: bool,
}

impl Breaker {
    pub(super) fn new(limit: u32, pauses: Backoff) -> Self {
        Self {
            limit,
            pauses,
            failures: 0,
            opened: 0,
            until: None,
            is_probing: false,
        }
    }

    pub(super) fn state(&self, now: Instant) -> BreakerState {
        match self.until {
            None => BreakerState::Closed,
            Some(until) if until > now => BreakerState::Open,
            Some(_) => BreakerState::HalfOpen,
        }
    }

    /// Whether a request may be sent. If so, [`end`](Self::end) must be told how it ended.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        match self.state(now) {
            BreakerState::Closed => true,
            BreakerState::Open => false,
            BreakerState::HalfOpen => !std::mem::replace(&mut self.is_probing, true),
        }
    }

    /// The time from which on a request may be sent; `None` if that is now, or depends on the request under way.
    pub(super) fn opens_at(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }

    /// Notes how a request ended. Returns whether the state has changed.
    pub(super) fn end(&mut self, is_well: bool, now: Instant) -> bool {
        let before = self.until.is_some();
        self.is_probing = false;
        if is_well {
            (self.failures, self.opened, self.until) = (0, 0, None);
            return before;
        }
        self.failures = self.failures.saturating_add(1);
        // Failures of requests that were sent before it opened count nothing.
        if self.failures >= self.limit && self.until.is_none_or(|until| until <= now) {
            self.opened = self.opened.saturating_add(1);
            let most = self.pauses.most(self.opened);
            // At least half, so that a probe comes late enough to make sense.
            let pause = self.pauses.pause(self.opened, Some(most / 2));
            self.until = Some(now + pause.max(Duration::from_millis(1)));
        }
        !before && self.until.is_some()
    }

    /// Notes that a request has ended without a result.
    pub(super) fn forget(&mut self) {
        self.is_probing = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_breaker_opens_after_failures_in_a_row_and_lets_one_request_try() {
        let second = Duration::from_secs(1);
        let pauses = Backoff {
            first: second,
            longest: 60 * second,
        };
        let mut breaker = Breaker::new(3, pauses);
        let mut now = Instant::now();
        for is_well in [false, false, true, false, false] {
            assert!(breaker.admit(now));
            assert!(!breaker.end(is_well, now));
        }
        assert!(breaker.end(false, now), "the third failure in a row");
        assert_eq!(breaker.state(now), BreakerState::Open);
        assert!(!breaker.admit(now));
        assert!(!breaker.end(false, now), "one that was under way");
        now = breaker.opens_at(now).unwrap();
        assert_eq!(breaker.state(now), BreakerState::HalfOpen);
        assert!(breaker.admit(now) && !breaker.admit(now), "one at a time");
        assert!(!breaker.end(false, now), "it stays open");
        let again = breaker.opens_at(now).unwrap();
        assert!(again - now >= second && again - now <= 2 * second);
        assert!(breaker.admit(again));
        assert!(breaker.end(true, again));
        assert_eq!(breaker.state(again), BreakerState::Closed);
        assert!(breaker.admit(again) && breaker.admit(again));
    }
}
