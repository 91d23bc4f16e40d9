//! Subscriptions that are tried until they are there.

use std::time::Duration;

use grandstand_common::bus::{Bus, Subscription};
use tokio::time::sleep;

/// What a subscription holds that its task has not yet taken; what is more is dropped and counted.
const SUBSCRIPTION: usize = 8192;

/// Before what failed is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// Subscribes, as often as it takes.
pub(super) async fn subscribe(bus: &Bus, pattern: &str) -> Subscription {
    loop {
        match bus.subscribe(pattern, SUBSCRIPTION).await {
            Ok(subscription) => return subscription,
            Err(error) => {
                tracing::debug!(pattern, %error, "cannot subscribe");
                sleep(RETRY).await;
            }
        }
    }
}
