//! The clock of the loop.

use grandstand_common::clock::unix_ms;
use tokio::time::sleep_until;

use crate::command::Now;

/// The time now.
pub(super) fn now() -> Now {
    Now {
        at: tokio::time::Instant::now().into_std(),
        unix_ms: unix_ms(),
    }
}

/// Sleeps until `until`; forever if `None`.
pub(super) async fn sleep_or_never(until: Option<tokio::time::Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
