//! Ids of rooms, players, edges, workers, partitions and sessions.
//!
//! Every id is validated when it is created, so code that holds one does not validate it again.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

/// The reason why a text is not a valid id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("is empty")]
    Empty,
    /// The text has more bytes than this kind of id may have.
    #[error("is longer than {max} bytes")]
    TooLong {
        /// The most bytes that this kind of id may have.
        max: usize,
    },
    /// The text has a character that this kind of id may not have.
    #[error("has a character that is not allowed: {0:?}")]
    Character(char),
}

fn check(text: &str, max: usize, allowed: impl Fn(char) -> bool) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > max {
        return Err(IdError::TooLong { max });
    }
    match text.chars().find(|&c| !allowed(c)) {
        Some(c) => Err(IdError::Character(c)),
        None => Ok(()),
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:expr, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl $name {
            /// The most bytes that such an id may have.
            pub const MAX_BYTES: usize = $max;

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                check(text, Self::MAX_BYTES, $allowed)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// The name of a game instance, `[A-Za-z0-9_-]{1,64}`. The part before the first `-` names the game.
    RoomId, 64, is_word
);
name!(
    /// A player: the `sub` of a token. Text of at most 128 bytes without control characters; the names of players who
    /// connect are checked more strictly.
    PlayerId, 128, |c| !c.is_control()
);
name!(
    /// One shard of one edge process: `{configured name}-{shard}-{random part per start}`.
    EdgeId, 96, is_word
);
name!(
    /// One edge process, `{configured name}-{random part per start}`: the common part of its shards' ids.
    ProcessId, 96, is_word
);
name!(
    /// One worker: `{configured name}-{random part per start}`.
    WorkerId, 96, is_word
);

name!(
    /// The topic of what a game emits or sends, `[A-Za-z0-9_-]{1,64}`.
    Topic, 64, is_word
);

impl Topic {
    /// The topic of calls. Games cannot name it.
    pub fn calls() -> Self {
        Self("=call".into())
    }

    /// The topic in the name of a subject or key: one of a game, or that of calls.
    ///
    /// # Errors
    /// If it is neither.
    pub fn of_name(name: &str) -> Result<Self, IdError> {
        match name {
            "=call" => Ok(Self::calls()),
            name => name.parse(),
        }
    }
}

name!(
    /// The name of a leaderboard or of a season, `[A-Za-z0-9_-]{1,64}`.
    BoardName, 64, is_word
);

impl EdgeId {
    /// Makes the id of shard `shard` in the process called `name`, with the number that the process drew at its start.
    ///
    /// # Errors
    /// If the result is not a valid id.
    pub fn of_shard(name: &str, shard: usize, random: u32) -> Result<Self, IdError> {
        format!("{name}-{shard}-{random:08x}").parse()
    }

    /// The process of this shard. An id in another form is taken for a process with one shard.
    pub fn process(&self) -> ProcessId {
        let mut parts = self.as_str().rsplitn(3, '-');
        if let (Some(random), Some(shard), Some(name)) = (parts.next(), parts.next(), parts.next())
            && shard.parse::<u16>().is_ok()
        {
            return ProcessId(format!("{name}-{random}").into());
        }
        ProcessId(Arc::clone(&self.0))
    }
}

/// The beginning of the names of queues.
const QUEUE: &str = "queue-";

impl RoomId {
    /// The room's game: the part before the first `-`, or the whole id if there is none. Each queue is a game of its own:
    /// that of `queue-duel-2` is `queue-duel`.
    pub fn game(&self) -> &str {
        let queue = self.0.strip_prefix(QUEUE).map_or(0, |_| QUEUE.len());
        let end = self.0[queue..]
            .find('-')
            .map_or(self.0.len(), |at| queue + at);
        &self.0[..end]
    }

    /// The room's partition in a cluster with `partitions` partitions.
    pub fn partition(&self, partitions: u16) -> Partition {
        Partition((xxh3_64(self.0.as_bytes()) % u64::from(partitions.max(1))) as u16)
    }
}

/// A share of all rooms, owned by one worker at a time: `xxh3_64(room) % partitions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partition(pub u16);

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The fencing token of a partition's owner: `max(previous + 1, Unix ms)` (D15).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// The most that an epoch may be ahead of the time, in milliseconds: ten years. Epochs follow the clocks of workers, which
/// may be wrong, and grow by one at a takeover.
const EPOCH_AHEAD_MS: u64 = 10 * 365 * 24 * 3600 * 1000;

impl Epoch {
    /// The epoch of the next owner after this one.
    pub fn next(self, unix_ms: u64) -> Self {
        Self(unix_ms.max(self.0.saturating_add(1)))
    }

    /// Whether an owner can have this epoch: it is no more than ten years ahead of the time.
    pub fn is_plausible(self, unix_ms: u64) -> bool {
        self.0 <= unix_ms.saturating_add(EPOCH_AHEAD_MS)
    }
}

/// Tells apart rooms that had the same id one after the other; 0 if there is no room.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Instance(pub u64);

impl Instance {
    /// Creates the instance of the room that the log entry with this sequence and time created. The time is part of it
    /// because the sequences of a wiped log begin at 1 again, and its rooms must not be taken for earlier ones.
    pub fn from_entry(seq: u64, time_ms: u64) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&seq.to_le_bytes());
        bytes[8..].copy_from_slice(&time_ms.to_le_bytes());
        Self(xxh3_64(&bytes).max(1))
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// A player's presence in a room from one connection. The edge draws it at random (D1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub u64);

/// An audience of a room, with its own view and version counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// The players.
    Players,
    /// The viewers.
    Spectators,
}

