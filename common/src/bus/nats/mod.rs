//! The bus over NATS: async-nats for the connection, and JetStream's API implemented here.
//!
//! async-nats' own ack futures, ordered consumers and KV watches are not used, because they neither fail with the
//! connection nor detect a loss soon (D3, D20).

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
