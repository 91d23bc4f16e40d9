//! The interface between requests of the HTTP API and the shard.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use grandstand_common::auth::Grants;
use grandstand_common::envelope::DecodeError;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::RoomId;
use grandstand_common::wire::Body;

use crate::conn::session::EventSession;
use crate::server::connections::events::{InputAnswer, PushedInput};
use crate::server::handler::ConnectInfo;

/// The reason why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// The kind of error.
    pub(crate) kind: ErrorKind,
    /// The problem and how to fix it.
    pub(crate) message: String,
    /// The milliseconds after which the client may try again, if waiting helps.
    pub(crate) retry_after_ms: Option<u64>,
}

impl ApiError {
    /// An error that waiting does not help against.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retry_after_ms: None,
        }
    }

    /// The same error, with the time after which the client may try again.
    #[must_use]
    pub(crate) fn retry_after(self, ms: u64) -> Self {
        Self {
            retry_after_ms: Some(ms),
            ..self
        }
    }
}

impl From<Box<DecodeError>> for ApiError {
    fn from(error: Box<DecodeError>) -> Self {
        Self::new(error.kind, error.message)
    }
}

/// A call of the backend that may take a while.
pub(crate) type ApiFuture<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

/// Does what requests of the API need beside the connections of their shard.
pub(crate) trait ApiBackend {
    /// Whether pages of this origin may use the API.
    fn allows_origin(&self, origin: &str) -> bool;

    /// The rights of a client.
    fn admit(self: Rc<Self>, info: ConnectInfo) -> ApiFuture<Grants>;

    /// Appends an entry that belongs to no session to the log of a room.
    fn append(self: Rc<Self>, room: RoomId, body: Body) -> ApiFuture<()>;

    /// Passes an input to the shard that has its event stream. `None` if the stream has not answered it in time.
    fn forward(
        self: Rc<Self>,
        session: EventSession,
        input: PushedInput,
    ) -> ApiFuture<Option<InputAnswer>>;
}