impl Lane {
    /// Both lanes, players first.
    pub const ALL: [Lane; 2] = [Lane::Players, Lane::Spectators];

    /// The lane's place in an array of two: 0 for players, 1 for spectators.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The lane at an [`index`](Self::index).
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }
}

/// Makes the opaque `epoch` that clients see: equal only for the same owner, room instance and lane.
pub fn client_epoch(epoch: Epoch, instance: Instance, lane: Lane) -> String {
    let lane = match lane {
        Lane::Players => 'p',
        Lane::Spectators => 's',
    };
    format!("{:x}.{:x}.{lane}", epoch.0, instance.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_names_its_game_and_its_partition() {
        let room: RoomId = "memory-42-x".parse().unwrap();
        assert_eq!(room.game(), "memory");
        assert_eq!(
            room.partition(64),
            Partition((xxh3_64(b"memory-42-x") % 64) as u16)
        );
        for (room, game) in [
            ("relay", "relay"),
            ("queue-duel", "queue-duel"),
            ("queue-duel-2", "queue-duel"),
            ("queues-2", "queues"),
        ] {
            assert_eq!(room.parse::<RoomId>().unwrap().game(), game);
        }
    }

    #[test]
    fn d17_shards_name_their_process() {
        let shard = |n| EdgeId::of_shard("edge-a", n, 0x1f).unwrap();
        assert_eq!(shard(0).as_str(), "edge-a-0-0000001f");
        assert_eq!(shard(0).process().as_str(), "edge-a-0000001f");
        assert_eq!(shard(0).process(), shard(11).process());
        let other: EdgeId = "edge-1".parse().unwrap();
        assert_eq!(other.process().as_str(), "edge-1");
        let other: EdgeId = "edge-one-two".parse().unwrap();
        assert_eq!(other.process().as_str(), "edge-one-two");
    }

    #[test]
    fn bad_names_say_why() {
        assert_eq!("".parse::<RoomId>(), Err(IdError::Empty));
        assert_eq!(
            "a".repeat(65).parse::<RoomId>(),
            Err(IdError::TooLong { max: 64 })
        );
        assert_eq!("a.b".parse::<RoomId>(), Err(IdError::Character('.')));
        assert!("a".repeat(64).parse::<RoomId>().is_ok());
        assert_eq!("a\nb".parse::<PlayerId>(), Err(IdError::Character('\n')));
        assert!("Zoë Ω".parse::<PlayerId>().is_ok());
    }

    #[test]
    fn an_epoch_grows_even_if_the_clock_does_not() {
        assert_eq!(Epoch(10).next(5), Epoch(11));
        assert_eq!(Epoch(10).next(50), Epoch(50));
    }

    #[test]
    fn d15_an_epoch_does_not_overflow_and_one_of_the_far_future_is_recognized() {
        let now = 1_700_000_000_000;
        assert_eq!(Epoch(u64::MAX).next(now), Epoch(u64::MAX));
        assert_eq!(Epoch(now + 5).next(now), Epoch(now + 6));
        assert!(Epoch(now + 24 * 3600 * 1000).is_plausible(now));
        assert!(!Epoch(u64::MAX).is_plausible(now));
        assert!(!Epoch(now * 2).is_plausible(now));
    }

    #[test]
    fn client_epochs_differ_by_owner_instance_and_lane() {
        let all = [
            client_epoch(Epoch(1), Instance(2), Lane::Players),
            client_epoch(Epoch(1), Instance(2), Lane::Spectators),
            client_epoch(Epoch(1), Instance(3), Lane::Players),
            client_epoch(Epoch(2), Instance(2), Lane::Players),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
    }

    #[test]
    fn d15_a_room_made_in_a_wiped_log_is_another_instance() {
        let first = Instance::from_entry(1, 1_767_225_600_000);
        assert_eq!(first, Instance::from_entry(1, 1_767_225_600_000));
        assert_ne!(first, Instance::from_entry(1, 1_767_225_600_001));
        assert_ne!(first, Instance::from_entry(2, 1_767_225_600_000));
    }
}
