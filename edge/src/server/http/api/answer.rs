//! Responses to requests of the API.

use std::rc::Rc;

use bytes::Bytes;
use grandstand_common::envelope::Encoding;
use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};

use crate::server::backend::{ApiBackend, ApiError};
use crate::server::handler::ConnectInfo;
use crate::server::http::error::HttpError;
use crate::server::http::exchange::Exchange;
use crate::server::http::request;

/// The response to a request of the API.
pub(super) type Answer = Response<Full<Bytes>>;

/// The reason why a request is not carried out.
pub(super) enum Failure {
    Api(ApiError),
    Http(HttpError),
    /// The path has only these methods.
    Method(String),
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
