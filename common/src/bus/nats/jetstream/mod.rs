//! JetStream's API, without a client library.

mod message;

mod api;

#[cfg(test)]
mod tests;

pub(super) use self::api::{ConsumerConfig, StreamInfo, nanos};
pub(super) use self::message::{Delivery, KV_OPERATION, is_marker, unix_ms};
