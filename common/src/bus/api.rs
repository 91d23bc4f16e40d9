//! The common interface of both buses.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use grandstand_types::id::{Partition, RoomId};
use grandstand_types::layout::Layout;
use tokio::sync::watch;

use crate::bus::connect_error::{ConnectError, StoreFailure};
use crate::bus::embedded::{Embedded, Faults};
use crate::bus::error::{BusError, PublishError, RequestError};
use crate::bus::nats::Nats;
use crate::bus::nats_errors::NatsErrors;
use crate::bus::operation::Operation;
use crate::bus::options::BusOptions;
use crate::bus::reader::{LogReader, Source};
use crate::bus::receipt::Receipt;
use crate::bus::second_connection::SecondConnection;
use crate::bus::stats::BusStats;
use crate::bus::subject_check;
use crate::bus::subscription::Subscription;
use crate::bus::timing::Timing;
use crate::bus::types::{ConnectionState, LogState};
use crate::log_clock::LogClock;
use crate::subject;

/// A connection to the bus. Clones are cheap, share the connection and may be used from several threads.
#[derive(Debug, Clone)]
pub enum Bus {
    /// A NATS server or cluster.
    Nats(Nats),
    /// A bus inside this process, in memory or with a folder.
    Embedded(Embedded),
}

macro_rules! either {
    ($bus:expr, $inner:ident => $call:expr) => {
        match $bus {
            Bus::Nats($inner) => $call,
            Bus::Embedded($inner) => $call,
        }
    };
}

impl Bus {
    /// Connects to NATS (`nats://host:4222`, several separated by commas), creates missing streams and buckets and
    /// checks existing ones. The first process stores the numbers of partitions and streams of `options`; later ones
    /// take what is stored. The connection lives in the current tokio runtime.
    ///
    /// # Errors
    /// Within about 5 s, if NATS cannot be reached or is not configured as needed.
    pub async fn connect_nats(url: &str, options: &BusOptions) -> Result<Self, ConnectError> {
        Nats::connect(url, options).await.map(Self::Nats)
    }

    /// Creates a bus for this process alone, in memory.
    ///
    /// # Errors
    /// If the options are invalid.
    pub fn embedded(options: &BusOptions) -> Result<Self, ConnectError> {
        Embedded::in_memory(options).map(Self::Embedded)
    }

    /// Creates a bus for this process alone. With a folder (created if missing), the log and buckets are durable there
    /// before they are acked; without one, they are in memory.
    ///
    /// # Errors
    /// If the folder cannot be used or is damaged, or another process uses it.
    pub async fn open_embedded(
        dir: Option<&Path>,
        options: &BusOptions,
    ) -> Result<Self, ConnectError> {
        match dir {
            Some(dir) => Embedded::open(dir, options).await.map(Self::Embedded),
            None => Self::embedded(options),
        }
    }

    /// Creates a bus in memory for simulations. Its time is tokio's, which can be paused, and begins at
    /// `Faults::start_ms`. Failures of NATS happen as the seed decides. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// If the options are invalid.
    pub fn simulated(options: &BusOptions, faults: Faults) -> Result<Self, ConnectError> {
        Embedded::simulated(options, faults).map(Self::Embedded)
    }

    /// Connects to an existing cluster to inspect it: creates and checks no streams, and takes the numbers of
    /// partitions and streams from the cluster's record instead of `options`.
    ///
    /// # Errors
    /// If NATS cannot be reached, or has no cluster.
    pub async fn inspect_nats(url: &str, options: &BusOptions) -> Result<Self, ConnectError> {
        Nats::inspect(url, options).await.map(Self::Nats)
    }

    /// Opens an existing folder to inspect it: takes its partitions and streams, and reads a copy of it. The folder
    /// stays as it is; the bus accepts no writes.
    ///
    /// # Errors
    /// If the folder is empty or damaged, or another process uses it.
    pub async fn inspect_folder(dir: &Path, options: &BusOptions) -> Result<Self, ConnectError> {
        Embedded::inspect(dir, options).await.map(Self::Embedded)
    }

    /// Waits until the disk of an embedded bus' folder fails. Then the bus accepts nothing more, and the process should
    /// end. Never returns for other buses.
    pub async fn store_failed(&self) -> StoreFailure {
        match self {
            Self::Nats(_) => std::future::pending().await,
            Self::Embedded(bus) => bus.failed().await,
        }
    }

    /// The clock of the log: an estimate from the entries that this connection reads (NATS), or the clock itself
    /// (embedded).
    pub fn log_clock(&self) -> &LogClock {
        either!(self, bus => bus.log_clock())
    }

    /// Asks for the time of the log, for the [`log_clock`](Self::log_clock) of a connection that reads few entries.
    ///
    /// # Errors
    /// If NATS does not answer.
    pub async fn ask_log_time(&self) -> Result<(), BusError> {
        match self {
            Self::Nats(bus) => bus.ask_log_time().await,
            Self::Embedded(_) => Ok(()),
        }
    }

    /// The partitions and streams that this handle reads and writes.
    pub fn layout(&self) -> Layout {
        either!(self, bus => bus.layout())
    }

    /// A handle of the same connection for another layout of the cluster. An embedded bus has one layout.
    #[must_use]
    pub fn with_layout(&self, layout: Layout) -> Self {
        match self {
            Self::Nats(bus) => Self::Nats(bus.with_layout(layout)),
            Self::Embedded(_) => self.clone(),
        }
    }

    /// The most bytes of a message. It may change with a reconnect.
    pub fn max_payload(&self) -> usize {
        either!(self, bus => bus.max_payload())
    }

