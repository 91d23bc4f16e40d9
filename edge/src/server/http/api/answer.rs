//! Responses to requests of the API.

use std::rc::Rc;

use bytes::Bytes;
use grandstand_common::envelope::Encoding;
use grandstand_common::error::ErrorKind;
use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde::Serialize;

use crate::conn::key::ConnKey;
use crate::server::backend::{ApiBackend, ApiError};
use crate::server::connections::events::EventLink;
use crate::server::connections::{Link, Upgraded};
use crate::server::handler::ConnectInfo;
use crate::server::http::error::HttpError;
use crate::server::http::exchange::Exchange;
use crate::server::http::request;

/// The index of the route whose clients these are.
pub(super) const ROUTE: u8 = 0;

/// The milliseconds after which another edge may be asked.
const RETRY_MS: u64 = 1_000;

/// The response to a request of the API.
pub(super) type Answer = Response<Full<Bytes>>;

/// The reason why a request is not carried out.
pub(super) enum Failure {
    Api(ApiError),
    Http(HttpError),
    Own(Problem),
    /// The path has only these methods.
    Method(String),
}

/// An error that exists over HTTP only.
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// The milliseconds after which the request may be sent again, if waiting helps.
    pub(super) retry_after_ms: Option<u64>,
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

/// The backend. The API is on if a request comes this far.
pub(super) fn backend(exchange: &Exchange) -> Result<Rc<dyn ApiBackend>, Failure> {
    let api = exchange.context.api.as_ref();
    api.map(Rc::clone).ok_or(HttpError::NotFound.into())
}

/// The client of a request, as one that connects.
pub(super) fn connect_info<B>(
    exchange: &Exchange,
    request: &Request<B>,
    path: &'static str,
) -> Result<ConnectInfo, HttpError> {
    let asked = request::Upgrade {
        key: String::new(),
        selected: Some(Encoding::Json),
        deflate: None,
    };
    request::connect_info(request, &asked, path, exchange.client(request))
}

/// Opens a connection without a socket, whose client has sent `early`.
pub(super) fn open(
    exchange: &Exchange,
    link: EventLink,
    info: ConnectInfo,
    early: Box<[u8]>,
) -> Result<ConnKey, Failure> {
    let context = &exchange.context;
    let arrived = context.arrive_within();
    let arrived = arrived.map_err(|refused| HttpError::from_refused(&refused))?;
    let upgraded = Upgraded {
        link: Link::Events(Box::new(link)),
        route: ROUTE,
        info,
        presence: arrived.open(),
        head: Bytes::new(),
        early,
    };
    context.open(upgraded).map_err(|_| {
        let text = "the edge shuts down; ask another one";
        ApiError::new(ErrorKind::GoingAway, text)
            .retry_after(RETRY_MS)
            .into()
    })
}

/// A response with a body in JSON.
pub(super) fn json(status: StatusCode, text: String) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(text + "\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// A response that shared caches must not keep, and that is worth asking for again after a second.
pub(super) fn fresh(body: &impl Serialize) -> Answer {
    // Numbers and strings are always JSON.
    let text = serde_json::to_string(body).unwrap_or_default();
    let mut response = json(StatusCode::OK, text);
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, max-age=1"),
    );
    headers.insert(header::VARY, HeaderValue::from_static("authorization"));
    response
}
