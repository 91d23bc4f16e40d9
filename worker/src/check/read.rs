//! Checks all stored rooms of a bus.

use std::collections::BTreeSet;
use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, BusError, Read};
use grandstand_common::exit::{Exit, ExitError};
use grandstand_common::id::RoomId;
use grandstand_common::subject;
use grandstand_game::Games;
use tokio::time::timeout;
use xxhash_rust::xxh3::xxh3_64;

use super::report::{CheckReport, FaultKind, RoomFault};
use super::request::{CheckRequest, CheckStep};
use super::room::{check_room, stored_version};
use super::world::check_world;
use crate::command::MAX_STATE_BYTES;
use crate::replay::{self, NoRoom, Output, ReplayError, Request};
use crate::stored::snapshot::SnapshotLimits;

/// After this long without a key the check is given up.
const SILENCE: Duration = Duration::from_secs(15);
/// The number of times that a bucket is read if its reader loses its place.
const ATTEMPTS: u32 = 3;
/// The number of keys between two reports of the progress.
const TELL_EVERY: u64 = 64;

/// The reason why a check has no result.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The bus cannot be read.
    #[error("the bus cannot be read: {0}")]
    Bus(#[from] BusError),
    /// The rooms changed while they were read, or are unavailable.
    #[error("the rooms cannot be read to their end: the reader lost its place; try again")]
    Lost,
    /// The bus sends nothing.
    #[error("the bus has sent nothing for {} s", SILENCE.as_secs())]
    Silent,
    /// A log cannot be read.
    #[error(transparent)]
    Log(ReplayError),
}

impl ExitError for CheckError {
    fn exit(&self) -> Exit {
        match self {
            Self::Bus(_) | Self::Lost | Self::Silent => Exit::Unavailable,
            Self::Log(error) => error.exit(),
        }
    }
}

/// The rooms whose logs are replayed: those with the lowest hashes, so that each room is as likely as any other and a
/// second check takes the same ones.
#[derive(Debug)]
struct Chosen {
    rooms: BTreeSet<(u64, RoomId)>,
    most: usize,
}

impl Chosen {
    fn offer(&mut self, room: &RoomId) {
        let hash = xxh3_64(room.as_str().as_bytes());
        self.rooms.insert((hash, room.clone()));
        if self.rooms.len() > self.most {
            self.rooms.pop_last();
        }
    }
}

/// Checks all stored rooms of a bus with this build. Rooms that are played meanwhile are checked as they were stored.
///
/// # Errors
/// If the bus cannot be read.
pub async fn check(
    bus: &Bus,
    games: &Games,
    request: CheckRequest,
    tell: &mut dyn FnMut(CheckStep),
) -> Result<CheckReport, CheckError> {
    let mut report = CheckReport::default();
    let mut chosen = Chosen {
        rooms: BTreeSet::new(),
        most: request.replays,
    };
    let buckets = bus.layout().streams;
    for bucket in 0..buckets {
        let mut show = |done, of| {
            tell(CheckStep::Rooms {
                bucket,
                buckets,
                done,
                of,
            });
        };
        let mut attempts = 0;
        let found = loop {
            attempts += 1;
            match read_bucket(bus, games, bucket, &mut chosen, &mut show).await? {
                Some(found) => break found,
                None if attempts == ATTEMPTS => return Err(CheckError::Lost),
                None => {}
            }
        };
        report.add(found);
    }
    let of = chosen.rooms.len();
    for (done, (_, room)) in chosen.rooms.into_iter().enumerate() {
        tell(CheckStep::Replays { done, of });
        if let Some(message) = replay_log(bus, games, &room).await? {
            report.add_fault(RoomFault {
                room,
                kind: FaultKind::Replay,
                message,
            });
        }
        report.replayed += 1;
    }
    Ok(report)
}

/// Checks the rooms of a bucket; `None` if the reader lost its place.
async fn read_bucket(
    bus: &Bus,
    games: &Games,
    index: u16,
    chosen: &mut Chosen,
    show: &mut impl FnMut(u64, u64),
) -> Result<Option<CheckReport>, CheckError> {
    let layout = bus.layout();
    let bucket = Bucket::Rooms(layout.partition(usize::from(index)));
    let limits = SnapshotLimits {
        game: MAX_STATE_BYTES,
        ..SnapshotLimits::NONE
    };
    let mut report = CheckReport::default();
    let mut reader = bus.watch(bucket, "").await?;
    let mut done = 0_u64;
    loop {
        let read = timeout(SILENCE, reader.next()).await;
        let (entry, behind) = match read.map_err(|_| CheckError::Silent)? {
            Read::Item(entry, behind) => (entry, behind),
            Read::Idle => return Ok(Some(report)),
            Read::Lost => return Ok(None),
        };
        let place = subject::parse_room_key(&entry.key);
        let place = place.filter(|(partition, _)| layout.index_of(*partition).is_some());
        if let (Some((_, room)), Some(value)) = (place, entry.value) {
            let stored = stored_version(&value);
            let own = games.version(room.game());
            if let Ok(Some(version)) = &stored {
                report.count(&room, own, *version);
            }
            let checked = stored.and_then(|version| match version {
                Some(_) => check_room(games, &room, &value, limits).map(|()| true),
                None => Ok(false),
            });
            let is_realtime = games
                .get(room.game())
                .is_some_and(|kind| kind.realtime().is_some());
            let checked = match checked {
                Ok(true) if is_realtime => {
                    let world = bus.get(Bucket::Worlds, &subject::world_key(&room)).await?;
                    let world = world.and_then(|entry| entry.value);
                    check_world(games, &room, &value, world.as_deref()).map(|()| true)
                }
                other => other,
            };
            match checked {
                Ok(true) => chosen.offer(&room),
                Ok(false) => {}
                Err((kind, message)) => report.add_fault(RoomFault {
                    room,
                    kind,
                    message,
                }),
            }
        }
        done += 1;
        if done.is_multiple_of(TELL_EVERY) || behind == 0 {
            show(done, done + behind);
        }
        if behind == 0 {
            return Ok(Some(report));
        }
    }
}

/// Replays the log of a room from its first entry, or from its snapshot if the log no longer has that. Returns the fault in
/// words.
async fn replay_log(bus: &Bus, games: &Games, room: &RoomId) -> Result<Option<String>, CheckError> {
    let mut request = Request {
        room: room.clone(),
        instance: None,
        until: None,
        from_snapshot: false,
    };
    let report = match replay_once(bus, games, &request).await {
        Err(ReplayError::NoRoom(NoRoom::BeginningGone { .. } | NoRoom::OtherLog { .. })) => {
            request.from_snapshot = true;
            replay_once(bus, games, &request).await
        }
        other => other,
    };
    match report {
        Ok(report) => Ok(report.fault()),
        // The room was deleted meanwhile.
        Err(ReplayError::NoRoom(_)) => Ok(None),
        Err(error) => Err(CheckError::Log(error)),
    }
}

async fn replay_once(
    bus: &Bus,
    games: &Games,
    request: &Request,
) -> Result<replay::Report, ReplayError> {
    let output = Output {
        line: None,
        progress: &mut |_| {},
    };
    replay::replay(bus, games, request, output).await
}
