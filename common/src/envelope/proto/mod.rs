//! The envelope as protobuf, in binary frames.

mod messages;

mod fields;

mod context;

mod client;

mod server;

pub(super) use self::client::{decode_client, encode_client};
pub(super) use self::context::read_context;
pub(super) use self::server::{decode_server, encode_server};
