//! The comparison of rooms with the replays of their logs, and the search for rooms in quarantine.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use grandstand_common::bus::{Bucket, Bus, Read};
use grandstand_common::exit::Exit;
use serde_json::Value;
use tokio::time::timeout;

use super::field::Shared;
use super::ledger::Replayed;
use super::violation::Rule;
use crate::error::RigError;
use crate::process::{Output, Start};

/// The observer's name in reports.
const LOG: &str = "log";
/// The most time for a replay.
const PATIENCE: Duration = Duration::from_secs(120);
/// The most time between two records of the bucket.
const SILENCE: Duration = Duration::from_secs(15);
/// The replays that run at a time.
const AT_ONCE: usize = 2;

/// Replays the logs of all rooms that the ledger has kept, and compares them. Calls `progress` after each. Returns how many
/// could be replayed: the log may have let go of the first entry of a room.
///
/// # Errors
/// If a replay cannot be started, or does not end.
pub(super) async fn compare_logs(
    field: &Shared,
    nats: &str,
    mut progress: impl FnMut(),
) -> Result<usize, RigError> {
    let rooms: Vec<_> = field.borrow().ledger.kept().map(str::to_owned).collect();
    let replays = rooms.into_iter().map(|room| async {
        let start = Start::grandstand("replay").arg(&room);
        let start = start.arg("--json").flag("--nats", nats);
        let output = start.try_output(PATIENCE).await?;
        Ok::<_, RigError>((room, output))
    });
    let mut replays = stream::iter(replays).buffer_unordered(AT_ONCE);
    let mut count = 0;
    while let Some(replay) = replays.next().await {
        let (room, output) = replay?;
        count += usize::from(compare(field, &room, &output));
        progress();
    }
    Ok(count)
}

/// Compares a room with its replay. Returns whether there was one.
fn compare(field: &Shared, room: &str, output: &Output) -> bool {
    let field = &mut field.borrow_mut();
    field.now();
    let is = |exit: Exit| output.code == Some(i32::from(exit.code()));
    if is(Exit::NoInput) {
        return false;
    }
    let mut replayed = Replayed::default();
    let mut text = Vec::new();
    for line in output.text.lines() {
        match serde_json::from_str::<Value>(line) {
            Ok(line) if line.is_object() => replayed.add(&line),
            _ => text.push(line),
        }
    }
    if !is(Exit::Ok) {
        let expected = "a log that leads to the stored room each time";
        let ledger = &mut field.ledger;
        ledger.blame(Rule::Replay, room, LOG, expected, &text.join("\n"));
    }
    field.ledger.compare(room, &replayed);
    true
}

/// Records a violation for every room in quarantine.
///
/// # Errors
/// If the bus cannot be read.
pub(super) async fn check_quarantine(field: &Shared, bus: &Bus) -> Result<(), RigError> {
    let mut records = bus.watch(Bucket::Quarantine, "").await?;
    while let Ok(Read::Item(entry, behind)) = timeout(SILENCE, records.next()).await {
        if let Some(record) = entry.value {
            let found = String::from_utf8_lossy(&record);
            let field = &mut field.borrow_mut();
            field.now();
            let ledger = &mut field.ledger;
            ledger.blame(Rule::Quarantined, &entry.key, LOG, "no record", &found);
        }
        if behind == 0 {
            break;
        }
    }
    Ok(())
}
