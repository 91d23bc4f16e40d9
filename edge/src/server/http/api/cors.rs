//! Permission for pages of other origins to use the API (CORS: WHATWG Fetch, section 3.2). Tokens are in headers or in
//! the query, so that no credentials of the browser are involved.

use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

use super::answer::Answer;

/// The headers that pages may send.
const HEADERS: &str =
    "authorization, content-type, grandstand-session, if-none-match, last-event-id";

/// The headers that pages may read.
const EXPOSED: &str = "etag, location, retry-after";

/// The seconds for which browsers keep the answer to a preflight.
const MAX_AGE: &str = "600";

/// Allows a page of this origin to read the response.
pub(super) fn allow(response: &mut Answer, origin: &str) {
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Ok(origin) = HeaderValue::from_str(origin) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED),
        );
    }
}

/// The answer to a preflight for a path with these methods.
pub(super) fn preflight(methods: &str) -> Answer {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    if let Ok(methods) = HeaderValue::from_str(methods) {
        headers.insert(header::ALLOW, methods.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    }
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(HEADERS),
    );
    headers.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static(MAX_AGE),
    );
    response
}
