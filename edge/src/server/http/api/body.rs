//! Reads the bodies of requests.

use bytes::Bytes;
use grandstand_common::error::ErrorKind;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::Request;
use hyper::body::{Body, Incoming};

use super::answer::Failure;
use crate::server::backend::ApiError;
use crate::server::http::error::HttpError;
use crate::server::http::exchange::Exchange;

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
        .map_err(|error| match error.is::<LengthLimitError>() {
            true => Failure::Api(too_big(most)),
            false => Failure::Http(HttpError::BadRequest),
        })?
        .to_bytes();
    exchange.extend();
    String::from_utf8(bytes.into()).map_err(|_| {
        let text = "the body is not UTF-8; send JSON";
        ApiError::new(ErrorKind::BadJson, text).into()
    })
}

fn too_big(most: usize) -> ApiError {
    let text = format!("the body may have at most {most} bytes; send less at once");
    ApiError::new(ErrorKind::TooBig, text)
}
