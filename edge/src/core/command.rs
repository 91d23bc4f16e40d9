//! What the core asks of the bus.

use bytes::Bytes;
use grandstand_common::id::{Epoch, Partition, RoomId};

use super::ids::RoomKey;

/// What the core wants of the bus. Executed in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Append to the log; answered by [`Core::handle_appended`](crate::core::Core::handle_appended).
    Append {
        /// Where.
        subject: String,
        /// What.
        payload: Bytes,
        /// Goes into the answer.
        tag: AppendTag,
    },
    /// Ask a partition's owner (`ctl`); answered by [`Core::handle_interest_reply`](crate::core::Core::handle_interest_reply).
    Interest {
        /// Where.
        subject: String,
        /// What.
        payload: Bytes,
        /// Goes into the answer.
        tag: InterestTag,
    },
    /// Ask a worker what a hole in its numbers was; answered by [`Core::handle_link_reply`](crate::core::Core::handle_link_reply).
    Link {
        /// Where.
        subject: String,
        /// What.
        payload: Bytes,
        /// Goes into the answer.
        worker: String,
        /// Goes into the answer: the last missing number.
        to: u64,
    },
    /// Receive `hot.{room}`: [`Core::handle_hot`](crate::core::Core::handle_hot).
    Subscribe {
        /// The room.
        room: RoomId,
    },
    /// Receive it no more.
    Unsubscribe {
        /// The room.
        room: RoomId,
    },
    /// Publish, and forget.
    Publish {
        /// Where.
        subject: String,
        /// What.
        payload: Bytes,
    },
}

/// Tells an append from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendTag {
    /// The room.
    pub room: RoomKey,
    /// The session.
    pub session: u64,
    /// The entry's place in its chain.
    pub n: u64,
    /// The round in which it was appended.
    pub round: u32,
}

/// Identifies a request to a partition's owner. Replies from earlier owners are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterestTag {
    /// The partition.
    pub partition: Partition,
    /// Its owner's epoch.
    pub epoch: Epoch,
}
