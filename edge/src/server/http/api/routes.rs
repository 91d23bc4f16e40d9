//! The paths of the API. `docs/http.openapi.json` describes them.

use grandstand_common::process::admin::{Route, route};
use hyper::Method;
use percent_encoding::percent_decode_str;

/// A request that clients may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// The description of the API.
    Describe,
    /// The rooms that a client may choose from.
    List,
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
    /// The ranks of a leaderboard.
    Ranks,
    /// Signs a token of a player.
    Issue,
    /// Enters a queue.
    Enter,
    /// The state of a ticket in a queue.
    Ticket,
    /// Withdraws a ticket.
    Withdraw,
}

impl Operation {
    /// The name in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Describe => "openapi",
            Self::List => "rooms",
            Self::Create => "create",
            Self::Show => "view",
            Self::Close => "close",
            Self::Message => "messages",
            Self::Kick => "kick",
            Self::Events => "events",
            Self::Input => "inputs",
            Self::Ranks => "leaderboards",
            Self::Issue => "tokens",
            Self::Enter => "enter",
            Self::Ticket => "ticket",
            Self::Withdraw => "withdraw",
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
        | Operation::Kick
        | Operation::Issue
        | Operation::Enter
        | Operation::Ticket
        | Operation::Withdraw => &[],
        Operation::List => &[
            ("query", "game"),
            ("query", "open"),
            ("query", "label"),
            ("query", "after"),
            ("query", "limit"),
        ],
        Operation::Show => &[("query", "role"), ("header", "If-None-Match")],
        Operation::Events => &[
            ("query", "role"),
            ("query", "params"),
            ("query", "client"),
            ("query", "attempt"),
            ("query", "since"),
            ("query", "epoch"),
            ("query", "invite"),
            ("header", "Last-Event-ID"),
        ],
        Operation::Input => &[("query", "session"), ("header", "Grandstand-Session")],
        Operation::Ranks => &[
            ("query", "season"),
            ("query", "by"),
            ("query", "limit"),
            ("query", "around"),
            ("query", "after"),
        ],
    }
}

/// All paths with their methods.
pub(super) static ROUTES: [Route<Operation>; 14] = [
    route(Method::GET, "/v1/openapi.json", Operation::Describe),
    route(Method::GET, "/v1/rooms", Operation::List),
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
    route(Method::GET, "/v1/leaderboards/{board}", Operation::Ranks),
    route(Method::POST, "/v1/tokens", Operation::Issue),
    route(Method::POST, "/v1/queues/{queue}/tickets", Operation::Enter),
    route(
        Method::GET,
        "/v1/queues/{queue}/tickets/{ticket}",
        Operation::Ticket,
    ),
    route(
        Method::DELETE,
        "/v1/queues/{queue}/tickets/{ticket}",
        Operation::Withdraw,
    ),
];

/// The names in a path, decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// The room, the queue or the board; empty if the path names nothing.
    pub(super) first: String,
    /// The ticket in a queue; empty otherwise.
    pub(super) second: String,
}

/// Whether the API has a path.
pub(in crate::server::http) fn has_path(path: &str) -> bool {
    ROUTES.iter().any(|route| named(route.path, path).is_some())
}

/// The operation of a request, and what its path names.
///
/// # Errors
/// The methods that the path has.
pub(super) fn find(method: &Method, path: &str) -> Result<(Operation, Named), String> {
    let mut methods = Vec::new();
    for route in &ROUTES {
        if let Some(named) = named(route.path, path) {
            // hyper omits the body of a response to HEAD.
            let has_head = matches!(
                route.operation,
                Operation::Describe | Operation::List | Operation::Show | Operation::Ranks
            );
            if route.method == *method || has_head && *method == Method::HEAD {
                return Ok((route.operation, named));
            }
            methods.push(route.method.as_str());
            methods.extend(has_head.then_some("HEAD"));
        }
    }
    Err(methods.join(", "))
}

/// The names in a path that fits a route.
fn named(route: &str, path: &str) -> Option<Named> {
    let mut names = Vec::new();
    let (mut route, mut path) = (route.split('/'), path.split('/'));
    loop {
        match (route.next(), path.next()) {
            (None, None) => break,
            (Some(part), Some(name)) if part.starts_with('{') && !name.is_empty() => {
                names.push(percent_decode_str(name).decode_utf8_lossy().into_owned());
            }
            (Some(part), Some(name)) if part == name => {}
            _ => return None,
        }
    }
    let mut names = names.into_iter();
    Some(Named {
        first: names.next().unwrap_or_default(),
        second: names.next().unwrap_or_default(),
    })
}
