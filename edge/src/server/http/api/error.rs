//! Errors of the API: those of the protocol, each with a status.

use grandstand_common::error::ErrorKind;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};

use super::answer::{Answer, Problem, json};
use crate::server::backend::ApiError;
use crate::server::http::error::HttpError;

/// The code of a response, for metrics.
#[derive(Debug, Clone, Copy)]
pub(super) struct Code(pub(super) &'static str);

/// The response for an error.
pub(super) fn response(error: &ApiError) -> Answer {
    let mut body =
        serde_json::json!({"type": "error", "code": error.kind.code(), "message": error.message});
    if let Some(ms) = error.retry_after_ms {
        body["retry_after_ms"] = ms.into();
    }
    let mut response = json(status(error.kind), body.to_string());
    response.extensions_mut().insert(Code(error.kind.code()));
    let headers = response.headers_mut();
    if let Some(ms) = error.retry_after_ms {
        headers.insert(header::RETRY_AFTER, ms.div_ceil(1000).into());
    }
    match error.kind {
        ErrorKind::Unauthenticated => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // The rest of the body is not read.
        ErrorKind::TooBig => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}

/// The response for an error that exists over HTTP only.
pub(super) fn own(problem: &Problem) -> Answer {
    let mut body =
        serde_json::json!({"type": "error", "code": problem.code, "message": problem.message});
    if let Some(ms) = problem.retry_after_ms {
        body["retry_after_ms"] = ms.into();
    }
    let mut response = json(problem.status, body.to_string());
    response.extensions_mut().insert(Code(problem.code));
    if let Some(ms) = problem.retry_after_ms {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, ms.div_ceil(1000).into());
    }
    response
}

/// The status of an error.
pub(super) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::BadJson
        | ErrorKind::BadMessage
        | ErrorKind::UnknownType
        | ErrorKind::BadData
        | ErrorKind::BadRoom
        | ErrorKind::BadUtf8
        | ErrorKind::BadDeflate
        | ErrorKind::Unsupported
        | ErrorKind::Protocol => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden | ErrorKind::Revoked => StatusCode::FORBIDDEN,
        ErrorKind::NoSuchGame | ErrorKind::NoSuchRoom | ErrorKind::NotJoined => {
            StatusCode::NOT_FOUND
        }
        ErrorKind::BadSeq
        | ErrorKind::RoomFull
        | ErrorKind::RoomTooBig
        | ErrorKind::RoomRestarted
        | ErrorKind::RoomRolledBack
        | ErrorKind::Replaced => StatusCode::CONFLICT,
        ErrorKind::Finished => StatusCode::GONE,
        ErrorKind::TooBig => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::RoomUnavailable
        | ErrorKind::Busy
        | ErrorKind::Overloaded
        | ErrorKind::TooSlow
        | ErrorKind::Timeout
        | ErrorKind::NoRoom
        | ErrorKind::GoingAway => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The response to a method that a path does not have.
pub(super) fn method_not_allowed(allow: &str) -> Answer {
    let code = HttpError::Method.code();
    let message = format!("this path has only {allow}");
    let body = serde_json::json!({"type": "error", "code": code, "message": message});
    let mut response = json(StatusCode::METHOD_NOT_ALLOWED, body.to_string());
    response.extensions_mut().insert(Code(code));
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}
