//! The paths that a shard serves.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

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

/// A file of a page for browsers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The `Content-Type` header.
    pub content_type: &'static str,
    /// The `Content-Security-Policy` header.
    pub policy: Cow<'static, str>,
    /// The response's body.
    pub body: Bytes,
}

/// The pages served beside the WebSockets.
pub trait Pages: fmt::Debug + Send + Sync {
    /// The file at a path, for a browser that knows the server as `host`. Called on the thread of a shard, whose clients
    /// wait meanwhile.
    fn find(&self, path: &str, host: &[u8]) -> Option<Page>;
}

/// Files by path.
impl Pages for BTreeMap<&'static str, Page> {
    fn find(&self, path: &str, _: &[u8]) -> Option<Page> {
        self.get(path).cloned()
    }
}

/// Everything that a server serves.
pub struct Routes {
    /// The WebSocket paths.
    pub routes: Vec<Route>,
    /// The pages.
    pub pages: Arc<dyn Pages>,
    /// The API over HTTP, for clients of the first route; `None` without one.
    pub(crate) api: Option<Rc<dyn ApiBackend>>,
}

impl Routes {
    /// WebSocket paths and pages, without the API over HTTP.
    pub fn new(routes: Vec<Route>, pages: Arc<dyn Pages>) -> Self {
        Self {
            routes,
            pages,
            api: None,
        }
    }
}
