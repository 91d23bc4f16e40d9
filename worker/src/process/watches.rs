//! Watches the buckets `workers` and `leases`, and reads keys of buckets.

use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, KvEntry, Read};
use grandstand_common::supervisor::Supervisor;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// The pause before a failed read is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// An item of a watch for the lease machine.
#[derive(Debug)]
pub(super) enum Watched {
    /// Of the bucket `workers`.
    Worker(Read<KvEntry>),
    /// Of the bucket `leases`.
    Lease(Read<KvEntry>),
}

/// Starts a watch of each bucket. Returns the tasks.
pub(super) fn watch(
    bus: &Bus,
    watched: &mpsc::Sender<Watched>,
    supervisor: &Supervisor,
) -> [AbortHandle; 2] {
    type Wrap = fn(Read<KvEntry>) -> Watched;
    let watches: [(&str, Bucket, Wrap); 2] = [
        ("workers", Bucket::Workers, Watched::Worker),
        ("leases", Bucket::Leases, Watched::Lease),
    ];
    watches.map(|(part, bucket, wrap)| {
        let (bus, watched) = (bus.clone(), watched.clone());
        let task = async move {
            let pass_on = |read| {
                let watched = watched.clone();
                async move { watched.send(wrap(read)).await.is_ok() }
            };
            read_kv(&bus, bucket, "", true, pass_on).await;
        };
        supervisor.keep_local(part, task)
    })
}

/// Reads keys until `pass_on` returns false. When the reader loses its position, starts again from the beginning if
/// `restart`, else passes the loss on and ends.
pub(super) async fn read_kv<F>(
    bus: &Bus,
    bucket: Bucket,
    prefix: &str,
    restart: bool,
    pass_on: impl Fn(Read<KvEntry>) -> F,
) where
    F: Future<Output = bool>,
{
    loop {
        let mut reader = match bus.watch(bucket, prefix).await {
            Ok(reader) => reader,
            Err(error) => {
                tracing::debug!(?bucket, %error, "cannot read the bucket");
                sleep(RETRY).await;
                continue;
            }
        };
        loop {
            let read = reader.next().await;
            let lost = read == Read::Lost;
            if lost && restart {
                sleep(RETRY).await;
                break;
            }
            if !pass_on(read).await || lost {
                return;
            }
        }
    }
}
