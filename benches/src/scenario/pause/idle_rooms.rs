//! Rooms at rest: stored in NATS, with a timer and without players, like rooms that no player has touched for days.

use std::collections::VecDeque;

use bytes::Bytes;
use grandstand_common::bus::{Bucket, PutReceipt};
use grandstand_common::clock::unix_ms;
use grandstand_common::id::RoomId;
use grandstand_common::subject;

use crate::error::BenchError;
use crate::host::servers::Servers;
use crate::progress::Progress;

/// The most writes in flight.
const IN_FLIGHT: usize = 512;
/// The number of rooms between two lines of progress.
const STEP: u32 = 1_000;
/// The time until the rooms' timers are due.
const DUE_AFTER_MS: u64 = 7 * 24 * 3_600_000;
/// The state of an empty room of `relay`, and its xxh3 hash.
const GAME: &str = r#"{"counts":[1,0],"players_only":false,"players":[],"idle_ms":604800000}"#;
const GAME_HASH: u64 = 4_177_619_290_257_143_309;

/// Stores rooms as workers do.
pub(super) async fn store(
    servers: &Servers,
    count: u32,
    progress: &mut Progress,
) -> Result<(), BenchError> {
    progress.phase("storing idle rooms");
    let bus = servers.rig.bus().await?;
    let layout = bus.layout();
    let value = snapshot(unix_ms() + DUE_AFTER_MS);
    let mut in_flight: VecDeque<PutReceipt> = VecDeque::new();
    for n in 0..count {
        if in_flight.len() == IN_FLIGHT
            && let Some(receipt) = in_flight.pop_front()
        {
            receipt.await.map_err(failed)?;
        }
        let room: RoomId = format!("relay-rest-{n}").parse().map_err(failed)?;
        let partition = layout.partition_of(&room);
        let key = subject::room_key(partition, &room);
        let bucket = Bucket::Rooms(partition);
        let receipt = bus.start_put_if(bucket, &key, value.clone(), 0).await;
        in_flight.push_back(receipt.map_err(failed)?);
        if n.is_multiple_of(STEP) {
            progress.step(f64::from(n) / f64::from(count), &format!("{n} rooms"));
        }
    }
    for receipt in in_flight {
        receipt.await.map_err(failed)?;
    }
    Ok(())
}

/// Returns the snapshot of a room whose timer is due at `due_ms`.
fn snapshot(due_ms: u64) -> Bytes {
    let seed = vec!["7"; 32].join(",");
    let text = format!(
        concat!(
            r#"{{"format":1,"epoch":1,"generation":0,"last":0,"head":{{"instance":7,"due_ms":{due_ms}}},"#,
            r#""hash":{hash},"room":{{"instance":7,"seed":[{seed}],"events":3,"last_event_ms":1,"#,
            r#""finished":false,"versions":[1,0],"armings":1,"timers":{{"idle":{{"arming":1,"due_ms":{due_ms}}}}},"#,
            r#""players":{{}},"refused":[]}},"game":{game}}}"#
        ),
        due_ms = due_ms,
        hash = GAME_HASH,
        seed = seed,
        game = GAME
    );
    text.into()
}

fn failed(error: impl std::fmt::Display) -> BenchError {
    BenchError::Failed(error.to_string())
}
