//! Requests of operators to the owners of partitions.

use bytes::Bytes;

/// A request of an operator on `ctl.{p}`, answered with [`OperatorReply`]. It shares no field with an
/// [`Interest`](super::Interest), so that a worker that does not know it takes it for one without an edge, and ignores it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OperatorRequest {
    /// The wish of the operator.
    #[prost(oneof = "OperatorWant", tags = "11, 12, 13, 14")]
    pub want: Option<OperatorWant>,
}

/// A wish of an operator, for a partition.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum OperatorWant {
    /// A page of the partition's rooms.
    #[prost(message, tag = "11")]
    List(ListPage),
    /// A room.
    #[prost(string, tag = "12")]
    Show(String),
    /// Runs a room in quarantine again.
    #[prost(string, tag = "13")]
    Retry(String),
    /// Deletes a room that does not run.
    #[prost(string, tag = "14")]
    Drop(String),
}

/// A page of rooms.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ListPage {
    /// The slot to begin with, from the answer before.
    #[prost(uint64, tag = "3")]
    pub from: u64,
    /// The most rooms.
    #[prost(uint32, tag = "4")]
    pub limit: u32,
}

/// An owner's answer to an [`OperatorRequest`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OperatorReply {
    /// The code of the reason why the owner does not do it; empty if it does.
    #[prost(string, tag = "3")]
    pub code: String,
    /// The reason in words.
    #[prost(string, tag = "4")]
    pub message: String,
    /// The rooms as JSON, of a list or a single one.
    #[prost(bytes = "bytes", repeated, tag = "5")]
    pub rooms: Vec<Bytes>,
    /// The slot from which the list goes on; 0 at its end.
    #[prost(uint64, tag = "6")]
    pub next: u64,
}

impl OperatorReply {
    /// The answer of an owner that does not do it.
    pub fn refused(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::wire::Interest;

    #[test]
    fn a_request_of_an_operator_is_an_interest_without_an_edge_to_others() {
        let want = OperatorWant::Show("memory-42".to_owned());
        let request = OperatorRequest { want: Some(want) };
        let bytes = request.encode_to_vec();
        assert_eq!(Interest::decode(&bytes[..]).unwrap(), Interest::default());
        assert_eq!(OperatorRequest::decode(&bytes[..]).unwrap(), request);
    }
}
