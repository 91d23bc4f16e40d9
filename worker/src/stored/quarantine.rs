//! The stored records of rooms that do not run: those in quarantine (D14), and those that are too new for a worker (D34).

use grandstand_common::error::ErrorKind;
use grandstand_common::id::Epoch;
use serde::{Deserialize, Serialize};

/// The record of a room that does not run, in bucket `quarantine` under key `{p}.{room}`. The room's snapshot and log stay
/// unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineRecord {
    /// The epoch of the owner that wrote the record.
    pub epoch: Epoch,
    /// The build that could not run the room. Another build runs a room in quarantine again.
    pub build: String,
    /// The first entry of the room's log that its snapshot does not cover.
    pub seq: u64,
    /// The error code that clients receive: `room_unavailable` or `room_too_big`.
    pub code: String,
    /// The reason of a quarantine, for operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The version of the game that the room needs, if it is not in quarantine but too new for the build. A build with this
    /// version runs it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}

/// The reason why a room is in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuarantineReason {
    /// The game panics, or the room's snapshot cannot be written or read.
    Unavailable,
    /// The room's state or an item that it sends exceeds its limit.
    TooBig,
}

impl QuarantineReason {
    /// Returns the error code that clients receive.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Unavailable => ErrorKind::RoomUnavailable.code(),
            Self::TooBig => ErrorKind::RoomTooBig.code(),
        }
    }

    /// Returns the reason with this code, or `Unavailable` if the code is unknown.
    pub(crate) fn from_code(code: &str) -> Self {
        if code == ErrorKind::RoomTooBig.code() {
            Self::TooBig
        } else {
            Self::Unavailable
        }
    }
}
