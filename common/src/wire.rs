//! What edges and workers say to each other on the bus, as protobuf.
//!
//! Fields are only ever added: edges and workers of two builds run side by side while a deploy rolls.
//! A change that the other side must understand raises [`BUS_PROTOCOL`].
//!
//! In reading order, as data flows: [`Entry`] (edge or owner to the log), [`Live`] and [`Interest`] (edge to owner),
//! [`Batch`] (owner to edge), [`LinkRequest`] (edge to worker, after a hole in the numbers of its batches).

use crate::data::Data;

/// The version of what is below. Processes of another one refuse to join the cluster.
pub const BUS_PROTOCOL: u32 = 1;

/// One entry of a room's log, on `in.{p}.{room}`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Entry {
    /// Whose entry it is; empty for a timer.
    #[prost(string, tag = "3")]
    pub player: String,
    /// The session that it belongs to (D1); 0 for a timer.
    #[prost(fixed64, tag = "4")]
    pub session: u64,
    /// Its place in the session's chain (D2): `Joined` is 0.
    #[prost(uint64, tag = "5")]
    pub n: u64,
    /// Which go-back-N round of the edge appended it (D3), so that a gap of an earlier round is not answered twice.
    #[prost(uint32, tag = "6")]
    pub round: u32,
    /// The edge that holds the session, and gets the reports.
    #[prost(string, tag = "7")]
    pub edge: String,
    /// What happened.
    #[prost(oneof = "Body", tags = "10, 11, 12, 13, 14, 15, 16")]
    pub body: Option<Body>,
}

/// What an [`Entry`] says.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Body {
    /// A player came: opens the session, and creates the room if there is none (D5).
    #[prost(message, tag = "10")]
    Joined(Joined),
    /// The player left for good; ends the session.
    #[prost(message, tag = "11")]
    Left(Empty),
    /// The player's connection dropped; ends the session, the player may return with another.
    #[prost(message, tag = "12")]
    Lost(Empty),
    /// The session goes on after an owner's `Lost` (D6).
    #[prost(message, tag = "13")]
    Here(Empty),
    /// What a player did.
    #[prost(message, tag = "14")]
    Input(Input),
    /// A timer came due. Written by an owner.
    #[prost(message, tag = "15")]
    Timer(Timer),
    /// The edge of the session died. Written by an owner, stands outside the chain and ends nothing (D6).
    #[prost(message, tag = "16")]
    EdgeLost(Empty),
}

/// Nothing more to say.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Empty {}

/// A player came.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Joined {
    /// The page's random id; empty if the client gave none.
    #[prost(string, tag = "3")]
    pub client: String,
    /// Counted up by that page at every connect; a lower one of the same client is skipped.
    #[prost(uint32, tag = "4")]
    pub attempt: u32,
    /// 32 random bytes: the room's seed if this entry creates it.
    #[prost(bytes = "bytes", tag = "5")]
    pub seed: bytes::Bytes,
    /// `join`'s `params` as JSON, for the room's creation; empty if not given.
    #[prost(bytes = "bytes", tag = "6")]
    pub params: bytes::Bytes,
    /// The token's options for this room as JSON; empty if it has none.
    #[prost(bytes = "bytes", tag = "7")]
    pub options: bytes::Bytes,
}

/// What a player did.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Input {
    /// The player's number of it: 1, 2, 3 … across sessions.
    #[prost(uint64, tag = "3")]
    pub seq: u64,
    /// What it is, for the game.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// A timer came due.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Timer {
    /// The timer's name within the room.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Which arming of it; only the current one fires (D7).
    #[prost(uint64, tag = "4")]
    pub arming: u64,
}

/// A live message, on `live.{p}`: lossy, not logged.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Live {
    /// The room.
    #[prost(string, tag = "3")]
    pub room: String,
    /// The session that it comes from; skipped if it is not the player's current one.
    #[prost(fixed64, tag = "4")]
    pub session: u64,
    /// Who sends it.
    #[prost(string, tag = "5")]
    pub player: String,
    /// What it is, for the game.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// Which rooms of a partition an edge watches: a request on `ctl.{p}`, answered with [`InterestReply`].
