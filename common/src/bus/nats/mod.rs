//! The bus over NATS: async-nats for the connection, and JetStream's API implemented here.
//!
//! async-nats' own ack futures, ordered consumers and KV watches are not used, because they neither fail with the
//! connection nor detect a loss soon (D3, D20).

mod servers;

mod pub_ack;

mod replies;

mod send_queue;

mod connection;

mod jetstream;

mod names;

mod streams;

mod stream_check;

mod credentials;

mod tls_files;

mod dial;

mod trial;

mod needed;

mod users;

mod permissions;

mod listener;

mod cluster_record;

mod connect;

mod shared;

mod size_limits;

mod consumer;

mod reader;

mod entries;

mod second_connection;

mod inspect;

mod survey;

mod client;

mod out;

mod layouts;

pub use self::client::Nats;
pub use self::dial::check_credentials;
pub(crate) use self::second_connection::SecondConnection;
pub use self::servers::Servers;
pub use self::survey::{Account, StreamUse, Survey, survey};
pub use self::tls_files::check_tls_files;
pub use self::users::authorization;
