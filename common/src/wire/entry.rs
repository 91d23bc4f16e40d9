//! Entries of a room's log, appended by edges and owners.

use grandstand_types::data::Data;

/// One entry of a room's log, on `in.{p}.{room}`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Entry {
    /// The player of the entry; empty for a timer, and for what comes from outside of the room.
    #[prost(string, tag = "3")]
    pub player: String,
    /// The entry's session (D1); 0 for entries without a player.
    #[prost(fixed64, tag = "4")]
    pub session: u64,
    /// The entry's place in the session's chain (D2); `Joined` is 0.
    #[prost(uint64, tag = "5")]
    pub n: u64,
    /// The go-back-N round in which the edge appended it (D3), so that a gap of an earlier round is not answered twice.
    #[prost(uint32, tag = "6")]
    pub round: u32,
    /// The edge that holds the session and gets its reports.
    #[prost(string, tag = "7")]
    pub edge: String,
    /// The time at which an earlier log stored the entry, in Unix milliseconds, if it was copied from there (D33); else
    /// 0.
    #[prost(uint64, tag = "8")]
    pub logged_ms: u64,
    /// The event.
    #[prost(
        oneof = "Body",
        tags = "10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25"
    )]
    pub body: Option<Body>,
}

/// The content of an [`Entry`].
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Body {
    /// A player joined. Opens the session, and creates the room if it does not exist (D5).
    #[prost(message, tag = "10")]
    Joined(Joined),
    /// The player left for good. Ends the session.
    #[prost(message, tag = "11")]
    Left(Empty),
    /// The player's connection dropped. Ends the session; the player may return with another.
    #[prost(message, tag = "12")]
    Lost(Empty),
    /// The session continues after an owner's `Lost` (D6).
    #[prost(message, tag = "13")]
    Here(Empty),
    /// An input of a player.
    #[prost(message, tag = "14")]
    Input(Input),
    /// A timer is due. Written by an owner.
    #[prost(message, tag = "15")]
    Timer(Timer),
    /// The session's edge died. Written by an owner; it is not part of the chain and ends nothing (D6).
    #[prost(message, tag = "16")]
    EdgeLost(Empty),
    /// An operator or a service takes a player out of the room. Workers of older builds skip this and the following
    /// bodies: they name no player in the entry.
    #[prost(message, tag = "17")]
    Kick(Kick),
    /// An operator ends the room.
    #[prost(message, tag = "18")]
    Close(Empty),
    /// A message from another room, a service or an operator.
    #[prost(message, tag = "19")]
    Message(RoomMessage),
    /// The answer to a call. Workers of older builds skip it.
    #[prost(message, tag = "20")]
    Answer(Answer),
    /// An owner is about to move the world of a room in real time.
    #[prost(message, tag = "22")]
    Began(Began),
    /// The world of a room in real time changes the room's state.
    #[prost(message, tag = "23")]
    Commit(Commit),
    /// A service creates the room, if it does not exist. Workers of older builds skip it.
    #[prost(message, tag = "24")]
    Create(Create),
    /// An input of a bot. Written by an owner. Workers of older builds skip it.
    #[prost(message, tag = "25")]
    BotInput(BotInput),
}

impl Body {
    /// Whether the entry is part of a session's chain: written by the edge that holds the session, with a number (D3).
    pub fn is_chained(&self) -> bool {
        matches!(
            self,
            Self::Joined(_) | Self::Left(_) | Self::Lost(_) | Self::Here(_) | Self::Input(_)
        )
    }
}

impl From<Body> for Entry {
    /// The entry of a body that belongs to no session.
    fn from(body: Body) -> Self {
        Self {
            body: Some(body),
            ..Self::default()
        }
    }
}

/// An empty message.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Empty {}

/// Creates the room without a player.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Create {
    /// 32 random bytes: the room's seed.
    #[prost(bytes = "bytes", tag = "3")]
    pub seed: bytes::Bytes,
    /// The params for the game as JSON; empty if not given.
    #[prost(bytes = "bytes", tag = "4")]
    pub params: bytes::Bytes,
}