///
/// What the edge lacks does not come in the answer but, in order, on its link (`edge.{edge}`).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Interest {
    /// The edge.
    #[prost(string, tag = "3")]
    pub edge: String,
    /// Rooms of this partition that are not named are not watched.
    #[prost(bool, tag = "4")]
    pub digest: bool,
    /// The rooms.
    #[prost(message, repeated, tag = "5")]
    pub rooms: Vec<RoomInterest>,
}

/// What an edge wants of one room. A lane that is absent is not watched (any more).
#[derive(Clone, PartialEq, prost::Message)]
pub struct RoomInterest {
    /// The room.
    #[prost(string, tag = "3")]
    pub room: String,
    /// The players' lane, with what the edge has of it.
    #[prost(message, optional, tag = "4")]
    pub players: Option<Known>,
    /// The spectators' lane, with what the edge has of it.
    #[prost(message, optional, tag = "5")]
    pub spectators: Option<Known>,
    /// How many spectators it has.
    #[prost(uint32, tag = "6")]
    pub viewers: u32,
    /// The sessions whose chains it keeps for this room.
    #[prost(fixed64, repeated, tag = "7")]
    pub sessions: Vec<u64>,
    /// Answer on the link with what the edge lacks: per lane updates or a snapshot, per session `Direct`, `Rejected`,
    /// and `Processed` or `Gone`, and the presence; `Absent` if there is no such room.
    #[prost(bool, tag = "8")]
    pub sync: bool,
    /// The sessions whose `Joined` was not reported yet. A connected player of this edge whose session is neither here
    /// nor there has nobody behind it (D6).
    #[prost(fixed64, repeated, tag = "9")]
    pub joining: Vec<u64>,
    /// The stream from which it has received something on `hot.{room}`; 0 if none.
    #[prost(uint64, tag = "10")]
    pub hot: u64,
    /// It is subscribed to `hot.{room}`.
    #[prost(bool, tag = "11")]
    pub subscribed: bool,
}

/// What an edge has of a lane: all 0 if nothing.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Known {
    /// The owner's epoch that it is of.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
    /// The room's instance that it is of.
    #[prost(uint64, tag = "4")]
    pub instance: u64,
    /// The last version that it has.
    #[prost(uint64, tag = "5")]
    pub version: u64,
}

/// An owner's answer to [`Interest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct InterestReply {
    /// The worker that owns the partition.
    #[prost(string, tag = "3")]
    pub worker: String,
    /// Its epoch.
    #[prost(uint64, tag = "4")]
    pub epoch: u64,
    /// The number of the last batch that the worker sent to this edge, the one that answers this request included.
    #[prost(uint64, tag = "5")]
    pub number: u64,
}

/// All that a worker has for an edge after one turn of its loop, on `edge.{edge}`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Batch {
    /// The worker.
    #[prost(string, tag = "3")]
    pub worker: String,
    /// 1, 2, 3 … per worker and edge (D19). A beat repeats the last one (0 before the first).
    #[prost(uint64, tag = "4")]
    pub number: u64,
    /// This batch has no rooms and only says what the last number is.
    #[prost(bool, tag = "5")]
    pub beat: bool,
    /// What happened in each room.
    #[prost(message, repeated, tag = "6")]
    pub rooms: Vec<RoomBatch>,
}

/// What happened in one room, in order.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RoomBatch {
    /// The room.
    #[prost(string, tag = "3")]
    pub room: String,
    /// The epoch of its partition's owner. Edges drop what is of an older one than they have seen (D15).
    #[prost(uint64, tag = "4")]
    pub epoch: u64,
    /// The room's instance; 0 if there is no such room.
    #[prost(uint64, tag = "5")]
    pub instance: u64,
    /// What happened.
    #[prost(message, repeated, tag = "6")]
    pub items: Vec<Item>,
    /// On `hot.{room}`: the room's stream of which these items are; 0 elsewhere.
    #[prost(uint64, tag = "7")]
    pub stream: u64,
    /// On `hot.{room}`: the number of the first item; without items (a beat) that of the one that will come next.
    #[prost(uint64, tag = "8")]
    pub first: u64,
}

