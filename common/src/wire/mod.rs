//! What edges and workers say to each other on the bus, as protobuf.
//!
//! Fields are only ever added: edges and workers of two builds run side by side while a deploy rolls.
//! A change that the other side must understand raises [`BUS_PROTOCOL`].
//!
//! In reading order, as data flows: [`Entry`] (edge or owner to the log), [`Live`] and [`Interest`] (edge to owner),
//! [`Batch`] (owner to edge), [`LinkRequest`] (edge to worker, after a hole in the numbers of its batches).

mod entry;

mod interest;

mod batch;

mod item;

mod link;

pub use batch::{Batch, Hot, HotWay, Item, ItemKind, RoomBatch};
pub use entry::{Body, Empty, Entry, Input, Joined, Timer};
pub use interest::{Interest, InterestReply, Known, Live, RoomInterest};
pub use item::{
    Closed, Direct, Gone, LiveOut, PlayerPresence, Presence, Processed, Refused, Rejected,
    Snapshot, Update,
};
pub use link::{LinkReply, LinkRequest};

/// The version of these messages. Processes of another one refuse to join the cluster.
pub const BUS_PROTOCOL: u32 = 1;
