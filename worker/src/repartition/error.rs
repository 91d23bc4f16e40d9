//! The reasons why rooms cannot be moved to other partitions.

use grandstand_common::bus::{AppendError, BusError, ConnectError, PublishError, PutError};
use grandstand_common::exit::{Exit, ExitError};
use grandstand_common::layout::Layout;

/// The reason why rooms cannot be moved to other partitions. Nothing is lost by any of these.
#[derive(Debug, thiserror::Error)]
pub enum RepartitionError {
    /// The bus is not NATS.
    #[error(
        "the folder of `grandstand dev --data` keeps its partitions; name a NATS server with --nats"
    )]
    Embedded,
    /// The numbers are out of range.
    #[error(
        "{} partitions and {} streams are not possible: use 1 to {} partitions, and 1 to as many streams",
        .0.partitions, .0.streams, Layout::MAX_PARTITIONS
    )]
    Numbers(Layout),
    /// The cluster's record is missing or cannot be read.
    #[error("the cluster's record (bucket cluster, key settings) is missing or cannot be read")]
    Record,
    /// A stored record cannot be read.
    #[error(
        "the record with the key {key} of the bucket {bucket} cannot be read ({cause}): restore it from a backup, then \
         run this command again, or go back with --abort"
    )]
    Unreadable {
        /// The bucket.
        bucket: &'static str,
        /// The key.
        key: String,
        /// The cause.
        cause: serde_json::Error,
    },
    /// A record cannot be encoded.
    #[error("{what} cannot be encoded: {cause}")]
    Encode {
        /// The key.
        what: String,
        /// The cause.
        cause: serde_json::Error,
    },
    /// Another process has changed the cluster's record, or NATS came back with an older one.
    #[error(
        "the cluster's record has changed: is `cluster repartition` running twice, or did NATS come back with an older state? \
         Run it once more"
    )]
    Changed,
    /// A move to other numbers is under way.
    #[error(
        "a move to {} partitions in {} streams is under way: continue it with these numbers, or undo it with --abort",
        next.partitions, next.streams
    )]
    OtherUnderWay {
        /// The layout to which rooms are being moved.
        next: Layout,
    },
    /// No move is under way.
    #[error(
        "no move is under way: the cluster has {} partitions in {} streams",
        layout.partitions, layout.streams
    )]
    NotUnderWay {
        /// The cluster's layout.
        layout: Layout,
    },
    /// A worker is of a build that does not follow a change of the layout.
    #[error(
        "worker {worker} (build {build}) does not follow a change of partitions: upgrade all workers and edges first"
    )]
    OldWorker {
        /// The worker.
        worker: String,
        /// Its build.
        build: String,
    },
    /// A worker has taken a partition of the former layout again.
    #[error(
        "a worker has taken partition {partition} although it was released for good: end all workers of older builds, \
         then run this command again"
    )]
    TakenAgain {
        /// The partition.
        partition: u16,
    },
    /// NATS does not permit the move.
    #[error(transparent)]
    Permissions(#[from] ConnectError),
    /// The bus does not answer.
    #[error("NATS: {0}; run this command again to continue")]
    Bus(#[from] BusError),
    /// A value cannot be stored.
    #[error("NATS does not store {what}: {cause}; run this command again to continue")]
    Put {
        /// The key.
        what: String,
        /// The cause.
        cause: PutError,
    },
    /// An entry cannot be stored.
    #[error("NATS does not store an entry of {room}: {cause}; run this command again to continue")]
    Append {
        /// The room.
        room: String,
        /// The cause.
        cause: AppendError,
    },
    /// An entry cannot be sent.
    #[error("an entry cannot be sent to NATS: {0}; run this command again to continue")]
    Send(#[from] PublishError),
}

impl ExitError for RepartitionError {
    fn exit(&self) -> Exit {
        match self {
            Self::Embedded | Self::Numbers(_) | Self::NotUnderWay { .. } => Exit::Usage,
            Self::OtherUnderWay { .. } => Exit::Usage,
            Self::Record | Self::Unreadable { .. } => Exit::Damaged,
            Self::Encode { .. } => Exit::Internal,
            Self::Permissions(error) => error.exit(),
            Self::Changed | Self::OldWorker { .. } | Self::TakenAgain { .. } => Exit::Unavailable,
            Self::Bus(_) | Self::Put { .. } | Self::Append { .. } | Self::Send(_) => {
                Exit::Unavailable
            }
        }
    }
}
