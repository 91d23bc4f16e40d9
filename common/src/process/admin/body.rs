//! The bodies of requests.

use bytes::Bytes;
use hyper::StatusCode;
use serde::Deserialize;

use super::answer::ApiAnswer;

/// Reads a body in JSON.
///
/// # Errors
/// 400 with what is wrong.
pub fn read_body<'a, T: Deserialize<'a>>(body: &'a Bytes) -> Result<T, ApiAnswer> {
    serde_json::from_slice(body).map_err(|error| {
        let text = format!("the body is not as described in /openapi.json: {error}");
        ApiAnswer::problem(StatusCode::BAD_REQUEST, "bad_body", &text)
    })
}
