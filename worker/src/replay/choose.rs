//! Chooses the room of a name to replay, or says why none can be replayed.

use grandstand_common::exit::{Exit, ExitError};
use grandstand_common::id::RoomId;

use super::request::Request;
use super::scan::{InstanceSpan, Scan};
use super::stored::{Key, Snapshot, StoredRecords};

/// The reason why no room can be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// Neither the log nor the buckets have anything of the room.
    #[error(
        "there is no room {room}: it has neither entries in the log nor a stored snapshot (the log keeps entries only \
         for cluster.log_max_age_s)"
    )]
    Never {
        /// The room.
        room: RoomId,
    },
    /// Neither the log nor the buckets have anything of the room, and this program does not have its game.
    #[error(
        "there is no room {room}: it has neither entries in the log nor a stored snapshot, and no game is named {game:?} in \
         this program (it has {known})"
    )]
    NeverOfGame {
        /// The room.
        room: RoomId,
        /// The game in the room's name.
        game: String,
        /// The program's games.
        known: String,
    },
    /// Every join was refused.
    #[error(
        "no room {room} was ever created: the log has {entries} entries of it, and every join was refused ({why})"
    )]
    Refused {
        /// The room.
        room: RoomId,
        /// The number of the room's entries in the log.
        entries: u64,
        /// The last reject.
        why: String,
    },
    /// The log no longer has the room's first entry.
    #[error("{}", gone(.room, *.first, .also))]
    BeginningGone {
        /// The room.
        room: RoomId,
        /// The first entry that the log still has.
        first: u64,
        /// A way out, appended to the error text.
        also: &'static str,
    },
    /// The log is not the one that the stored snapshot was made from.
    #[error(
        "the entry that created {room} is not in the log, although the log has its first entries: the log was created \
         again, or entries were removed, so the room cannot be replayed from its beginning; --from-snapshot replays \
         the entries after the stored snapshot"
    )]
    OtherLog {
        /// The room.
        room: RoomId,
    },
    /// No room was created by this entry.
    #[error("no room {room} was created by entry {asked}; the log has rooms created by {there}")]
    NoInstance {
        /// The room.
        room: RoomId,
        /// The entry.
        asked: u64,
        /// The entries that created rooms.
        there: String,
    },
    /// This program does not have the room's game.
    #[error(
        "no game is named {game:?} in this program (it has {known}): replay the room with the program whose workers run \
         it; the log has {entries} entries of the room, which --json shows"
    )]
    NoSuchGame {
        /// The game.
        game: String,
        /// The program's games.
        known: String,
        /// The number of the room's entries in the log.
        entries: u64,
    },
    /// The room was created after the last requested entry.
    #[error(
        "there is no room {room} at entry {until}: the first room of this name in the log was created by entry {first}"
    )]
    Later {
        /// The room.
        room: RoomId,
        /// The last requested entry.
        until: u64,
        /// The first entry that created a room.
        first: u64,
    },
    /// No snapshot is stored to begin with.
    #[error("there is no stored snapshot to begin with: {0}")]
    Snapshot(String),
}

fn gone(room: &RoomId, first: u64, also: &str) -> String {
    format!(
        "the entry that created {room} is no longer in the log, which now begins at {first}: entries are kept for \
         cluster.log_max_age_s only, so the room cannot be replayed from its beginning{also}"
    )
}

const FROM_SNAPSHOT: &str = "; --from-snapshot replays the entries after the stored snapshot";

impl ExitError for NoRoom {
    fn exit(&self) -> Exit {
        match self {
            Self::NoSuchGame { .. } => Exit::Unavailable,
            _ => Exit::NoInput,
        }
    }
}

/// The room to replay.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) span: InstanceSpan,
    /// The entries that created the other rooms of the name.
    pub(super) others: Vec<u64>,
    pub(super) is_newest: bool,
    /// The snapshot that the replay begins with; `None` replays from the first entry.
    pub(super) snapshot: Option<Snapshot>,
}

/// Chooses among the rooms that the scan found.
pub(super) fn choose(
    scan: &Scan,
    stored: &StoredRecords,
    room: &RoomId,
    request: &Request,
) -> Result<Choice, NoRoom> {
    let all = || scan.spans.iter().map(|span| span.created);
    let choice = |span: &InstanceSpan, snapshot: Option<Snapshot>| Choice {
        span: span.clone(),
        others: all().filter(|other| *other != span.created).collect(),
        is_newest: all()
            .next_back()
            .is_none_or(|newest| newest <= span.created),
        snapshot,
    };
    if request.from_snapshot {
        let snapshot = stored.snapshot();
        let snapshot = snapshot.ok_or_else(|| NoRoom::Snapshot(why_none(&stored.key)))?;
        let span = InstanceSpan {
            instance: snapshot.instance,
            created: 0,
            begun_ms: snapshot.time_ms,
            last: snapshot.last,
            deleted: None,
            older: None,
        };
        return Ok(choice(&span, Some(snapshot.clone())));
    }
    if let Some(asked) = request.instance {
        let found = scan.spans.iter().find(|span| span.created == asked);
        return match found {
            Some(span) => Ok(choice(span, None)),
            None => Err(no_instance(room, asked, scan)),
        };
    }
    let gone = |also| NoRoom::BeginningGone {
        room: room.clone(),
        first: stored.log.first,
        also,
    };
    let until = request.until.unwrap_or(u64::MAX);
    if let Some(snapshot) = stored.snapshot() {
        let instance = snapshot.instance;
        let found = scan.spans.iter().any(|span| span.instance == instance);
        if !found {
            return Err(match stored.log.first {
                0 | 1 => NoRoom::OtherLog { room: room.clone() },
                _ => gone(FROM_SNAPSHOT),
            });
        }
    }
    let mut spans = scan.spans.iter().rev();
    let first = scan.spans.front().map(|span| span.created);
    match spans.find(|span| span.created <= until) {
        Some(span) if span.older.is_some() => Err(gone("")),
        Some(span) => Ok(choice(span, None)),
        None if first.is_some() => Err(NoRoom::Later {
            room: room.clone(),
            until,
            first: first.unwrap_or_default(),
        }),
        None => Err(nothing(scan, stored, room, gone(""))),
    }
}

/// The error for a log whose entries created no room.
fn nothing(scan: &Scan, stored: &StoredRecords, room: &RoomId, gone: NoRoom) -> NoRoom {
    let room = room.clone();
    let nothing_stored = stored.is_nothing();
    match (&scan.reject, scan.entries) {
        (Some(why), entries) if nothing_stored => NoRoom::Refused {
            room,
            entries,
            why: why.clone(),
        },
        (None, 0) if nothing_stored => NoRoom::Never { room },
        _ => gone,
    }
}

fn no_instance(room: &RoomId, asked: u64, scan: &Scan) -> NoRoom {
    let there: Vec<_> = scan.spans.iter().map(|l| l.created.to_string()).collect();
    NoRoom::NoInstance {
        room: room.clone(),
        asked,
        there: if there.is_empty() {
            "no entry".to_owned()
        } else {
            there.join(", ")
        },
    }
}

fn why_none(key: &Key) -> String {
    match key {
        Key::Nothing => "nothing is stored of the room".to_owned(),
        Key::Marker(_) | Key::Deleted(_) => "the room was deleted".to_owned(),
        Key::Unreadable(error) => format!("the stored snapshot {error}"),
        Key::Room(_) => String::new(),
    }
}