/// A player joined.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Joined {
    /// The page's random id; empty if the client gave none.
    #[prost(string, tag = "3")]
    pub client: String,
    /// The number of times that this page has connected. A lower number of the same client is skipped.
    #[prost(uint32, tag = "4")]
    pub attempt: u32,
    /// 32 random bytes: the room's seed if this entry creates it.
    #[prost(bytes = "bytes", tag = "5")]
    pub seed: bytes::Bytes,
    /// `join`'s `params` as JSON, for the room's creation; empty if not given.
    #[prost(bytes = "bytes", tag = "6")]
    pub params: bytes::Bytes,
    /// The token's options for this room as JSON; empty if there are none.
    #[prost(bytes = "bytes", tag = "7")]
    pub options: bytes::Bytes,
}

/// An input of a player.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Input {
    /// The player's number of the input: 1, 2, 3 … across sessions.
    #[prost(uint64, tag = "3")]
    pub seq: u64,
    /// Data for the game.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
    /// The code with which the edge refused the input. Its data is missing, and the game does not get it. Empty for
    /// all other inputs.
    #[prost(string, tag = "4")]
    pub refused: String,
    /// The arrival at the edge, for metrics and traces. Rooms do not see it, and a replay ignores it. `None` from edges of
    /// older builds.
    #[prost(message, optional, tag = "5")]
    pub arrival: Option<Arrival>,
}

/// The arrival of an input at an edge. The owner passes it on with the updates that the input causes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Arrival {
    /// The time by the edge's wall clock, in Unix microseconds.
    #[prost(fixed64, tag = "3")]
    pub at_us: u64,
    /// The `traceparent` of W3C Trace Context, if the input is traced; else empty.
    #[prost(string, tag = "4")]
    pub traceparent: String,
}

/// A timer is due.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Timer {
    /// The timer's name within the room.
    #[prost(string, tag = "3")]
    pub name: String,
    /// The number of the timer's arming. Only the current one fires (D7).
    #[prost(uint64, tag = "4")]
    pub arming: u64,
}

/// Takes a player out of the room.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Kick {
    /// The player.
    #[prost(string, tag = "3")]
    pub player: String,
    /// The reason, which the client gets with `left`: a [code](super::is_code).
    #[prost(string, tag = "4")]
    pub code: String,
}

/// A message to the game of a room.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RoomMessage {
    /// The id. A room drops a message whose id it has seen. That of a room's message is `{instance}.{number}`.
    #[prost(string, tag = "3")]
    pub id: String,
    /// The room that sent it; empty if another one sent it.
    #[prost(string, tag = "4")]
    pub room: String,
    /// The name of the service that sent it; empty if a room or an operator sent it.
    #[prost(string, tag = "5")]
    pub service: String,
    /// The topic, for the game.
    #[prost(string, tag = "6")]
    pub topic: String,
    /// Data for the game.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// The answer to a call of a game. It counts if the call is open.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Answer {
    /// The id of the call: `{instance}.{number}`.
    #[prost(string, tag = "3")]
    pub call: String,
    /// The answer as JSON, if there is one.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
    /// The status of HTTP with which the call failed; 0 if it did not fail by one.
    #[prost(uint32, tag = "4")]
    pub status: u32,
    /// The reason why there is neither, a [`CallFailure`]. Numbers of later builds count as `Unavailable`.
    #[prost(uint32, tag = "5")]
    pub failure: u32,
}

/// The reason why a call has no answer and no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFailure {
    /// No answer came in time.
    Timeout = 1,
    /// No endpoint of this name is configured.
    NoEndpoint = 2,
    /// The endpoint is unavailable.
    Unavailable = 3,
    /// The answer cannot be used.
    BadAnswer = 4,
}

/// An owner is about to move the world of a room in real time. Commits of earlier owners count no longer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Began {
    /// The owner's epoch.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
}

