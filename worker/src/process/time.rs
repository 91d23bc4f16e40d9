//! The monotonic clock of the loop.

use std::time::Instant;

use tokio::time::sleep_until;

/// The time now.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Sleeps until `until`; forever if `None`.
pub(super) async fn sleep_or_never(until: Option<tokio::time::Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
