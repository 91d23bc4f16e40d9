//! The paths that a shard serves.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::server::handler::Handler;

/// A path on which WebSockets are spoken.
pub struct Route {
    /// The path, like `/v1/ws`.
    pub path: &'static str,
    /// What its connections lead to.
    pub handler: Rc<dyn Handler>,
    /// The most bytes of a client's message.
    pub message_bytes: u32,
    /// The most bytes that wait for a slow client.
    pub outbox_bytes: u32,
}

/// A page for browsers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// What it is.
    pub body: &'static [u8],
}

/// The pages that are served beside the WebSockets, by path.
pub type Pages = BTreeMap<&'static str, Page>;

/// What is served.
#[derive(Default)]
pub struct Routes {
    /// Where WebSockets are spoken.
    pub routes: Vec<Route>,
    /// What is shown beside them.
    pub pages: Pages,
}
