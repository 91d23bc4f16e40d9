//! The WebSocket protocol (RFC 6455) and its compression (RFC 7692).

pub mod decoder;

pub mod error;

pub mod frame;

mod header;

mod partial_frame;

mod payload;

mod control;

pub mod inflate;

pub mod deflate;

pub mod extensions;
