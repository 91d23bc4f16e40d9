//! The interface between requests of the HTTP API and the shard.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use grandstand_common::auth::{Grants, TokenIssuer};
use grandstand_common::envelope::DecodeError;
use grandstand_common::error::ErrorKind;
use grandstand_common::id::RoomId;
use grandstand_common::leaderboard::{LeaderboardAnswer, LeaderboardRequest};
use grandstand_common::record::RoomListing;
use grandstand_common::wire::Body;

use crate::conn::session::EventSession;
use crate::server::connections::events::PushedInput;
use crate::server::connections::waiters::InputAnswer;
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

/// A question about the rooms that lobbies show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LobbyQuestion {
    /// The game; `None` for all.
    pub(crate) game: Option<String>,
    /// Whether further players may join; `None` for both.
    pub(crate) open: Option<bool>,
    /// Labels that the rooms have, with these values.
    pub(crate) labels: Vec<(String, String)>,
    /// The last room of the page before.
    pub(crate) after: Option<RoomId>,
    /// The most rooms of a page.
    pub(crate) limit: usize,
}

impl LobbyQuestion {
    /// Whether a room is an answer.
    pub(crate) fn wants(&self, room: &RoomId, shown: &RoomListing) -> bool {
        let listing = &shown.listing;
        self.game.as_deref().is_none_or(|game| room.game() == game)
            && self.open.is_none_or(|open| open == listing.open)
            && self
                .labels
                .iter()
                .all(|(label, value)| listing.labels.get(label) == Some(value))
    }
}

/// Rooms that lobbies show, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LobbyPage {
    pub(crate) rooms: Vec<LobbyRoom>,
    /// The last room that was looked at.
    pub(crate) last: Option<RoomId>,
    /// Whether there may be further rooms behind the last one.
    pub(crate) is_partial: bool,
}

/// A room that lobbies show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LobbyRoom {
    pub(crate) room: RoomId,
    pub(crate) listing: RoomListing,
}

/// A call of the backend that may take a while.
pub(crate) type ApiFuture<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

/// Does what requests of the API need beside the connections of their shard.
pub(crate) trait ApiBackend {
    /// Whether pages of this origin may use the API.
    fn allows_origin(&self, origin: &str) -> bool;

    /// The rights of a client.
    fn admit(self: Rc<Self>, info: ConnectInfo) -> ApiFuture<Grants>;

    /// Signs tokens for back ends; `None` if the edge has no key for them.
    fn issuer(&self) -> Option<&TokenIssuer>;

    /// Appends an entry that belongs to no session to the log of a room.
    fn append(self: Rc<Self>, room: RoomId, body: Body) -> ApiFuture<()>;

    /// Passes an input to the shard that has its event stream. `None` if the stream has not answered it in time.
    fn forward(
        self: Rc<Self>,
        session: EventSession,
        input: PushedInput,
    ) -> ApiFuture<Option<InputAnswer>>;

    /// Asks the archive for ranks, unless it has just answered the same question.
    fn ranks(self: Rc<Self>, request: LeaderboardRequest) -> ApiFuture<Rc<LeaderboardAnswer>>;

    /// The rooms that lobbies show to a client with these rights; `None` if they cannot be read.
    fn lobby(
        self: Rc<Self>,
        question: LobbyQuestion,
        grants: Grants,
    ) -> ApiFuture<Option<LobbyPage>>;
}
