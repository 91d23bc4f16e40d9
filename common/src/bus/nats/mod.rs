//! The bus over NATS: async-nats for the connection, JetStream's API spoken by ourselves.
//!
//! async-nats' own ack futures, ordered consumers and KV watches are not used: they neither fail when the connection is
//! lost nor notice a loss soon (D3, D20).

mod pub_ack;

mod replies;

mod connection;

mod jetstream;

mod streams;

mod connect;

mod shared;

mod consumer;

mod reader;

mod second_path;

mod inspect;

mod client;

pub use self::client::Nats;
pub(crate) use self::second_path::SecondPath;
