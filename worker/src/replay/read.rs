//! Replays a room from a bus: reads the buckets first, then the room's entries twice.

use std::io;
use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, BusError, LogEntry, LogReader, Read};
use grandstand_common::exit::{Exit, ExitError};
use grandstand_common::id::RoomId;
use grandstand_common::subject;
use grandstand_game::Games;
use tokio::time::{Instant, timeout};

use super::choose::{self, Choice, NoRoom};
use super::line::Line;
use super::replayer::{Replayer, decode};
use super::report::Report;
use super::request::{Output, Progress, Request};
use super::scan::Scan;
use super::stored::StoredRecords;

/// After this long without an entry the replay is given up.
const SILENCE: Duration = Duration::from_secs(15);
/// Interval of progress reports.
const PROGRESS: Duration = Duration::from_secs(1);

/// The reason why there is no replay.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The bus cannot be read.
    #[error("the bus cannot be read: {0}")]
    Bus(#[from] BusError),
    /// The log changed during the read, or is unavailable.
    #[error("the log cannot be read to its end: the reader lost its place; try again")]
    Lost,
    /// The log sends nothing.
    #[error("the log has sent nothing for {} s", SILENCE.as_secs())]
    Silent,
    /// No such room can be replayed.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// A line of the history cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(io::Error),
}

impl ExitError for ReplayError {
    fn exit(&self) -> Exit {
        match self {
            Self::Bus(_) | Self::Lost | Self::Silent => Exit::Unavailable,
            Self::NoRoom(why) => why.exit(),
            Self::Output(_) => Exit::Internal,
        }
    }
}

/// Replays a room from its log and compares it with its stored snapshot.
///
/// # Errors
/// If there is no such room, the log no longer has its first entry, the bus cannot be read, or a line cannot be
/// written.
pub async fn replay(
    bus: &Bus,
    games: &Games,
    request: &Request,
    mut output: Output<'_>,
) -> Result<Report, ReplayError> {
    let room = &request.room;
    let stored = stored(bus, room).await?;
    if games.get(room.game()).is_none() {
        return Err(unknown_game(bus, games, room, &stored, &mut output).await?);
    }
    let trimmed = stored.log.first > 1;
    let pinned = stored.snapshot().map(|snapshot| snapshot.instance);
    let mut scan = Scan::new(games, room, pinned, trimmed);
    let mut entries = Entries::open(bus, room, 1, stored.log.last).await?;
    while let Some(entry) = entries.next(&mut output).await? {
        let logged = decode(&entry);
        scan.handle(entry.seq, entry.time_ms, logged.as_ref());
    }
    let Choice {
        span,
        others,
        is_newest,
        snapshot,
    } = choose::choose(&scan, &stored, room, request)?;
    let mut replay = match &snapshot {
        Some(snapshot) => Replayer::from_snapshot(games, room, snapshot, stored.clone())
            .map_err(|error| NoRoom::Snapshot(error.to_string()))?,
        None => Replayer::new(games, room, &span, stored.clone()),
    };
    let from = snapshot.map_or(span.created, |snapshot| snapshot.last + 1);
    let until = request.until.unwrap_or(u64::MAX).min(stored.log.last);
    let mut entries = Entries::open(bus, room, from, until).await?;
    entries.progress.second = true;
    while let Some(entry) = entries.next(&mut output).await? {
        let Some(line) = replay.handle(&entry) else {
            break;
        };
        if let Some(tell) = &mut output.line {
            tell(&line).map_err(ReplayError::Output)?;
        }
    }
    replay.finish(&span, is_newest, request.until);
    let partition = bus.layout().partition_of(room);
    Ok(Report::new(replay, partition, span, others, request.until))
}

/// Outputs the entries of a room whose game this program does not have. Returns the error.
async fn unknown_game(
    bus: &Bus,
    games: &Games,
    room: &RoomId,
    stored: &StoredRecords,
    output: &mut Output<'_>,
) -> Result<ReplayError, ReplayError> {
    let mut entries = Entries::open(bus, room, 1, stored.log.last).await?;
    while let Some(entry) = entries.next(output).await? {
        let line = match decode(&entry) {
            Some(logged) => Line::from_logged(&logged),
            None => Line::unreadable(entry.seq, entry.time_ms),
        };
        if let Some(tell) = &mut output.line {
            tell(&line).map_err(ReplayError::Output)?;
        }
    }
    let game = room.game().to_owned();
    let entries = entries.progress.read;
    let known = games.names().collect::<Vec<_>>().join(", ");
    Ok(match entries {
        0 if stored.is_nothing() => NoRoom::NeverOfGame {
            room: room.clone(),
            game,
            known,
        },
        _ => NoRoom::NoSuchGame {
            game,
            known,
            entries,
        },
    }
    .into())
}

/// Reads the buckets. This comes before the log is read, so that the log has every entry that the snapshot covers.
async fn stored(bus: &Bus, room: &RoomId) -> Result<StoredRecords, ReplayError> {
    let partition = bus.layout().partition_of(room);
    let key = subject::room_key(partition, room);
    let rooms = Bucket::Rooms(partition);
    let entry = bus.get(rooms, &key).await?;
    let quarantine = bus.get(Bucket::Quarantine, &key).await?;
    let checkpoint = subject::checkpoint_key(partition);
    let checkpoint = bus.get(rooms, &checkpoint).await?;
    let log = bus.log_state(partition).await?;
    Ok(StoredRecords::new(entry, quarantine, checkpoint, log))
}

/// A reader of a room's entries, up to one that was stored before the first read.
struct Entries {
    reader: LogReader,
    until: u64,
    ended: bool,
    progress: Progress,
    told: Instant,
}

impl Entries {
    async fn open(bus: &Bus, room: &RoomId, from: u64, until: u64) -> Result<Self, ReplayError> {
        Ok(Self {
            reader: bus.read_room(room, from).await?,
            until,
            ended: from > until,
            progress: Progress {
                read: 0,
                behind: 0,
                second: false,
            },
            told: Instant::now(),
        })
    }

    async fn next(&mut self, output: &mut Output<'_>) -> Result<Option<LogEntry>, ReplayError> {
        if self.ended {
            return Ok(None);
        }
        let read = timeout(SILENCE, self.reader.next()).await;
        match read.map_err(|_| ReplayError::Silent)? {
            Read::Item(entry, behind) => {
                self.ended = behind == 0 || entry.seq >= self.until;
                if entry.seq > self.until {
                    return Ok(None);
                }
                self.progress.read += 1;
                self.progress.behind = behind;
                if self.told.elapsed() >= PROGRESS {
                    self.told = Instant::now();
                    (output.progress)(self.progress);
                }
                Ok(Some(entry))
            }
            Read::Idle => {
                self.ended = true;
                Ok(None)
            }
            Read::Lost => Err(ReplayError::Lost),
        }
    }
}
