//! The bus between edges and workers.
//!
//! There are two with the same behaviour: [`Bus::Nats`] and [`Bus::Embedded`]. One conformance suite tests both against
//! this documentation (`tests/tests/bus_conformance/`).

mod types;

pub mod options;

pub mod error;

pub mod stats;

mod subject_check;

mod receipt;

mod subscription;

mod reader;

mod witness;

pub mod nats;

pub mod embedded;

mod api;

pub mod metrics;

pub use self::api::Bus;
pub use self::error::{
    AppendError, AppendFailure, BusError, ConnectError, PublishError, PutError, RequestError,
    StoreFailure, Unanswered,
};
pub use self::nats::{Servers, check_credentials};
pub use self::options::{BusOptions, LogLimit, Storage};
pub use self::reader::{KvReader, LogReader};
pub use self::receipt::{PutReceipt, Receipt};
pub use self::stats::BusStats;
pub use self::subscription::Subscription;
pub use self::types::{
    Bucket, ConnectionState, KvEntry, LogEntry, LogState, Message, Read, SecondConnection,
};
pub use self::witness::Witness;
