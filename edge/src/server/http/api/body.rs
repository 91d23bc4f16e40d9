//! Reads the bodies of requests.

use bytes::Bytes;
use grandstand_common::error::ErrorKind;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::Request;
use hyper::body::{Body, Incoming};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::answer::Failure;
use crate::server::backend::ApiError;
use crate::server::http::error::HttpError;
use crate::server::http::exchange::Exchange;
use crate::server::http::request;

/// Reads a body of at most `most` bytes as text. A body that says that it is longer is not read.
pub(super) async fn read(
    exchange: &Exchange,
    request: Request<Incoming>,
    most: usize,
) -> Result<String, Failure> {
    let body = request.into_body();
    if body.size_hint().lower() > most as u64 {
        return Err(too_big(most).into());
    }
    // hyper asks for the body (100) when it is read first.
    exchange.open_gate();
    let read = Limited::new(body, most).collect().await;
    let bytes: Bytes = read
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                Failure::Api(too_big(most))
            } else {
                Failure::Http(HttpError::BadRequest)
            }
        })?
        .to_bytes();
    exchange.extend();
    String::from_utf8(bytes.into()).map_err(|_| {
        let text = "the body is not UTF-8; send JSON";
        ApiError::new(ErrorKind::BadJson, text).into()
    })
}

/// Refuses a request with a body.
pub(super) fn refuse<B>(request: &Request<B>) -> Result<(), ApiError> {
    if !request::has_body(request) {
        return Ok(());
    }
    let text = "this request has no body; send neither Content-Length nor Transfer-Encoding";
    Err(ApiError::new(ErrorKind::BadMessage, text))
}

/// Reads the fields of a body. `wanted` names them for people.
pub(super) fn fields<'a, T: Deserialize<'a>>(text: &'a str, wanted: &str) -> Result<T, ApiError> {
    serde_json::from_str(text).map_err(|why| {
        if serde_json::from_str::<&RawValue>(text).is_ok() {
            let text = format!("the body must be an object with {wanted}: {why}");
            return ApiError::new(ErrorKind::BadMessage, text);
        }
        ApiError::new(ErrorKind::BadJson, format!("the body is not JSON: {why}"))
    })
}

/// Reads a value that is not `null` if it is there.
pub(super) fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// Reads a value that is also there if it is `null`.
pub(super) fn present<'de, D: Deserializer<'de>>(
    value: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

fn too_big(most: usize) -> ApiError {
    let text = format!("the body may have at most {most} bytes; send less at once");
    ApiError::new(ErrorKind::TooBig, text)
}
