//! The process' only watcher of the KV bucket `listings`, which exists while somebody asks for lobbies.

use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, KvEntry, KvReader, Read};
use grandstand_common::log_clock::LogClock;
use grandstand_common::record::RoomListing;
use grandstand_common::subject;

use tokio::time::Instant;

use crate::shard::lobby::Lobby;

/// The pause before a failed watch is started again.
const RETRY: Duration = Duration::from_secs(1);

/// The interval at which rooms are removed whose owners have not written them for a while.
const EXPIRE: Duration = Duration::from_secs(5);

/// The time without a heartbeat of the reader after which the rooms count as unknown: an empty lobby would say that there
/// are none.
const SILENCE: Duration = Duration::from_secs(10);

/// Keeps `lobby` current while somebody asks for it, forever.
pub(super) async fn drive_lobby(bus: Bus, lobby: Lobby, clock: LogClock) {
    let mut failing = false;
    loop {
        lobby.wanted().await;
        match bus.watch(Bucket::Listings, "").await {
            Ok(reader) => {
                failing = false;
                follow(reader, &lobby, &clock).await;
                lobby.clear();
            }
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(%error, "cannot read the rooms in lobbies: retrying while somebody asks for them");
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Takes what a reader delivers, until it is lost or silent, or nobody asks any more.
async fn follow(mut reader: KvReader, lobby: &Lobby, clock: &LogClock) {
    let mut expiring = tokio::time::interval(EXPIRE);
    let mut heard = Instant::now();
    loop {
        let read = tokio::select! {
            read = reader.next() => read,
            _ = expiring.tick() => {
                if heard.elapsed() > SILENCE {
                    tracing::warn!("NATS says nothing about the rooms in lobbies: reading them again");
                    return;
                }
                lobby.expire(clock.now().log_ms);
                if lobby.is_unwanted() {
                    return;
                }
                continue;
            }
        };
        heard = Instant::now();
        match read {
            Read::Item(entry, behind) => {
                set(lobby, &entry);
                if behind == 0 {
                    lobby.set_read();
                }
            }
            Read::Idle => lobby.set_read(),
            Read::Lost => return,
        }
    }
}

fn set(lobby: &Lobby, entry: &KvEntry) {
    let key = &entry.key;
    let Some(room) = subject::parse_listing_key(key) else {
        return tracing::debug!(
            key,
            "a key of the bucket `listings` names no room: ignoring it"
        );
    };
    let listing = entry.value.as_ref().and_then(|value| {
        serde_json::from_slice::<RoomListing>(value)
            .inspect_err(|error| tracing::debug!(%error, key, "cannot decode a room's listing"))
            .ok()
    });
    lobby.set(room, listing, entry.time_ms);
}
