//! The operations of the API, and their paths.

use grandstand_common::process::admin::{Method, Route, route};

/// The operation that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Describe,
    ListConnections,
    ListRooms,
    ShowRoom,
    ListRevocations,
    Revoke,
    Restore,
    ListLimited,
    ListDraining,
    AskDraining,
    ShowLog,
    SetLog,
    Drain,
}

impl Operation {
    /// Whether it lists things in pages.
    pub(super) fn is_paged(self) -> bool {
        matches!(
            self,
            Self::ListConnections | Self::ListRooms | Self::ListRevocations
        )
    }
}

/// All paths.
pub(super) static ROUTES: [Route<Operation>; 13] = [
    route(Method::GET, "/openapi.json", Operation::Describe),
    route(Method::GET, "/v1/connections", Operation::ListConnections),
    route(Method::GET, "/v1/rooms", Operation::ListRooms),
    route(Method::GET, "/v1/rooms/{room}", Operation::ShowRoom),
    route(Method::GET, "/v1/revocations", Operation::ListRevocations),
    route(Method::POST, "/v1/revocations", Operation::Revoke),
    route(Method::DELETE, "/v1/revocations/{key}", Operation::Restore),
    route(Method::GET, "/v1/limited", Operation::ListLimited),
    route(Method::GET, "/v1/draining", Operation::ListDraining),
    route(
        Method::GET,
        "/v1/draining/{process}/{path}",
        Operation::AskDraining,
    ),
    route(Method::GET, "/v1/log", Operation::ShowLog),
    route(Method::PUT, "/v1/log", Operation::SetLog),
    route(Method::POST, "/v1/drain", Operation::Drain),
];
