//! The core's commands to the bus.

use bytes::Bytes;
use grandstand_common::id::{Epoch, Partition, RoomId};

use super::ids::RoomKey;

/// A command to the bus. The shard executes commands in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Appends an entry to the log. The result goes to [`Core::handle_appended`](crate::core::Core::handle_appended).
    Append {
        /// The subject.
        subject: String,
        /// The partition of the log.
        partition: Partition,
        /// The encoded message.
        payload: Bytes,
        /// Returned with the result.
        tag: AppendTag,
    },
    /// Sends a request to a partition's owner (`ctl`). The reply goes to
    /// [`Core::handle_interest_reply`](crate::core::Core::handle_interest_reply).
    Interest {
        /// The subject.
        subject: String,
        /// The encoded message.
        payload: Bytes,
        /// Returned with the reply.
        tag: InterestTag,
    },
    /// Asks a worker which rooms the missing batches of its link were about. The reply goes to
    /// [`Core::handle_link_reply`](crate::core::Core::handle_link_reply).
    Link {
        /// The subject.
        subject: String,
        /// The encoded message.
        payload: Bytes,
        /// The worker's id, returned with the reply.
        worker: String,
        /// The last missing number, returned with the reply.
        to: u64,
    },
    /// Subscribes to `hot.{room}`. Its messages go to [`Core::handle_hot`](crate::core::Core::handle_hot).
    Subscribe {
        /// The room.
        room: RoomId,
    },
    /// Ends the subscription to `hot.{room}`.
    Unsubscribe {
        /// The room.
        room: RoomId,
    },
    /// Publishes a message without a reply.
    Publish {
        /// The subject.
        subject: String,
        /// The encoded message.
        payload: Bytes,
    },
}

/// Identifies an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendTag {
    /// The room.
    pub room: RoomKey,
    /// The session.
    pub session: u64,
    /// The entry's number in its chain.
    pub n: u64,
    /// The round of the chain.
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
