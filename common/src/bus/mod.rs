//! The bus between edges and workers.
//!
//! There are two with the same behaviour: [`Bus::Nats`] and [`Bus::Embedded`]. One conformance suite tests both against
//! this documentation (`tests/tests/bus_conformance/`).

mod types;

mod nats_error;

mod nats_errors;

pub mod options;

pub mod error;

mod connect_error;

mod operation;

pub mod stats;

mod timing;

mod subject_check;

mod key_filter;

mod receipt;

mod subscription;

mod reader;

mod second_connection;

pub mod nats;

pub mod embedded;

mod api;

mod buckets;

mod out;

pub mod metrics;

pub use self::api::Bus;
pub use self::connect_error::{ConnectError, StoreFailure};
pub use self::error::{
    AppendError, AppendFailure, BusError, PublishError, PutError, RequestError, Unanswered,
};
pub use self::nats::{
    Account, Servers, StreamUse, Survey, authorization, check_credentials, check_tls_files, survey,
};
pub use self::nats_error::NatsErrorKind;
pub use self::nats_errors::NatsErrors;
pub use self::operation::Operation;
pub use self::options::{BusOptions, LogLimit, Storage, TlsFiles};
pub use self::reader::{KvReader, LogReader, OutReader};
pub use self::receipt::{PutReceipt, Receipt};
pub use self::second_connection::SecondConnection;
pub use self::stats::BusStats;
pub use self::subscription::Subscription;
pub use self::types::{
    Bucket, BusRole, ConnectionState, KvEntry, LogEntry, LogState, Message, OutGap, OutItem,
    OutPosition, Read, SecondConnectionState,
};
