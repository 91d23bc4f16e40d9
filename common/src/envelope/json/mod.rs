//! The envelope as JSON, in text frames.

mod fields;

mod decode;

mod encode;

pub(super) use decode::{decode_client, decode_server};
pub(super) use encode::{encode_client, encode_server};
