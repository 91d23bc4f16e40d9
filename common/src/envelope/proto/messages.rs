//! The messages of `proto/grandstand.proto`. A test compares the two.

use bytes::Bytes;
use grandstand_types::data::Data;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ClientMessage {
    #[prost(uint64, optional, tag = "1")]
    pub(super) id: Option<u64>,
    #[prost(oneof = "ClientKind", tags = "2, 3, 4, 5, 6, 7")]
    pub(super) kind: Option<ClientKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum ClientKind {
    #[prost(message, tag = "2")]
    Join(Join),
    #[prost(message, tag = "3")]
    Leave(Leave),
    #[prost(message, tag = "4")]
    Input(Input),
    #[prost(message, tag = "5")]
    Live(Live),
    #[prost(message, tag = "6")]
    Ping(Ping),
    #[prost(message, tag = "7")]
    Auth(Auth),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Join {
    #[prost(string, tag = "1")]
    pub(super) room: String,
    #[prost(uint64, optional, tag = "2")]
    pub(super) since: Option<u64>,
    #[prost(string, optional, tag = "3")]
    pub(super) epoch: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub(super) role: Option<String>,
    #[prost(bytes = "bytes", optional, tag = "5")]
    pub(super) params: Option<Bytes>,
    #[prost(string, optional, tag = "6")]
    pub(super) client: Option<String>,
    #[prost(uint32, tag = "7")]
    pub(super) attempt: u32,
    #[prost(bool, tag = "8")]
    pub(super) datagrams: bool,
    #[prost(string, optional, tag = "9")]
    pub(super) token: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Leave {
    #[prost(string, tag = "1")]
    pub(super) room: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Input {
    #[prost(oneof = "Data", tags = "1, 2")]
    pub(super) data: Option<Data>,
    #[prost(string, tag = "3")]
    pub(super) room: String,
    #[prost(uint64, tag = "4")]
    pub(super) seq: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Ping {}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Auth {
    #[prost(string, tag = "1")]
    pub(super) token: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ServerMessage {
    #[prost(uint64, optional, tag = "1")]
    pub(super) id: Option<u64>,
    #[prost(
        oneof = "ServerKind",
        tags = "2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14"
    )]
    pub(super) kind: Option<ServerKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum ServerKind {
    #[prost(message, tag = "2")]
    Welcome(Welcome),
    #[prost(message, tag = "3")]
    Joined(Joined),
    #[prost(message, tag = "4")]
    Left(Left),
    #[prost(message, tag = "5")]
    Snapshot(Snapshot),
    #[prost(message, tag = "6")]
    Update(Update),
    #[prost(message, tag = "7")]
    Direct(Live),
    #[prost(message, tag = "8")]
    Live(Live),
    #[prost(message, tag = "9")]
    Ack(Ack),
    #[prost(message, tag = "10")]
    Reject(Reject),
    #[prost(message, tag = "11")]
    Presence(Presence),
    #[prost(message, tag = "12")]
    Pong(Pong),
    #[prost(message, tag = "13")]
    Notice(Notice),
    #[prost(message, tag = "14")]
    Error(Error),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Welcome {
    #[prost(string, tag = "1")]
    pub(super) connection: String,
    #[prost(string, tag = "2")]
    pub(super) edge: String,
    #[prost(uint32, tag = "3")]
    pub(super) protocol: u32,
    #[prost(uint64, tag = "4")]
    pub(super) heartbeat_ms: u64,
    #[prost(message, optional, tag = "5")]
    pub(super) limits: Option<Limits>,
    #[prost(string, repeated, tag = "6")]
    pub(super) features: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Limits {
    #[prost(uint64, tag = "1")]
    pub(super) message_bytes: u64,
    #[prost(uint64, tag = "2")]
    pub(super) rooms: u64,
    #[prost(uint64, tag = "3")]
    pub(super) window: u64,
    #[prost(uint64, tag = "4")]
    pub(super) json_depth: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Joined {
    #[prost(string, tag = "1")]
    pub(super) room: String,
    #[prost(string, tag = "2")]
    pub(super) role: String,
    #[prost(string, optional, tag = "3")]
    pub(super) instance: Option<String>,
    #[prost(uint64, optional, tag = "4")]
    pub(super) last_seq: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Left {
    #[prost(string, tag = "1")]
    pub(super) room: String,
    #[prost(string, tag = "2")]
    pub(super) code: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Snapshot {
    #[prost(oneof = "Data", tags = "1, 2")]
    pub(super) data: Option<Data>,
    #[prost(string, tag = "3")]
    pub(super) room: String,
    #[prost(string, tag = "4")]
    pub(super) epoch: String,
    #[prost(uint64, tag = "5")]
    pub(super) version: u64,
    #[prost(string, optional, tag = "6")]
    pub(super) patch: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Update {
    #[prost(oneof = "Data", tags = "1, 2")]
    pub(super) data: Option<Data>,
    #[prost(string, tag = "3")]
    pub(super) room: String,
    #[prost(uint64, tag = "4")]
    pub(super) version: u64,
    #[prost(uint64, tag = "5")]
    pub(super) prev: u64,
}

/// `Live`, and `Direct`, which has no number.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Live {
    #[prost(oneof = "Data", tags = "1, 2")]
    pub(super) data: Option<Data>,
    #[prost(string, tag = "3")]
    pub(super) room: String,
    #[prost(uint64, optional, tag = "4")]
    pub(super) n: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Ack {
    #[prost(string, tag = "1")]
    pub(super) room: String,
    #[prost(uint64, tag = "2")]
    pub(super) seq: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Reject {
    #[prost(string, tag = "1")]
    pub(super) room: String,
    #[prost(uint64, tag = "2")]
    pub(super) seq: u64,
    #[prost(string, tag = "3")]
    pub(super) code: String,
    #[prost(string, tag = "4")]
    pub(super) message: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Presence {
    #[prost(string, tag = "1")]
    pub(super) room: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) players: Vec<Player>,
    #[prost(uint64, optional, tag = "3")]
    pub(super) player_count: Option<u64>,
    #[prost(uint64, tag = "4")]
    pub(super) viewers: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Player {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(string, tag = "2")]
    pub(super) state: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Pong {
    #[prost(uint64, tag = "1")]
    pub(super) time_ms: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Notice {
    #[prost(string, tag = "1")]
    pub(super) code: String,
    #[prost(uint64, optional, tag = "2")]
    pub(super) reconnect_in_ms: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Error {
    #[prost(string, tag = "1")]
    pub(super) code: String,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(string, optional, tag = "3")]
    pub(super) room: Option<String>,
    #[prost(uint64, optional, tag = "4")]
    pub(super) seq: Option<u64>,
    #[prost(uint64, optional, tag = "5")]
    pub(super) retry_after_ms: Option<u64>,
}
