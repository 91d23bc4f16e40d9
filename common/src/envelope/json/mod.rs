//! The envelope as JSON, in text frames.

mod encode;

mod fields;

mod decode;

pub(super) use self::decode::{decode_client, decode_server, read_context, read_head};
pub(super) use self::encode::{encode_client, encode_server};