/// One thing that happened in a room.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Item {
    /// What.
    #[prost(
        oneof = "ItemKind",
        tags = "3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15"
    )]
    pub kind: Option<ItemKind>,
}

/// What an [`Item`] says.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ItemKind {
    /// The whole view of a lane.
    #[prost(message, tag = "3")]
    Snapshot(Snapshot),
    /// A change of one or both lanes' views.
    #[prost(message, tag = "4")]
    Update(Update),
    /// What only one player may see; the latest replaces the one before.
    #[prost(message, tag = "5")]
    Direct(Direct),
    /// An input was refused by the game. Comes before the `Processed` that covers it (D4).
    #[prost(message, tag = "6")]
    Rejected(Rejected),
    /// A session's entries were processed, and so are durable (D4).
    #[prost(message, tag = "7")]
    Processed(Processed),
    /// A session's `Joined` was refused: there is no session.
    #[prost(message, tag = "8")]
    Refused(Refused),
    /// A session is not (or no longer) the owner's: drop its window.
    #[prost(message, tag = "9")]
    Gone(Gone),
    /// A lossy message.
    #[prost(message, tag = "10")]
    LiveOut(LiveOut),
    /// Who is there.
    #[prost(message, tag = "11")]
    Presence(Presence),
    /// There is no such room (yet): an answer to a watch.
    #[prost(message, tag = "12")]
    Absent(Empty),
    /// The room is over and deleted, or cannot be had: everybody in it leaves.
    #[prost(message, tag = "13")]
    Closed(Closed),
    /// All that the edge lacked of the room has come: the end of the answer to a [`RoomInterest::sync`]. Until then, after a
    /// hole or a change of owner, a `Processed` may cover a `Rejected` that the edge has not got (D4).
    #[prost(message, tag = "14")]
    Synced(Empty),
    /// How this edge is sent what all edges are sent that watch the room (D22).
    #[prost(message, tag = "15")]
    Hot(Hot),
}

/// How an edge is sent what all edges are sent that watch a room, from here on.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Hot {
    /// The room's stream on `hot.{room}`; 0 if the room is not hot.
    #[prost(uint64, tag = "3")]
    pub stream: u64,
    /// The number of the stream's next item.
    #[prost(uint64, tag = "4")]
    pub next: u64,
    /// Where the edge gets what follows.
    #[prost(enumeration = "HotWay", tag = "5")]
    pub way: i32,
}

/// Where an edge gets what all edges are sent that watch a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum HotWay {
    /// On its own subject alone: the room is not hot (any more).
    Direct = 0,
    /// On both: it is to subscribe to `hot.{room}`, and to say so when it has received something there.
    Both = 1,
    /// On `hot.{room}` alone, from [`Hot::next`] on.
    Hot = 2,
}

/// The whole view of a lane.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Snapshot {
    /// [`Lane::index`](crate::id::Lane::index).
    #[prost(uint32, tag = "3")]
    pub lane: u32,
    /// The version that it shows.
    #[prost(uint64, tag = "4")]
    pub version: u64,
    /// The lane's class of service from here on: how often a second its members are sent something, at most; 0 for
    /// as often as there is something.
    #[prost(uint32, tag = "5")]
    pub max_rate_hz: u32,
    /// How many milliseconds later than it happens its members are shown anything.
    #[prost(uint32, tag = "6")]
    pub delay_ms: u32,
    /// The view.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// A change of a lane's view. Its `prev` is always `version - 1`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Update {
    /// The players' lane's new version; 0 if it is not for that lane.
    #[prost(uint64, tag = "3")]
    pub players: u64,
    /// The spectators' lane's new version; 0 if it is not for that lane.
    #[prost(uint64, tag = "4")]
    pub spectators: u64,
    /// Of updates with the same key the latest suffices; empty if each is needed.
    #[prost(string, tag = "5")]
    pub key: String,
    /// The change.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// What only one player may see.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Direct {
    /// The player's session.
    #[prost(fixed64, tag = "3")]
    pub session: u64,
    /// What it is.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// An input was refused by the game.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Rejected {
    /// The player's session.
    #[prost(fixed64, tag = "3")]
    pub session: u64,
    /// The input.
    #[prost(uint64, tag = "4")]
    pub seq: u64,
    /// Why, for the program.
    #[prost(string, tag = "5")]
    pub code: String,
    /// Why, for people.
    #[prost(string, tag = "6")]
    pub message: String,
}

