//! The requests on one socket: its client, its deadline, and its use after the last response.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::error::HttpError;
use super::gate::Gate;
use super::{request, response};
use crate::limits::Arrived;
use crate::server::connections::events::EventStream;
use crate::server::context::ServerContext;
use crate::server::handler::ConnectInfo;
use crate::server::proxy;

/// The use of a socket after its last response.
pub(super) struct Upgrade {
    /// The index of the route.
    pub(super) route: u8,
    pub(super) info: ConnectInfo,
    /// The head of the response, which hyper does not write.
    pub(super) head: Vec<u8>,
    /// The event stream that the socket carries; `None` for a WebSocket.
    pub(super) events: Option<BegunEvents>,
}

/// An event stream whose response is not written yet.
pub(super) struct BegunEvents {
    pub(super) stream: EventStream,
    /// The join, as a frame of the client.
    pub(super) join: Bytes,
}

/// The state of one socket whose requests are answered.
pub(super) struct Exchange {
    pub(super) context: Rc<ServerContext>,
    /// The address at the other end of the socket, or the one that a header of the PROXY protocol names.
    peer: SocketAddr,
    pub(super) is_encrypted: bool,
    gate: Gate,
    answered: Cell<u64>,
    arrived: RefCell<Option<Arrived>>,
    upgrade: RefCell<Option<Upgrade>>,
    /// The time at which the socket is closed if nothing happens.
    deadline: Cell<Instant>,
    /// Whether a request of the API is being answered.
    is_busy: Cell<bool>,
    /// The place among the handshakes in progress, until the first request of the API.
    permit: RefCell<Option<OwnedSemaphorePermit>>,
}

/// The parts of an [`Exchange`] that its socket brings.
pub(super) struct Exchanged {
    pub(super) peer: SocketAddr,
    pub(super) is_encrypted: bool,
    pub(super) gate: Gate,
    pub(super) arrived: Arrived,
    pub(super) deadline: Instant,
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

impl Exchange {
    pub(super) fn new(context: Rc<ServerContext>, parts: Exchanged) -> Rc<Self> {
        Rc::new(Self {
            context,
            peer: parts.peer,
            is_encrypted: parts.is_encrypted,
            gate: parts.gate,
            answered: Cell::new(0),
            arrived: RefCell::new(Some(parts.arrived)),
            upgrade: RefCell::new(None),
            deadline: Cell::new(parts.deadline),
            is_busy: Cell::new(false),
            permit: RefCell::new(parts.permit),
        })
    }

    /// Takes the use of the socket, and the count of its client; `None` if the socket is closed.
    pub(super) fn take_upgrade(&self) -> Option<(Upgrade, Arrived)> {
        self.upgrade.take().zip(self.arrived.take())
    }

    /// Sets the use of the socket after the response.
    pub(super) fn set_upgrade(&self, upgrade: Upgrade) {
        self.upgrade.replace(Some(upgrade));
    }

    /// Whether the client is between two requests.
    pub(super) fn is_idle(&self) -> bool {
        self.answered.get() > 0 && !self.is_busy.get()
    }

    /// Counts a request.
    pub(super) fn count(&self) {
        self.answered.set(self.answered.get() + 1);
    }

    /// Waits until nothing has happened for too long.
    pub(super) async fn expired(&self) {
        while self.deadline.get() > Instant::now() {
            tokio::time::sleep_until(self.deadline.get()).await;
        }
    }

    /// Gives the client as long as a handshake takes from now on.
    pub(super) fn extend(&self) {
        let timeout = self.context.handshakes.limits().timeout;
        self.deadline.set(Instant::now() + timeout);
    }

    /// Begins a request of the API. The socket counts as a handshake in progress no more.
    pub(super) fn begin(&self) {
        self.permit.take();
        self.is_busy.set(true);
        self.extend();
    }

    /// Lets the client read a response that is due, also the one that asks for a body.
    pub(super) fn open_gate(&self) {
        self.gate.open();
    }

    /// Ends a request of the API.
    pub(super) fn end<B>(&self, response: &Response<B>) {
        self.is_busy.set(false);
        self.extend();
        self.pass(response);
    }

    /// Passes a response on to hyper. One that upgrades the socket is kept, and is sent with the first frames of the connection.
    pub(super) fn pass<B>(&self, response: &Response<B>) {
        match self.upgrade.borrow_mut().as_mut() {
            Some(upgrade) => upgrade.head = response::head(response),
            None => self.gate.open(),
        }
    }

    /// The client's address.
    pub(super) fn client<B>(&self, request: &Request<B>) -> SocketAddr {
        proxy::client(
            request.headers(),
            self.peer,
            &self.context.options.proxy.current(),
        )
    }

    /// Charges the client for the request, unless it was charged when it connected.
    pub(super) fn charge(&self, peer: SocketAddr) -> Result<(), HttpError> {
        if self.answered.get() == 1 && peer.ip() == self.peer.ip() {
            return Ok(());
        }
        let mut arrived = self.arrived.borrow_mut();
        let Some(arrived) = arrived.as_mut() else {
            return Ok(());
        };
        let charged = self.context.charge(arrived, peer.ip());
        charged.map_err(|refused| HttpError::from_refused(&refused))
    }

    fn accept<B>(&self, request: &Request<B>) -> Result<Response<Full<Bytes>>, HttpError> {
        let peer = self.client(request);
        self.charge(peer)?;
        request::check_host(request)?;
        let path = request.uri().path();
        let mut routes = (0_u8..).zip(&self.context.routes);
        let Some((index, route)) = routes.find(|(_, route)| route.path == path) else {
            let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
            let page = self.context.pages.find(path, host.unwrap_or_default());
            let page = page.ok_or(HttpError::NotFound)?;
            request::check_page(request)?;
            return Ok(response::page(page));
        };
        let upgrade = request::upgrade(request, self.context.options.deflate)?;
        let info = request::connect_info(request, &upgrade, route.path, peer)?;
        self.set_upgrade(Upgrade {
            route: index,
            info,
            head: Vec::new(),
            events: None,
        });
        Ok(response::upgraded(&upgrade))
    }

    /// The response for an error of HTTP.
    pub(super) fn refuse(&self, error: HttpError) -> Response<Full<Bytes>> {
        self.context.metrics.on_refused(error.code());
        let paths = self.context.routes.iter().map(|route| route.path);
        response::refused(error, paths)
    }

    pub(super) fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let accepted = self.accept(request);
        let mut response = accepted.unwrap_or_else(|error| self.refuse(error));
        response::harden(&mut response, self.is_encrypted);
        response
    }
}
