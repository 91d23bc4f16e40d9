//! The tasks of the lease loop: they watch the buckets `workers` and `leases`, and answer probes.

use std::time::Duration;

use bytes::Bytes;
use grandstand_common::bus::{Bucket, Bus, KvEntry, Read};
use grandstand_common::id::WorkerId;
use grandstand_common::subject;
use grandstand_common::supervisor::Supervisor;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::subscribe::subscribe;

/// The pause before a failed read is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// An item of a watch for the lease machine.
#[derive(Debug)]
pub(super) enum WatchItem {
    /// A record of the bucket `workers`.
    Worker(Read<KvEntry>),
    /// A lease of the bucket `leases`.
    Lease(Read<KvEntry>),
}

/// The tasks of the lease loop. They end when this is dropped.
#[derive(Debug)]
pub(super) struct LeaseTasks(Vec<AbortHandle>);

impl LeaseTasks {
    /// Watches the records of workers and the leases, and answers probes of this worker.
    pub(super) fn start(
        bus: &Bus,
        id: &WorkerId,
        watched: &mpsc::Sender<WatchItem>,
        supervisor: &Supervisor,
    ) -> Self {
        let mut tasks = Vec::from(watch(bus, watched, supervisor));
        tasks.push(supervisor.keep_local("alive", answer_probes(bus.clone(), id.clone())));
        Self(tasks)
    }
}

impl Drop for LeaseTasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

async fn answer_probes(bus: Bus, id: WorkerId) {
    let mut requests = subscribe(&bus, &subject::worker_alive(&id)).await;
    while let Some(message) = requests.next().await {
        if let Some(reply) = message.reply
            && let Err(error) = bus.publish(reply, Bytes::new()).await
        {
            tracing::debug!(%error, "cannot answer a probe");
        }
    }
}

/// Starts a watch of each bucket. Returns the tasks.
fn watch(
    bus: &Bus,
    watched: &mpsc::Sender<WatchItem>,
    supervisor: &Supervisor,
) -> [AbortHandle; 2] {
    type Wrap = fn(Read<KvEntry>) -> WatchItem;
    let watches: [(&str, Bucket, Wrap); 2] = [
        ("workers", Bucket::Workers, WatchItem::Worker),
        ("leases", Bucket::Leases, WatchItem::Lease),
    ];
    watches.map(|(part, bucket, wrap)| {
        let bus = bus.clone();
        let watched = watched.clone();
        let task = async move {
            let pass_on = |read| {
                let watched = watched.clone();
                async move { watched.send(wrap(read)).await.is_ok() }
            };
            read_bucket(&bus, bucket, pass_on).await;
        };
        supervisor.keep_local(part, task)
    })
}

/// Reads the keys of a bucket until `pass_on` returns false. When the reader loses its position, that is passed on as well,
/// and it begins again.
async fn read_bucket<F>(bus: &Bus, bucket: Bucket, pass_on: impl Fn(Read<KvEntry>) -> F)
where
    F: Future<Output = bool>,
{
    loop {
        let mut reader = match bus.watch(bucket, "").await {
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
            if !pass_on(read).await {
                return;
            }
            if lost {
                sleep(RETRY).await;
                break;
            }
        }
    }
}
