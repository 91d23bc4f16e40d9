//! Responses to requests.

use std::time::Duration;

use bytes::Bytes;
use grandstand_common::http::{self, NO_CONTENT};
use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use tungstenite::handshake::derive_accept_key;

use crate::server::http::error::HttpError;
use crate::server::http::request::Upgrade;
use crate::server::routes::Page;

/// The time for which a browser that has seen a response over TLS uses nothing else for this host: a year.
const STRICT: &str = "max-age=31536000";

/// 101, which makes the socket a WebSocket.
pub(super) fn upgraded(upgrade: &Upgrade) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(upgrade.key.as_bytes())) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(encoding) = upgrade.selected {
        let selected = HeaderValue::from_static(encoding.subprotocol());
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, selected);
    }
    if let Some(deflate) = upgrade.deflate {
        let answer = HeaderValue::from_static(deflate.answer());
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, answer);
    }
    response
}

/// 200 with a page.
pub(super) fn page(page: Page) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(page.body));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(page.content_type),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Without a valid one the strictest is added.
    if let Ok(policy) = HeaderValue::try_from(&*page.policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The head of a response, as bytes for the bare socket.
pub(super) fn head<B>(response: &Response<B>) -> Vec<u8> {
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
    for (name, value) in response.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Adds the headers that tell browsers to be strict, as far as the response has none of its own. `is_encrypted`: whether it
/// goes over TLS, so that the browser is to use nothing else for this host.
pub(super) fn harden<B>(response: &mut Response<B>, is_encrypted: bool) {
    http::harden(response);
    if is_encrypted {
        response.headers_mut().insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static(STRICT),
        );
    }
}

/// An HTTP error whose body says how to fix the request.
pub(super) fn refused(
    error: HttpError,
    paths: impl Iterator<Item = &'static str>,
) -> Response<Full<Bytes>> {
    let mut body = body(error);
    if error == HttpError::NotFound {
        body["try"] = paths.collect();
    }
    let mut response = Response::new(Full::new(Bytes::from(body.to_string() + "\n")));
    *response.status_mut() = error.status();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    match error {
        HttpError::NotUpgrade => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        }
        HttpError::OldHttp => {
            headers.insert(
                header::UPGRADE,
                HeaderValue::from_static("HTTP/1.1, websocket"),
            );
            headers.insert(
                header::CONNECTION,
                HeaderValue::from_static("Upgrade, close"),
            );
        }
        // The rest of the body cannot be told from the next request.
        HttpError::BadHost | HttpError::Body => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        HttpError::Version => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(
                header::SEC_WEBSOCKET_VERSION,
                HeaderValue::from_static("13"),
            );
        }
        HttpError::Method => {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        HttpError::RateLimited { retry_after_s } | HttpError::Overloaded { retry_after_s } => {
            headers.insert(header::RETRY_AFTER, retry_after_s.into());
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}

/// The 408 response to an incomplete request, as bytes for the bare socket.
pub(super) fn deadline(timeout: Duration, is_encrypted: bool) -> Vec<u8> {
    let mut body = body(HttpError::Deadline);
    body["timeout_ms"] = (timeout.as_millis() as u64).into();
    bare(HttpError::Deadline, &body, is_encrypted)
}

/// The response to a client whose request is not read, as bytes for the bare socket.
pub(super) fn before_request(error: HttpError, is_encrypted: bool) -> Vec<u8> {
    bare(error, &body(error), is_encrypted)
}

fn bare(error: HttpError, body: &serde_json::Value, is_encrypted: bool) -> Vec<u8> {
    let (status, body) = (error.status(), body.to_string() + "\n");
    let retry = error.retry_after_s();
    let retry = retry.map_or_else(String::new, |after| format!("Retry-After: {after}\r\n"));
    let strict = if is_encrypted {
        format!("Strict-Transport-Security: {STRICT}\r\n")
    } else {
        String::new()
    };
    format!(
        "HTTP/1.1 {} {}\r\nConnection: close\r\nContent-Type: application/json\r\n{retry}\
         X-Content-Type-Options: nosniff\r\nContent-Security-Policy: {NO_CONTENT}\r\n{strict}\
         Content-Length: {}\r\n\r\n{body}",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        body.len()
    )
    .into_bytes()
}

fn body(error: HttpError) -> serde_json::Value {
    let mut body =
        serde_json::json!({"type": "error", "code": error.code(), "message": error.message()});
    if let Some(after) = error.retry_after_s() {
        body["retry_after_ms"] = (u64::from(after) * 1000).into();
    }
    body
}
