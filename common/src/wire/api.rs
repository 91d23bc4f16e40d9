//! Requests of the HTTP API that another edge has got.

/// An input for an event stream: a request on `api.{edge}`, answered with [`PushReply`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct PushRequest {
    /// The session of the stream.
    #[prost(string, tag = "3")]
    pub session: String,
    /// The room.
    #[prost(string, tag = "4")]
    pub room: String,
    /// The number of the input.
    #[prost(uint64, tag = "5")]
    pub seq: u64,
    /// The input as a client's message, in JSON.
    #[prost(string, tag = "6")]
    pub message: String,
}

/// The answer to a [`PushRequest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct PushReply {
    /// The type of the message that answers the input: `ack`, `reject` or `error`. Empty if there is none yet, or if the
    /// input does not reach the stream.
    #[prost(string, tag = "3")]
    pub kind: String,
    /// The code of a reject or an error, or the reason why the input does not reach the stream.
    #[prost(string, tag = "4")]
    pub code: String,
    /// The message that answers the input, in JSON, or a text for people.
    #[prost(string, tag = "5")]
    pub text: String,
    /// The milliseconds after which the input may be sent again; 0 if waiting does not help.
    #[prost(uint64, tag = "6")]
    pub retry_after_ms: u64,
}
