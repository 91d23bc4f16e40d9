//! The process' only watcher of the KV bucket `revocations`.

use std::time::Duration;

use grandstand_common::auth::{MAX_REVOCATIONS, Revocation, Revocations};
use grandstand_common::bus::{Bucket, Bus, KvEntry, KvReader, Read};
use grandstand_common::clock::unix_ms;
use tokio::sync::oneshot;

/// The pause before a failed watch is started again.
const RETRY: Duration = Duration::from_millis(250);

/// The interval at which revocations that have ended are removed.
const EXPIRE: Duration = Duration::from_secs(10);

/// Keeps `revocations` current, forever. `loaded` is told when all stored ones have been read.
pub(super) async fn drive_revocations(
    bus: Bus,
    revocations: Revocations,
    loaded: oneshot::Sender<()>,
) {
    let mut loaded = Some(loaded);
    let mut failing = false;
    loop {
        match bus.watch(Bucket::Revocations, "").await {
            Ok(reader) => {
                if std::mem::take(&mut failing) {
                    tracing::info!("the revocations are watched again");
                }
                follow(reader, &revocations, &mut loaded).await;
            }
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(%error, "cannot watch the revocations: retrying until it works");
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Takes what a reader delivers, until it is lost. Revocations stay until all stored ones have been read again.
async fn follow(
    mut reader: KvReader,
    revocations: &Revocations,
    loaded: &mut Option<oneshot::Sender<()>>,
) {
    let mut stored = Some(Vec::new());
    let mut expiring = tokio::time::interval(EXPIRE);
    loop {
        let read = tokio::select! {
            read = reader.next() => read,
            _ = expiring.tick() => {
                revocations.expire(unix_ms());
                continue;
            }
        };
        let is_current = match read {
            Read::Item(entry, pending) => {
                let revocation = decode(&entry);
                match &mut stored {
                    Some(stored) => stored.extend(revocation.map(|found| (entry.key, found))),
                    None => complain(revocations.set(&entry.key, revocation)),
                }
                pending == 0
            }
            Read::Idle => true,
            Read::Lost => return,
        };
        if is_current && let Some(stored) = stored.take() {
            complain(revocations.replace(stored));
            if let Some(loaded) = loaded.take() {
                // The start may have been given up.
                loaded.send(()).ok();
            }
        }
    }
}

fn complain(has_space: bool) {
    if !has_space {
        tracing::error!(
            "there are more than {MAX_REVOCATIONS} revocations: this edge does not enforce the others; remove some that \
             are not needed any more from the bucket `revocations`"
        );
    }
}

fn decode(entry: &KvEntry) -> Option<Revocation> {
    let value = entry.value.as_ref()?;
    match serde_json::from_slice::<Revocation>(value) {
        Ok(revocation) => Some(revocation),
        Err(error) => {
            let key = &entry.key;
            tracing::warn!(%error, key, "cannot decode a revocation: ignoring it");
            None
        }
    }
}
