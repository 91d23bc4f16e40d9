//! Subscribing with retries.

use std::time::Duration;

use grandstand_common::bus::{Bus, Subscription};
use tokio::time::sleep;

/// The most messages of a subscription that wait for its task; further ones are dropped and counted.
const CAPACITY: usize = 8192;

/// The pause before a failed subscription is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// Subscribes to `pattern`. Tries again until it succeeds.
pub(super) async fn subscribe(bus: &Bus, pattern: &str) -> Subscription {
    loop {
        match bus.subscribe(pattern, CAPACITY).await {
            Ok(subscription) => return subscription,
            Err(error) => {
                tracing::debug!(pattern, %error, "cannot subscribe");
                sleep(RETRY).await;
            }
        }
    }
}
