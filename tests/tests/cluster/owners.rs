//! Owners of partitions, read from the leases.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, Read};
use grandstand_common::id::Partition;
use grandstand_common::record::{Checkpoint, Lease};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// The most time until ownership has settled.
const PATIENCE: Duration = Duration::from_secs(60);

/// The owners of all partitions by worker name; `None` while a partition has no ready owner or the bus cannot be read.
async fn owners(bus: &Bus, partitions: u16) -> Option<BTreeMap<u16, String>> {
    let mut owners = BTreeMap::new();
    for partition in 0..partitions {
        let entry = bus.get(Bucket::Leases, &partition.to_string()).await.ok()?;
        let lease: Lease = serde_json::from_slice(&entry?.value?).ok()?;
        let worker = lease.worker.filter(|_| lease.ready)?;
        // `worker-1-{random part}`
        let (name, _) = worker.as_str().rsplit_once('-')?;
        owners.insert(partition, name.to_owned());
    }
    Some(owners)
}

/// Waits until every partition has a ready owner and `so` holds for the number of partitions of each worker.
pub(crate) async fn until(
    bus: &Bus,
    partitions: u16,
    what: &str,
    so: impl Fn(&dyn Fn(&str) -> usize) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let all = owners(bus, partitions).await;
        if let Some(all) = &all
            && so(&|name| all.values().filter(|owner| *owner == name).count())
        {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {all:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Reads all checkpoints until it is aborted, and checks that an older epoch never replaces a newer one.
pub(crate) fn watch_checkpoints(bus: &Bus, streams: u16) -> Vec<JoinHandle<()>> {
    let watch = |stream: u16| {
        let bus = bus.clone();
        tokio::spawn(async move {
            let bucket = Bucket::Rooms(Partition(stream));
            let mut keys = bus.watch(bucket, "").await.unwrap();
            let mut epochs = BTreeMap::new();
            loop {
                let Read::Item(entry, _) = keys.next().await else {
                    continue;
                };
                let Some(value) = entry.value.filter(|_| entry.key.ends_with(".=checkpoint"))
                else {
                    continue;
                };
                let checkpoint: Checkpoint = serde_json::from_slice(&value).unwrap();
                let last = epochs.insert(entry.key.clone(), checkpoint.epoch);
                let key = entry.key;
                assert!(
                    last <= Some(checkpoint.epoch),
                    "{key}: {checkpoint:?} after {last:?}"
                );
            }
        })
    };
    (0..streams).map(watch).collect()
}
