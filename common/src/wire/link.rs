//! Repair of the link from a worker, or one of its loops, to an edge (D19).

/// Asks which rooms were in the missing batches `from..=to` of a sender. A request on `worker.{sender}.link`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LinkRequest {
    /// The edge.
    #[prost(string, tag = "3")]
    pub edge: String,
    /// The first missing number.
    #[prost(uint64, tag = "4")]
    pub from: u64,
    /// The last missing number.
    #[prost(uint64, tag = "5")]
    pub to: u64,
}

/// The answer to a [`LinkRequest`]. The edge then asks for those rooms with
/// [`RoomInterest::sync`](super::RoomInterest::sync).
#[derive(Clone, PartialEq, prost::Message)]
pub struct LinkReply {
    /// The worker no longer remembers: it may have been any of its rooms.
    #[prost(bool, tag = "3")]
    pub all: bool,
    /// The rooms in the missing batches.
    #[prost(string, repeated, tag = "4")]
    pub rooms: Vec<String>,
}
