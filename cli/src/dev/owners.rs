//! The owners of the rooms, as the leases name them.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, Read};
use grandstand_common::record::Lease;

/// The pause before a failed read is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// Waits until every partition has an owner that is ready, and that is no worker whose name begins with `gone`.
pub(super) async fn until_owned(bus: &Bus, gone: &str) {
    let partitions = usize::from(bus.layout().partitions);
    loop {
        let mut owned = BTreeMap::new();
        if let Ok(mut reader) = bus.watch(Bucket::Leases, "").await {
            loop {
                match reader.next().await {
                    Read::Item(entry, _) => {
                        let value = entry.value.as_deref().unwrap_or_default();
                        let lease = serde_json::from_slice::<Lease>(value);
                        owned.insert(entry.key, lease.is_ok_and(|lease| is_owned(&lease, gone)));
                    }
                    Read::Idle => {}
                    Read::Lost => break,
                }
                if owned.values().filter(|owned| **owned).count() >= partitions {
                    return;
                }
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn is_owned(lease: &Lease, gone: &str) -> bool {
    let owner = lease.worker.as_ref();
    lease.ready && owner.is_some_and(|owner| !owner.as_str().starts_with(gone))
}
