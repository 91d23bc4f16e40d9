//! Bus messages between edges and workers, as protobuf.
//!
//! Fields are only ever added, because edges and workers of two builds run side by side during a rolling deploy. A
//! change that the other side must understand raises [`BUS_PROTOCOL`].
//!
//! In reading order, along the data flow: [`Entry`] (edge or owner to the log), [`Live`] and [`Interest`] (edge to
//! owner), [`Batch`] (owner to edge), [`LinkRequest`] (edge to worker, after a gap in the numbers of its batches),
//! [`PushRequest`] (edge to edge), [`Emitted`] and [`Called`] (owner to the world outside, as JSON),
//! [`OperatorRequest`] (operator to owner).

mod entry;

mod interest;

mod batch;

mod item;

mod link;

mod api;

mod emitted;

mod operator;

pub use api::{PushReply, PushRequest};
pub use batch::{Batch, Hot, HotSubjects, Item, ItemKind, RoomBatch, Synced};
pub use emitted::{Called, Emitted};
pub use entry::{
    Answer, Arrival, Began, Body, BotInput, CallFailure, Commit, Create, Empty, Entry, Input,
    Joined, Kick, RoomMessage, Timer, is_code,
};
pub use interest::{Interest, InterestReply, Known, Live, RoomInterest};
pub use item::{
    Closed, Direct, Gone, LiveOut, PlayerPresence, Presence, Processed, Refused, Rejected,
    Snapshot, Update,
};
pub use link::{LinkReply, LinkRequest};
pub use operator::{ListPage, OperatorReply, OperatorRequest, OperatorWant};

/// The version of these messages. Processes with another version refuse to join the cluster.
pub const BUS_PROTOCOL: u32 = 1;
