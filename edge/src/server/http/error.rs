//! HTTP errors that end handshakes.

use hyper::StatusCode;

use crate::limits::Refused;

/// The error with which a handshake is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HttpError {
    /// The request is not valid HTTP/1.1.
    BadRequest,
    /// `Host` is missing, malformed, or there are several.
    BadHost,
    /// The request has a body.
    Body,
    /// A parameter of the query is not UTF-8.
    BadQuery,
    /// `Sec-WebSocket-Key` is missing or not 16 bytes in base64.
    BadKey,
    /// `Sec-WebSocket-Extensions` is malformed.
    BadExtensions,
    /// The path is unknown.
    NotFound,
    /// The method is not supported at this path.
    Method,
    /// The request was not complete at the deadline.
    Deadline,
    /// A plain request for a path at which clients open WebSockets.
    NotUpgrade,
    /// A request for a WebSocket in HTTP/1.0, which has no upgrades.
    OldHttp,
    /// `Sec-WebSocket-Version` is not 13.
    Version,
    /// The request's header exceeds the limit.
    HeaderTooBig,
    /// The client's address connects too often, or has too many connections.
    RateLimited {
        /// The seconds after which it may try again.
        retry_after_s: u32,
    },
    /// The edge accepts no further connections.
    Overloaded {
        /// The seconds after which clients may try again.
        retry_after_s: u32,
    },
}

impl HttpError {
    /// The error for a request that hyper refused.
    pub(super) fn from_parse(error: &hyper::Error) -> Self {
        if error.is_parse_too_large() {
            Self::HeaderTooBig
        } else {
            Self::BadRequest
        }
    }

    /// The error for a client that a limit refuses.
    pub(super) fn from_refused(refused: &Refused) -> Self {
        let retry_after_s = refused.retry_after_s();
        if refused.limit.is_of_edge() {
            Self::Overloaded { retry_after_s }
        } else {
            Self::RateLimited { retry_after_s }
        }
    }

    /// The seconds after which the client may try again, if waiting helps.
    pub(super) fn retry_after_s(self) -> Option<u32> {
        match self {
            Self::RateLimited { retry_after_s } | Self::Overloaded { retry_after_s } => {
                Some(retry_after_s)
            }
            _ => None,
        }
    }

    /// The code in the response's body and in metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::BadHost => "bad_host",
            Self::Body => "unexpected_body",
            Self::BadQuery => "bad_query",
            Self::BadKey => "bad_key",
            Self::BadExtensions => "bad_extensions",
            Self::NotFound => "not_found",
            Self::Method => "bad_method",
            Self::Deadline => "handshake_timeout",
            Self::NotUpgrade => "not_websocket",
            Self::OldHttp => "http_1_0",
            Self::Version => "bad_version",
            Self::HeaderTooBig => "header_too_big",
            Self::RateLimited { .. } => "rate_limited",
            Self::Overloaded { .. } => "overloaded",
        }
    }

    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest
            | Self::BadHost
            | Self::Body
            | Self::BadQuery
            | Self::BadKey
            | Self::BadExtensions => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Deadline => StatusCode::REQUEST_TIMEOUT,
            Self::NotUpgrade | Self::OldHttp | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::HeaderTooBig => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Overloaded { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The problem and its fix, for the response's body.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::BadRequest => "the request is not valid HTTP/1.1; use a WebSocket client library",
            Self::BadHost => {
                "an HTTP/1.1 request has exactly one Host header, a host with an optional port (RFC 9112 section 3.2); let proxies \
                 in between pass it on unchanged"
            }
            Self::Body => {
                "a request for a WebSocket has no body; send neither Content-Length nor Transfer-Encoding, and WebSocket frames \
                 only after the response"
            }
            Self::BadQuery => {
                "parameters in the query must be UTF-8; percent-encode each byte of other characters"
            }
            Self::BadKey => {
                "Sec-WebSocket-Key must be 16 random bytes in base64; use a WebSocket client library"
            }
            Self::BadExtensions => {
                "Sec-WebSocket-Extensions is malformed (RFC 6455 section 9.1); use a WebSocket client library"
            }
            Self::NotFound => {
                "there is no resource at this path; open WebSockets at the paths in `try`"
            }
            Self::Method => "this method is not supported at this path; use GET",
            Self::Deadline => {
                "the request was not complete in time; send all of it right after connecting"
            }
            Self::NotUpgrade => {
                "this is a WebSocket endpoint, and the request does not ask for an upgrade; connect with ws:// or wss://, and let \
                 proxies in between pass on the headers Upgrade and Connection"
            }
            Self::OldHttp => {
                "this is a WebSocket endpoint, and HTTP/1.0 has no upgrades; use HTTP/1.1, also in proxies in between (nginx: \
                 proxy_http_version 1.1), and let them pass on the headers Upgrade and Connection"
            }
            Self::Version => {
                "Sec-WebSocket-Version must be 13 (RFC 6455); use a WebSocket client library of this version"
            }
            Self::HeaderTooBig => {
                "the request's header is too large; send a shorter token or fewer cookies"
            }
            Self::RateLimited { .. } => {
                "this address connects too often or has too many connections (limits.address_… of the edge); try again later"
            }
            Self::Overloaded { .. } => "the edge takes no more connections; try again later",
        }
    }
}
