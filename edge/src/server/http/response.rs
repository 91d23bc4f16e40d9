//! What a request is answered with.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use tungstenite::handshake::derive_accept_key;

use crate::server::context::Page;
use crate::server::http::request::Agreed;

/// Why a handshake was answered with an HTTP error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Not HTTP.
    BadRequest,
    /// No `Sec-WebSocket-Key`, or not 16 bytes in base64.
    BadKey,
    /// A `Sec-WebSocket-Extensions` that is none.
    BadExtensions,
    /// No such path.
    NotFound,
    /// Not a GET.
    Method,
    /// Took longer than the deadline.
    Deadline,
    /// A plain request where a WebSocket is to be opened.
    NotUpgrade,
    /// A `Sec-WebSocket-Version` other than 13.
    Version,
    /// A header over the limit.
    HeaderTooBig,
}

impl Refusal {
    /// What hyper refused by itself.
    pub(super) fn from_parse(error: &hyper::Error) -> Self {
        if error.is_parse_too_large() {
            Self::HeaderTooBig
        } else {
            Self::BadRequest
        }
    }

    /// The code in the answer's body and in metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::BadKey => "bad_key",
            Self::BadExtensions => "bad_extensions",
            Self::NotFound => "not_found",
            Self::Method => "bad_method",
            Self::Deadline => "handshake_timeout",
            Self::NotUpgrade => "not_websocket",
            Self::Version => "bad_version",
            Self::HeaderTooBig => "header_too_big",
        }
    }

    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::BadKey | Self::BadExtensions => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Deadline => StatusCode::REQUEST_TIMEOUT,
            Self::NotUpgrade | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::HeaderTooBig => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }

    /// What is wrong and how to mend it.
    fn message(self) -> &'static str {
        match self {
            Self::BadRequest => "this is not an HTTP/1.1 request",
            Self::BadKey => {
                "Sec-WebSocket-Key must be 16 random bytes in base64; use a WebSocket client library"
            }
            Self::BadExtensions => {
                "Sec-WebSocket-Extensions cannot be read (RFC 6455 section 9.1); use a WebSocket client library"
            }
            Self::NotFound => "there is nothing here; WebSockets are opened at the paths in `try`",
            Self::Method => "only GET is answered here",
            Self::Deadline => {
                "the request did not come in time; send it whole right after connecting"
            }
            Self::NotUpgrade => {
                "this is a WebSocket endpoint: connect with ws:// or wss://; a proxy between must pass on the headers \
                 Upgrade and Connection"
            }
            Self::Version => "Sec-WebSocket-Version must be 13 (RFC 6455)",
            Self::HeaderTooBig => {
                "the request's header is too big; send a shorter token or fewer cookies"
            }
        }
    }
}

/// 101: the socket is a WebSocket from here on.
pub(super) fn upgraded(agreed: &Agreed) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(agreed.key.as_bytes())) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(encoding) = agreed.selected {
        let selected = HeaderValue::from_static(encoding.subprotocol());
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, selected);
    }
    if let Some(deflate) = agreed.deflate {
        let answer = HeaderValue::from_static(deflate.answer());
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, answer);
    }
    response
}

/// 200: a page.
pub(super) fn page(page: &Page) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(page.body)));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(page.content_type),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// An HTTP error that says how to mend it.
pub(super) fn refused(
    refusal: Refusal,
    paths: impl Iterator<Item = &'static str>,
) -> Response<Full<Bytes>> {
    let mut body = body(refusal);
    if refusal == Refusal::NotFound {
        body["try"] = paths.collect();
    }
    let mut response = Response::new(Full::new(Bytes::from(body.to_string() + "\n")));
    *response.status_mut() = refusal.status();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    match refusal {
        Refusal::NotUpgrade => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        }
        Refusal::Version => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(
                header::SEC_WEBSOCKET_VERSION,
                HeaderValue::from_static("13"),
            );
        }
        Refusal::Method => {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        _ => {}
    }
    response
}

/// The answer to a request that never ended, as bytes for the bare socket.
pub(super) fn deadline(timeout: Duration) -> Vec<u8> {
    let mut body = body(Refusal::Deadline);
    body["timeout_ms"] = (timeout.as_millis() as u64).into();
    let body = body.to_string() + "\n";
    format!(
        "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn body(refusal: Refusal) -> serde_json::Value {
    serde_json::json!({"type": "error", "code": refusal.code(), "message": refusal.message()})
}
