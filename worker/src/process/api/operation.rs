//! The operations of the API, and their paths.

use grandstand_common::process::admin::{Method, Route, route};

/// The operation that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Describe,
    ListRooms,
    ShowRoom,
    ShowLog,
    SetLog,
    Drain,
}

impl Operation {
    /// Whether it lists things in pages.
    pub(super) fn is_paged(self) -> bool {
        matches!(self, Self::ListRooms)
    }
}

/// All paths.
pub(super) static ROUTES: [Route<Operation>; 6] = [
    route(Method::GET, "/openapi.json", Operation::Describe),
    route(Method::GET, "/v1/rooms", Operation::ListRooms),
    route(Method::GET, "/v1/rooms/{room}", Operation::ShowRoom),
    route(Method::GET, "/v1/log", Operation::ShowLog),
    route(Method::PUT, "/v1/log", Operation::SetLog),
    route(Method::POST, "/v1/drain", Operation::Drain),
];