    /// The most bytes of an entry of the log. It may change with a reconnect.
    pub fn max_entry(&self) -> usize {
        either!(self, bus => bus.max_entry())
    }

    /// The most bytes of a value, with its headers. It may change with a reconnect.
    pub fn max_value(&self) -> usize {
        either!(self, bus => bus.max_value())
    }

    /// The state of the connection, and its changes.
    pub fn connection_state(&self) -> watch::Receiver<ConnectionState> {
        either!(self, bus => bus.connection_state())
    }

    /// The counters of this connection.
    pub fn stats(&self) -> &BusStats {
        either!(self, bus => bus.stats())
    }

    /// The counters of this connection, for longer than it is open.
    pub(crate) fn shared_stats(&self) -> Arc<BusStats> {
        either!(self, bus => bus.shared_stats())
    }

    /// The refusals of NATS; `None` for an embedded bus.
    pub fn errors(&self) -> Option<&NatsErrors> {
        match self {
            Self::Nats(bus) => Some(bus.errors()),
            Self::Embedded(_) => None,
        }
    }

    /// Checks which of the denied permissions NATS grants by now. Connections whose subscriptions it had removed are made
    /// again.
    pub async fn check_refusals(&self) {
        if let Self::Nats(bus) = self {
            bus.check_refusals().await;
        }
    }

    /// Sends a message at most once, in order per caller and subject. Waits while the connection is saturated.
    ///
    /// # Errors
    /// If the message cannot be sent. Success does not mean that it arrives.
    pub async fn publish(&self, subject: String, payload: Bytes) -> Result<(), PublishError> {
        subject_check::subject(&subject)?;
        let timing = self.begin(Operation::Publish);
        let sent = either!(self, bus => bus.publish(subject, payload).await);
        timing.end_with(&sent);
        sent
    }

    /// Waits until the server has received everything published before.
    ///
    /// # Errors
    /// If there is no connection, or it is lost meanwhile.
    pub async fn flush(&self) -> Result<(), BusError> {
        match self {
            Self::Nats(bus) => bus.flush().await,
            Self::Embedded(_) => Ok(()),
        }
    }

    /// Begins to measure an operation.
    pub(super) fn begin(&self, operation: Operation) -> Timing {
        Timing::begin(self.shared_stats(), operation)
    }

    /// Subscribes to a pattern (`*` for one token, a last `>` for the rest). The server has the subscription when this
    /// returns.
    ///
    /// # Errors
    /// If there is no connection, or `pattern` is invalid.
    pub async fn subscribe(
        &self,
        pattern: &str,
        capacity: usize,
    ) -> Result<Subscription, BusError> {
        subject_check::pattern(pattern)?;
        either!(self, bus => bus.subscribe(pattern, capacity).await)
    }

    /// Sends a request to a listener on `subject`, which answers by publishing to
    /// [`Message::reply`](crate::bus::Message).
    ///
    /// # Errors
    /// Fails at once if there is no subscriber or the connection is lost; otherwise after `timeout`.
    pub async fn request(
        &self,
        subject: String,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, RequestError> {
        subject_check::subject(&subject)?;
        either!(self, bus => bus.request(subject, payload, timeout).await)
    }

    /// Starts a connection to another server of the cluster, if there is one. Create it once and keep it, because
    /// connecting takes a while.
    pub fn second_connection(&self) -> SecondConnection {
        match self {
            Self::Nats(bus) => SecondConnection::nats(bus.second_connection()),
            Self::Embedded(_) => SecondConnection::none(),
        }
    }

    /// Appends to the log (`in.{p}.{room}`). Appends of one caller are sent in the order in which this returns. The
    /// receipt later tells that the entry is stored, and its sequence.
    ///
    /// # Errors
    /// If the entry cannot be sent.
    pub async fn append(&self, subject: String, payload: Bytes) -> Result<Receipt, PublishError> {
        subject_check::subject(&subject)?;
        BusStats::count(&self.stats().appends);
        let timing = self.begin(Operation::Append);
        let sent = either!(self, bus => bus.append(subject, payload).await);
        sent.map(|receipt| receipt.timed(timing))
    }

    /// The first and last sequence of the stream with a partition's log.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn log_state(&self, partition: Partition) -> Result<LogState, BusError> {
        either!(self, bus => bus.log_state(partition).await)
    }

    /// Reads the entries of a partition from sequence `from`, or from the first existing one if older ones are gone;
    /// then new ones.
    ///
    /// # Errors
    /// If reading cannot start.
    pub async fn read_log(&self, partition: Partition, from: u64) -> Result<LogReader, BusError> {
        self.open_log(partition, None, from).await
    }

    /// Reads like [`read_log`](Self::read_log), but only the entries of one room. The number of entries after an
    /// entry, and [`Read::Idle`](crate::bus::Read), concern that room alone.
    ///
    /// # Errors
    /// If reading cannot start.
    pub async fn read_room(&self, room: &RoomId, from: u64) -> Result<LogReader, BusError> {
        let partition = self.layout().partition_of(room);
        let subject = Some(subject::log(partition, room));
        self.open_log(partition, subject, from).await
    }

    async fn open_log(
        &self,
        partition: Partition,
        subject: Option<String>,
        from: u64,
    ) -> Result<LogReader, BusError> {
        let timing = self.begin(Operation::Read);
        let source = match self {
            Self::Nats(bus) => Source::Nats(bus.read_log(partition, subject, from).await?),
            Self::Embedded(bus) => Source::Embedded(bus.read_log(partition, subject, from).await?),
        };
        timing.end();
        Ok(LogReader(source))
    }
}
