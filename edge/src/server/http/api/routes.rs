//! The paths of the API. `docs/http.openapi.json` describes them.

use grandstand_common::process::admin::{Route, route};
use hyper::Method;
use percent_encoding::percent_decode_str;

/// A request that clients may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// The description of the API.
    Describe,
    /// Creates a room.
    Create,
    /// The view of a lane.
    Show,
    /// Ends a room.
    Close,
    /// Sends a message to a room.
    Message,
    /// Takes a player out of a room.
    Kick,
    /// Opens an event stream.
    Events,
    /// Sends an input of an event stream's player.
    Input,
}

impl Operation {
    /// The name in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Describe => "openapi",
            Self::Create => "create",
            Self::Show => "view",
            Self::Close => "close",
            Self::Message => "messages",
            Self::Kick => "kick",
            Self::Events => "events",
            Self::Input => "inputs",
        }
    }
}

/// The places and the names of parameters of the operations, beside the room in their paths. For tests.
#[cfg(test)]
pub(super) fn parameters(operation: Operation) -> &'static [(&'static str, &'static str)] {
    match operation {
        Operation::Describe
        | Operation::Create
        | Operation::Close
        | Operation::Message
        | Operation::Kick => &[],
        Operation::Show => &[("query", "role"), ("header", "If-None-Match")],
        Operation::Events => &[
            ("query", "role"),
            ("query", "params"),
            ("query", "client"),
            ("query", "attempt"),
            ("query", "since"),
            ("query", "epoch"),
            ("header", "Last-Event-ID"),
        ],
        Operation::Input => &[("query", "session"), ("header", "Grandstand-Session")],
    }
}

/// All paths with their methods.
pub(super) static ROUTES: [Route<Operation>; 8] = [
    route(Method::GET, "/v1/openapi.json", Operation::Describe),
    route(Method::POST, "/v1/rooms", Operation::Create),
    route(Method::GET, "/v1/rooms/{room}", Operation::Show),
    route(Method::DELETE, "/v1/rooms/{room}", Operation::Close),
    route(
        Method::POST,
        "/v1/rooms/{room}/messages",
        Operation::Message,
    ),
    route(Method::POST, "/v1/rooms/{room}/kick", Operation::Kick),
    route(Method::GET, "/v1/rooms/{room}/events", Operation::Events),
    route(Method::POST, "/v1/rooms/{room}/inputs", Operation::Input),
];

/// Whether the API has a path.
pub(in crate::server::http) fn has_path(path: &str) -> bool {
    ROUTES.iter().any(|route| room(route.path, path).is_some())
}

/// The operation of a request, and the room in its path, decoded; empty if the path has none.
///
/// # Errors
/// The methods that the path has.
pub(super) fn find(method: &Method, path: &str) -> Result<(Operation, String), String> {
    let mut methods = Vec::new();
    for route in &ROUTES {
        if let Some(room) = room(route.path, path) {
            // hyper omits the body of a response to HEAD.
            let has_head = matches!(route.operation, Operation::Describe | Operation::Show);
            if route.method == *method || has_head && *method == Method::HEAD {
                return Ok((route.operation, room));
            }
            methods.push(route.method.as_str());
            methods.extend(has_head.then_some("HEAD"));
        }
    }
    Err(methods.join(", "))
}

/// The room in a path that fits a route; empty if the route has none.
fn room(route: &str, path: &str) -> Option<String> {
    let Some((before, after)) = route.split_once("{room}") else {
        return (route == path).then(String::new);
    };
    let room = path.strip_prefix(before)?.strip_suffix(after)?;
    if room.is_empty() || room.contains('/') {
        return None;
    }
    let room = percent_decode_str(room).decode_utf8_lossy();
    Some(room.into_owned())
}
