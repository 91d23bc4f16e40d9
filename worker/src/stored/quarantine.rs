//! Rooms that cannot be loaded or run (D14).

use grandstand_common::error::ErrorKind;
use grandstand_common::id::Epoch;
use serde::{Deserialize, Serialize};

/// A room in quarantine: bucket `quarantine`, key `{p}.{room}`. Its snapshot and its log stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineRecord {
    /// The owner that put it there.
    pub epoch: Epoch,
    /// The build that could not run it; another one tries once more.
    pub build: String,
    /// The first sequence of its log that its snapshot does not cover.
    pub seq: u64,
    /// `room_unavailable` or `room_too_big`: what its clients get.
    pub code: String,
}

/// Why a room goes to quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuarantineReason {
    /// Its game panicked again, or its snapshot cannot be read.
    Unavailable,
    /// Its state or what it sends passes the limit.
    TooBig,
}

impl QuarantineReason {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Unavailable => ErrorKind::RoomUnavailable.code(),
            Self::TooBig => ErrorKind::RoomTooBig.code(),
        }
    }

    /// The reason with this code; an unknown code counts as `room_unavailable`.
    pub(crate) fn from_code(code: &str) -> Self {
        if code == ErrorKind::RoomTooBig.code() {
            Self::TooBig
        } else {
            Self::Unavailable
        }
    }
}
