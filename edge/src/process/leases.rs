//! The process' only watcher of the KV bucket `leases`, which holds each partition's owner.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, KvEntry, Read};
use grandstand_common::record::Lease;
use tokio::sync::watch;

use crate::shard::bus::Leases;

/// The pause before a failed watch is started again.
const RETRY: Duration = Duration::from_millis(250);

/// The interval of questions for the time of the log.
const ASK_TIME: Duration = Duration::from_secs(20);

/// Keeps `leases` current, forever. The first change is sent when all stored leases have been read.
pub async fn drive_leases(bus: Bus, leases: watch::Sender<Leases>) {
    let mut failing = false;
    loop {
        match bus.watch(Bucket::Leases, "").await {
            Ok(mut reader) => {
                if std::mem::take(&mut failing) {
                    tracing::info!("the leases are watched again");
                }
                let mut all = BTreeMap::clone(&leases.borrow());
                let mut current = false;
                loop {
                    match reader.next().await {
                        Read::Item(entry, pending) => {
                            take(&mut all, &entry);
                            current |= pending == 0;
                        }
                        Read::Idle if current => continue,
                        Read::Idle => current = true,
                        Read::Lost => break,
                    }
                    if current {
                        leases.send_replace(Arc::new(all.clone()));
                    }
                }
            }
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(%error, "cannot watch the leases: retrying until it works");
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Asks for the time of the log, forever, because leases change too rarely to show it.
pub async fn drive_log_clock(bus: Bus) {
    loop {
        if let Err(error) = bus.ask_log_time().await {
            tracing::debug!(%error, "cannot ask for the time of the log");
        }
        tokio::time::sleep(ASK_TIME).await;
    }
}

fn take(all: &mut BTreeMap<u16, Lease>, entry: &KvEntry) {
    let Ok(partition) = entry.key.parse() else {
        return;
    };
    match &entry.value {
        Some(value) => match serde_json::from_slice(value) {
            Ok(lease) => {
                all.insert(partition, lease);
            }
            Err(error) => tracing::warn!(%error, partition, "cannot decode a lease: ignoring it"),
        },
        None => {
            all.remove(&partition);
        }
    }
}