/// A session's entries were processed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Processed {
    /// The session.
    #[prost(fixed64, tag = "3")]
    pub session: u64,
    /// All entries of its chain up to this one.
    #[prost(uint64, tag = "4")]
    pub n: u64,
    /// The player's last processed input.
    #[prost(uint64, tag = "5")]
    pub last_seq: u64,
    /// An entry came whose predecessor is missing: the round that it was of. The edge goes back to `n + 1` (D3).
    #[prost(uint32, optional, tag = "6")]
    pub gap: Option<u32>,
    /// The owner took the edge for dead (D6): append `Here` if the player is there.
    #[prost(bool, tag = "7")]
    pub lost: bool,
    /// No entry of this session counts any more, its own last one ended it.
    #[prost(bool, tag = "8")]
    pub ended: bool,
}

/// A session's `Joined` was refused.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Refused {
    /// The session that was asked for.
    #[prost(fixed64, tag = "3")]
    pub session: u64,
    /// Why: an error code of the client protocol, or the game's own.
    #[prost(string, tag = "4")]
    pub code: String,
    /// Why, for people.
    #[prost(string, tag = "5")]
    pub message: String,
}

/// A session does not count any more.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Gone {
    /// The session.
    #[prost(fixed64, tag = "3")]
    pub session: u64,
    /// `replaced`, or why else.
    #[prost(string, tag = "4")]
    pub code: String,
    /// The entry that it answers, if it is one behind `Joined`: a session whose `Joined` was not reported yet may still
    /// have it repeated, in a new round (D3).
    #[prost(uint64, tag = "5")]
    pub n: u64,
    /// That entry's round.
    #[prost(uint32, tag = "6")]
    pub round: u32,
}

/// A lossy message to a lane, both, or one session.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LiveOut {
    /// For the players' lane.
    #[prost(bool, tag = "3")]
    pub players: bool,
    /// For the spectators' lane.
    #[prost(bool, tag = "4")]
    pub spectators: bool,
    /// For this session alone; 0 if not.
    #[prost(fixed64, tag = "5")]
    pub session: u64,
    /// Not for this session: its sender. 0 if there is none.
    #[prost(fixed64, tag = "6")]
    pub except: u64,
    /// What it is.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// Who is in a room. Sent at most twice a second.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Presence {
    /// The players, if there are at most 64.
    #[prost(message, repeated, tag = "3")]
    pub players: Vec<PlayerPresence>,
    /// How many players there are.
    #[prost(uint32, tag = "4")]
    pub count: u32,
    /// How many spectators there are, on all edges.
    #[prost(uint64, tag = "5")]
    pub viewers: u64,
}

/// One player's presence.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PlayerPresence {
    /// Who.
    #[prost(string, tag = "3")]
    pub id: String,
    /// Whether the player's connection has dropped.
    #[prost(bool, tag = "4")]
    pub lost: bool,
}

/// The room is gone.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Closed {
    /// Why: `finished`, or an error code of the client protocol (`no_such_game`, `room_unavailable`).
    #[prost(string, tag = "3")]
    pub code: String,
}

/// An edge saw a hole in a worker's numbers: which rooms were in `from..=to`? A request on `worker.{id}.link`.
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

/// The answer to a [`LinkRequest`]. The edge then asks for those rooms with [`RoomInterest::sync`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct LinkReply {
    /// The worker remembers no more: it may have been any of its rooms.
    #[prost(bool, tag = "3")]
    pub all: bool,
    /// The rooms that were in the missing batches.
    #[prost(string, repeated, tag = "4")]
    pub rooms: Vec<String>,
}
