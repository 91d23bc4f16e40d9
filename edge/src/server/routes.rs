//! The paths that a shard serves.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::server::backend::ApiBackend;
use crate::server::handler::Handler;

/// A path at which clients open WebSockets.
pub struct Route {
    /// The path, for example `/v1/ws`.
    pub path: &'static str,
    /// Handles the connections of this path.
    pub handler: Rc<dyn Handler>,
    /// The limits of its connections, which can be replaced for further ones.
    pub limits: Cell<RouteLimits>,
}

/// The limits of a route's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteLimits {
    /// The most bytes of a message from a client.
    pub message_bytes: u32,
    /// The most bytes queued for a slow client.
    pub outbox_bytes: u32,
}

/// A page for browsers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The `Content-Type` header.
    pub content_type: &'static str,
    /// The response's body.
    pub body: &'static [u8],
}

/// The pages served beside the WebSockets, by path.
pub type Pages = BTreeMap<&'static str, Page>;

/// Everything that a server serves.
#[derive(Default)]
pub struct Routes {
    /// The WebSocket paths.
    pub routes: Vec<Route>,
    /// The pages.
    pub pages: Pages,
    /// The API over HTTP, for clients of the first route; `None` without one.
    pub(crate) api: Option<Rc<dyn ApiBackend>>,
}

impl Routes {
    /// WebSocket paths and pages, without the API over HTTP.
    pub fn new(routes: Vec<Route>, pages: Pages) -> Self {
        Self {
            routes,
            pages,
            api: None,
        }
    }
}
