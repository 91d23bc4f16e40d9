//! Which room of a name is replayed, and whether it can be.

use grandstand_common::exit::Exit;
use grandstand_common::id::RoomId;

use super::request::Request;
use super::scan::{Life, Scan};
use super::stored::{Key, Snapshot, Stored};

/// Why there is nothing to replay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// Nothing of it is anywhere.
    #[error(
        "there is no room {room}: neither the log nor what is stored has anything of it (the log keeps entries for a \
         while only: cluster.log_max_age_s)"
    )]
    Never {
        /// The room.
        room: RoomId,
    },
    /// Nothing of it is anywhere, and this program would not have its game.
    #[error(
        "there is no room {room}: neither the log nor what is stored has anything of it, and no game is named {game:?} in \
         this program (it has {known})"
    )]
    NeverOfGame {
        /// The room.
        room: RoomId,
        /// The game that its name asks for.
        game: String,
        /// Those that the program has.
        known: String,
    },
    /// All who wanted in were refused.
    #[error(
        "there never was a room {room}: its log has {entries} entries, and nobody was let in ({why})"
    )]
    Refused {
        /// The room.
        room: RoomId,
        /// What the log has.
        entries: u64,
        /// The last refusal.
        why: String,
    },
    /// It cannot be replayed from its beginning.
    #[error("{}", gone(.room, *.first, .also))]
    BeginningGone {
        /// The room.
        room: RoomId,
        /// The first entry that the log still has.
        first: u64,
        /// What can be done.
        also: &'static str,
    },
    /// The log is another one than the room was made from.
    #[error(
        "the entry that created {room} is not in the log, though the log has its beginning: the log was made anew since, \
         or entries were removed, so the room cannot be replayed from its beginning; --from-snapshot replays what came \
         after the stored snapshot"
    )]
    OtherLog {
        /// The room.
        room: RoomId,
    },
    /// There is none that this entry created.
    #[error("no room {room} was created by entry {asked}; the log has those of {there}")]
    NoInstance {
        /// The room.
        room: RoomId,
        /// The entry.
        asked: u64,
        /// Those that there are.
        there: String,
    },
    /// This program does not have its game.
    #[error(
        "no game is named {game:?} in this program (it has {known}): replay the room with the program whose workers run \
         it; its log has {entries} entries, which --json shows all the same"
    )]
    NoSuchGame {
        /// The game.
        game: String,
        /// Those that it has.
        known: String,
        /// How many entries the log has.
        entries: u64,
    },
    /// It begins behind the last entry that was asked for.
    #[error(
        "there is no room {room} at entry {until}: the first that the log has was created by entry {first}"
    )]
    Later {
        /// The room.
        room: RoomId,
        /// The last entry that was asked for.
        until: u64,
        /// The first entry of a room.
        first: u64,
    },
    /// There is no snapshot to begin with.
    #[error("there is no stored snapshot to begin with: {0}")]
    Snapshot(String),
}

fn gone(room: &RoomId, first: u64, also: &str) -> String {
    format!(
        "the entry that created {room} is no longer in the log, which now begins at {first}: entries are kept for \
         cluster.log_max_age_s only, so the room cannot be replayed from its beginning{also}"
    )
}

const FROM_SNAPSHOT: &str = "; --from-snapshot replays what came after the stored snapshot";

impl NoRoom {
    /// The code that the process ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NoSuchGame { .. } => Exit::Unavailable,
            _ => Exit::NoInput,
        }
    }
}

/// What is replayed.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) life: Life,
    /// The other rooms of the name.
    pub(super) others: Vec<u64>,
    pub(super) is_newest: bool,
    /// Begin with it.
    pub(super) snapshot: Option<Snapshot>,
}

/// Chooses among what was found.
pub(super) fn choose(
    scan: &Scan,
    stored: &Stored,
    (room, request): (&RoomId, &Request),
) -> Result<Choice, NoRoom> {
    let all = || scan.lives.iter().map(|life| life.created);
    let choice = |life: &Life, snapshot: Option<Snapshot>| Choice {
        life: life.clone(),
        others: all().filter(|other| *other != life.created).collect(),
        is_newest: all()
            .next_back()
            .is_none_or(|newest| newest <= life.created),
        snapshot,
    };
    if request.from_snapshot {
        let snapshot = stored.snapshot();
        let snapshot = snapshot.ok_or_else(|| NoRoom::Snapshot(why_none(&stored.key)))?;
        let life = Life {
            instance: snapshot.instance,
            created: 0,
            begun_ms: snapshot.time_ms,
            last: snapshot.last,
            deleted: None,
            older: None,
        };
        return Ok(choice(&life, Some(snapshot.clone())));
    }
    if let Some(asked) = request.instance {
        let found = scan.lives.iter().find(|life| life.created == asked);
        return match found {
            Some(life) => Ok(choice(life, None)),
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
        let found = scan.lives.iter().any(|life| life.instance == instance);
        if !found {
            return Err(match stored.log.first {
                0 | 1 => NoRoom::OtherLog { room: room.clone() },
                _ => gone(FROM_SNAPSHOT),
            });
        }
    }
    let mut lives = scan.lives.iter().rev();
    let first = scan.lives.front().map(|life| life.created);
    match lives.find(|life| life.created <= until) {
        Some(life) if life.older.is_some() => Err(gone("")),
        Some(life) => Ok(choice(life, None)),
        None if first.is_some() => Err(NoRoom::Later {
            room: room.clone(),
            until,
            first: first.unwrap_or_default(),
        }),
        None => Err(nothing(scan, stored, room, gone(""))),
    }
}

/// There is no room among the log's entries.
fn nothing(scan: &Scan, stored: &Stored, room: &RoomId, gone: NoRoom) -> NoRoom {
    let room = room.clone();
    let nothing_stored = stored.is_nothing();
    match (&scan.refusal, scan.entries) {
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
    let there: Vec<_> = scan.lives.iter().map(|l| l.created.to_string()).collect();
    NoRoom::NoInstance {
        room: room.clone(),
        asked,
        there: match there.is_empty() {
            true => "no entry".to_owned(),
            false => there.join(", "),
        },
    }
}

fn why_none(key: &Key) -> String {
    match key {
        Key::Nothing => "nothing is stored of it".to_owned(),
        Key::Marker(_) | Key::Deleted(_) => "the room was deleted".to_owned(),
        Key::Unreadable(error) => format!("what is stored {error}"),
        Key::Room(_) => String::new(),
    }
}
