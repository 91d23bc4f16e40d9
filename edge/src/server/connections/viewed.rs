//! The answers to requests for the view of a lane.

use grandstand_common::envelope::EventHead;

use crate::codec::events::EventId;
use crate::server::connections::waiters::InputAnswer;

/// The answer to a request for the view of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Viewed {
    /// The snapshot.
    Snapshot {
        /// Its place.
        id: EventId,
        /// The message in JSON.
        text: String,
    },
    /// There is no such room, or spectators do not see it yet.
    Missing,
    /// The room has ended, with this code.
    Left(String),
    /// An error.
    Refused(InputAnswer),
}

impl Viewed {
    /// The answer that a message gives, if it is one. `snapshot` reads the view in it.
    pub(super) fn of_message(
        head: &EventHead,
        text: Option<String>,
        snapshot: impl FnOnce() -> Option<Self>,
    ) -> Option<Self> {
        match head.kind.as_str() {
            "snapshot" => snapshot(),
            "joined" if !head.has_instance => Some(Self::Missing),
            "error" => Some(Self::Refused(InputAnswer {
                kind: head.kind.clone(),
                code: head.code.clone().unwrap_or_default(),
                retry_after_ms: head.retry_after_ms,
                text: text.unwrap_or_default(),
            })),
            "left" => Some(Self::Left(head.code.clone().unwrap_or_default())),
            _ => None,
        }
    }
}
