//! Answers liveness probes (D17), however busy the shards are. Workers that hold sessions of the process' players send
//! them.

use bytes::Bytes;
use grandstand_common::bus::{Bus, BusError};
use grandstand_common::id::ProcessId;
use grandstand_common::subject;

/// The most probes that may wait. Further ones are dropped, and their workers probe again.
const PROBES: usize = 1_024;

/// Subscribes to probes. The returned future answers them as long as it is polled.
///
/// # Errors
/// If the bus refuses the subscription.
pub async fn listen(
    bus: Bus,
    process: &ProcessId,
) -> Result<impl Future<Output = ()> + Send + 'static, BusError> {
    let subject = subject::process_alive(process);
    let mut probes = bus.subscribe(&subject, PROBES).await?;
    Ok(async move {
        while let Some(probe) = probes.next().await {
            if let Some(reply) = probe.reply
                && let Err(error) = bus.publish(reply, Bytes::new()).await
            {
                tracing::debug!(%error, "cannot answer a liveness probe");
            }
        }
    })
}
