//! The process' only watcher of the KV bucket `revocations`.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_common::auth::{MAX_REVOCATIONS, Revocation, Revocations};
use grandstand_common::bus::{Bucket, Bus, KvEntry, KvReader, PutError, Read};
use grandstand_common::clock::unix_ms;
use tokio::sync::oneshot;

/// The pause before a failed watch is started again.
const RETRY: Duration = Duration::from_millis(250);

/// The interval at which revocations that have ended are removed.
const EXPIRE: Duration = Duration::from_secs(10);

/// The time of revocations, Unix milliseconds: that of NATS, so that an edge whose clock is wrong revokes the tokens of the
/// present. The issuer for an embedded bus has the wall clock of the same machine.
pub(super) fn time_ms(bus: &Bus) -> u64 {
    match bus {
        Bus::Nats(_) => bus.log_clock().now().log_ms,
        Bus::Embedded(_) => unix_ms(),
    }
}

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
                follow(&bus, reader, &revocations, &mut loaded).await;
            }
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(%error, "cannot watch the revocations: retrying until it works");
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Takes what a reader delivers, until it is lost. Revocations stay until all stored ones have been read again, and those
/// that the bucket has lost are stored again (D23). A removed one has a marker for as long as it would have lasted.
async fn follow(
    bus: &Bus,
    mut reader: KvReader,
    revocations: &Revocations,
    loaded: &mut Option<oneshot::Sender<()>>,
) {
    let mut stored = Some(BTreeMap::new());
    let mut lost = Vec::new();
    let mut failed = false;
    let mut said = false;
    let mut expiring = tokio::time::interval(EXPIRE);
    loop {
        let read = tokio::select! {
            read = reader.next() => read,
            _ = expiring.tick() => {
                revocations.expire(unix_ms());
                failed = false;
                continue;
            }
            stored = store_again(bus, lost.last()), if !lost.is_empty() && !failed => {
                match stored {
                    Ok(()) => drop(lost.pop()),
                    Err(error) => {
                        failed = true;
                        if !std::mem::replace(&mut said, true) {
                            tracing::warn!(%error, "cannot store a lost revocation again: retrying until it works");
                        }
                    }
                }
                continue;
            }
        };
        let is_current = match read {
            Read::Item(entry, pending) => {
                let revocation = decode(&entry);
                match &mut stored {
                    Some(stored) => drop(stored.insert(entry.key, revocation)),
                    None => complain(revocations.set(&entry.key, revocation)),
                }
                pending == 0
            }
            Read::Idle => true,
            Read::Lost => return,
        };
        if is_current && let Some(stored) = stored.take() {
            lost = revocations.missing(time_ms(bus), |key| stored.contains_key(key));
            if !lost.is_empty() {
                let count = lost.len();
                tracing::error!(
                    count,
                    "the bucket `revocations` came back without revocations that it had stored: they stay in force, and are \
                     stored again"
                );
            }
            let stored = stored
                .into_iter()
                .filter_map(|(key, found)| Some((key, found?)));
            complain(revocations.replace(stored.chain(lost.iter().cloned())));
            if let Some(loaded) = loaded.take() {
                // The start may have been given up.
                loaded.send(()).ok();
            }
        }
    }
}

/// Stores a revocation that the bucket has lost, unless another edge has done so, or an operator has changed it.
async fn store_again(bus: &Bus, lost: Option<&(String, Revocation)>) -> Result<(), PutError> {
    let Some((key, revocation)) = lost else {
        return Ok(());
    };
    let left_s = revocation.until_ms.saturating_sub(time_ms(bus)) / 1_000;
    let Some(json) = serde_json::to_vec(revocation).ok().filter(|_| left_s > 0) else {
        return Ok(());
    };
    let ttl = Duration::from_secs(left_s);
    let put = bus.put_expiring(Bucket::Revocations, key, json.into(), ttl, 0);
    match put.await {
        Ok(_) | Err(PutError::WrongRevision) => Ok(()),
        Err(error) => Err(error),
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
