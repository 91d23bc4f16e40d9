//! Reads and writes one message, and the fields that need a check.

use bytes::BufMut;
use grandstand_types::data::Data;
use prost::Message;
use serde_json::value::RawValue;

use crate::envelope::check::{self, MessageError};
use crate::error::ErrorKind;

/// Appends `message`. `out` must grow as needed, as all buffers here do.
pub(super) fn encode(message: &impl Message, out: &mut impl BufMut) {
    message
        .encode(out)
        .expect("the buffer grows with what is put into it");
}

pub(super) fn decode<M: Message + Default>(payload: &[u8]) -> Result<M, MessageError> {
    M::decode(payload).map_err(|why| {
        MessageError::new(
            ErrorKind::BadJson,
            format!("not a message of grandstand.proto: {why}"),
        )
    })
}

pub(super) fn optional(name: &str, value: Option<u64>) -> Result<Option<u64>, MessageError> {
    value.map(|value| check::integer(name, value)).transpose()
}

pub(super) fn data(data: Option<Data>) -> Result<Data, MessageError> {
    match data {
        Some(Data::Json(text)) => check::value("json", json("json", &text)?).map(Data::Json),
        Some(binary) => Ok(binary),
        None => Err(MessageError::bad_message("`json` (or `binary`) is missing")),
    }
}

/// Requires that `text` is one JSON value, because it is copied into other clients' JSON messages.
pub(super) fn json<'a>(name: &str, text: &'a [u8]) -> Result<&'a RawValue, MessageError> {
    serde_json::from_slice(text).map_err(|why| {
        MessageError::new(
            ErrorKind::BadData,
            format!("`{name}` is not one JSON value: {why}"),
        )
    })
}