/// Changes that a world makes to the state of its room. They count once: if the owner with this epoch began last, and the
/// number is the next.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Commit {
    /// The owner's epoch.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
    /// The owner's number of the entry in this room: 1, 2, 3 …
    #[prost(uint64, tag = "4")]
    pub no: u64,
    /// The last tick before.
    #[prost(uint64, tag = "5")]
    pub tick: u64,
    /// The changes as JSON, in order.
    #[prost(bytes = "bytes", repeated, tag = "6")]
    pub changes: Vec<bytes::Bytes>,
    /// The version of the game that made the world.
    #[prost(uint32, tag = "7")]
    pub version: u32,
    /// The world after that tick, as JSON; empty if worlds of this game are not stored.
    #[prost(bytes = "bytes", tag = "8")]
    pub world: bytes::Bytes,
}

/// An input of a bot. It counts if the bot still has this seat, and the number is the next.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BotInput {
    /// The bot.
    #[prost(string, tag = "3")]
    pub player: String,
    /// The number of the bot's seat.
    #[prost(uint64, tag = "4")]
    pub seat: u64,
    /// The number of the input in this seat: 1, 2, 3 …
    #[prost(uint64, tag = "5")]
    pub no: u64,
    /// The instance of the room.
    #[prost(uint64, tag = "6")]
    pub instance: u64,
    /// Data for the game.
    #[prost(oneof = "Data", tags = "1, 2")]
    pub data: Option<Data>,
}

/// The most bytes of a [code](is_code).
const CODE_BYTES: usize = 32;

/// Whether a text is a code that clients may get: `[a-z][a-z0-9_]*`, at most 32 bytes.
pub fn is_code(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    text.len() <= CODE_BYTES
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(is_inner)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    /// An entry as a build knows it that has only the first bodies.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Older {
        #[prost(string, tag = "3")]
        player: String,
        #[prost(message, tag = "10")]
        joined: Option<Joined>,
        #[prost(message, tag = "15")]
        timer: Option<Timer>,
    }

    #[test]
    fn a_build_that_does_not_know_a_body_reads_an_entry_without_player_and_body() {
        let kick = Kick {
            player: "alice".to_owned(),
            code: "afk".to_owned(),
        };
        for body in [
            Body::Kick(kick),
            Body::Close(Empty {}),
            Body::Message(RoomMessage::default()),
            Body::Answer(Answer::default()),
            Body::Began(Began { epoch: 7 }),
            Body::Commit(Commit::default()),
            Body::Create(Create::default()),
            Body::BotInput(BotInput::default()),
        ] {
            let bytes = Entry::from(body).encode_to_vec();
            assert_eq!(Older::decode(&bytes[..]).unwrap(), Older::default());
        }
        // Field 99, one byte long.
        let later = [0x9a, 0x06, 1, 7];
        assert_eq!(Entry::decode(&later[..]).unwrap(), Entry::default());
    }

    /// An input and an update as builds know them that have no arrivals.
    #[derive(Clone, PartialEq, prost::Message)]
    struct WithoutArrival {
        #[prost(uint64, tag = "3")]
        number: u64,
    }

    #[test]
    fn builds_without_arrivals_and_with_them_read_each_other() {
        let arrival = Some(Arrival {
            at_us: 7,
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        });
        let input = Input {
            seq: 3,
            arrival: arrival.clone(),
            ..Input::default()
        };
        let update = crate::wire::Update {
            players: 3,
            arrival,
            ..crate::wire::Update::default()
        };
        let older = WithoutArrival { number: 3 };
        for bytes in [input.encode_to_vec(), update.encode_to_vec()] {
            assert_eq!(WithoutArrival::decode(&bytes[..]).unwrap(), older);
        }
        let bytes = older.encode_to_vec();
        assert_eq!(Input::decode(&bytes[..]).unwrap().arrival, None);
        assert_eq!(
            crate::wire::Update::decode(&bytes[..]).unwrap().arrival,
            None
        );
    }

    #[test]
    fn codes_are_short_words() {
        for code in ["afk", "a", "too_slow_2"] {
            assert!(is_code(code), "{code}");
        }
        let long = "a".repeat(33);
        for text in ["", "_a", "2a", "A", "a b", "a-b", &long] {
            assert!(!is_code(text), "{text}");
        }
    }
}
