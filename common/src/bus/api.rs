//! The one interface of both buses.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::bus::embedded::{Embedded, Faults};
use crate::bus::error::{BusError, ConnectError, PublishError, PutError, RequestError};
use crate::bus::nats::Nats;
use crate::bus::options::BusOptions;
use crate::bus::reader::{KvReader, LogReader, Source};
use crate::bus::receipt::{PutReceipt, Receipt};
use crate::bus::stats::BusStats;
use crate::bus::subscription::Subscription;
use crate::bus::types::{Bucket, KvEntry, Link, LogState};
use crate::bus::witness::Witness;
use crate::subject;
use grandstand_types::id::{Partition, RoomId};

/// A connection to the bus. Cheap to clone, and usable from several threads; clones share the connection.
#[derive(Debug, Clone)]
pub enum Bus {
    /// A NATS server or cluster.
    Nats(Nats),
    /// In this process, in memory or with a folder.
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
    /// Connects to NATS (`nats://host:4222`, several with commas), makes what streams and buckets are missing and
    /// checks those that are there. The connection lives in the current tokio runtime.
    ///
    /// # Errors
    /// Within about 5 s if it cannot be reached or is not as configured.
    pub async fn connect_nats(url: &str, options: &BusOptions) -> Result<Self, ConnectError> {
        Nats::connect(url, options).await.map(Self::Nats)
    }

    /// A bus of this process alone, in memory.
    ///
    /// # Errors
    /// If the options make no sense.
    pub fn embedded(options: &BusOptions) -> Result<Self, ConnectError> {
        Embedded::in_memory(options).map(Self::Embedded)
    }

    /// A bus of this process alone, whose log and buckets are kept in a folder (made if it is missing) and durable
    /// before they are acked; in memory without one.
    ///
    /// # Errors
    /// If the folder cannot be used, or another process uses it.
    pub async fn open_embedded(
        dir: Option<&Path>,
        options: &BusOptions,
    ) -> Result<Self, ConnectError> {
        match dir {
            Some(dir) => Embedded::open(dir, options).await.map(Self::Embedded),
            None => Self::embedded(options),
        }
    }

    /// A bus in memory for simulations: time is tokio's (so it can be paused) and begins at `Faults::start_ms`, and what
    /// can go wrong with NATS goes wrong as the plan's seed says. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// If the options make no sense.
    pub fn simulated(options: &BusOptions, faults: Faults) -> Result<Self, ConnectError> {
        Embedded::simulated(options, faults).map(Self::Embedded)
    }

    /// Connects to the NATS of a cluster that is there, to look at it: makes and checks no streams, and takes the numbers
    /// of partitions and streams from the cluster's record, whatever `options` say.
    ///
    /// # Errors
    /// If it cannot be reached, or there is no cluster.
    pub async fn inspect_nats(url: &str, options: &BusOptions) -> Result<Self, ConnectError> {
        Nats::inspect(url, options).await.map(Self::Nats)
    }

    /// Opens a folder that is there, to look at it: with the partitions and streams that it has, and without removing
    /// what is too old.
    ///
    /// # Errors
    /// If there is nothing in it, or another process uses it.
    pub async fn inspect_folder(dir: &Path, options: &BusOptions) -> Result<Self, ConnectError> {
        Embedded::inspect(dir, options).await.map(Self::Embedded)
    }

    /// How many partitions rooms are hashed to.
    pub fn partitions(&self) -> u16 {
        either!(self, bus => bus.partitions())
    }

    /// The most bytes that a message, an entry or a value may have.
    pub fn max_payload(&self) -> usize {
        either!(self, bus => bus.max_payload())
    }

    /// Whether the bus can be reached, and changes of that.
    pub fn link(&self) -> watch::Receiver<Link> {
        either!(self, bus => bus.link())
    }

    /// Counters of this connection.
    pub fn stats(&self) -> &BusStats {
        either!(self, bus => bus.stats())
    }

    /// Sends a message, at most once, in order per caller and subject. Waits while the connection takes no more.
    ///
    /// # Errors
    /// If it cannot be sent. That it could says nothing about its arrival.
    pub async fn publish(&self, subject: String, payload: Bytes) -> Result<(), PublishError> {
        either!(self, bus => bus.publish(subject, payload).await)
    }

    /// Waits until the server has all that was published before.
    ///
    /// # Errors
    /// If there is no connection, or it was lost meanwhile.
    pub async fn flush(&self) -> Result<(), BusError> {
        match self {
            Self::Nats(bus) => bus.flush().await,
            Self::Embedded(_) => Ok(()),
        }
    }

    /// Subscribes to a pattern (`*` one token, a last `>` the rest). The server has it when this returns.
    ///
    /// # Errors
    /// If there is no connection, or `pattern` is none.
    pub async fn subscribe(
        &self,
        pattern: &str,
        capacity: usize,
    ) -> Result<Subscription, BusError> {
        either!(self, bus => bus.subscribe(pattern, capacity).await)
    }

    /// Asks somebody who listens on `subject`, who answers by publishing to [`Message::reply`](crate::bus::Message).
    ///
    /// # Errors
    /// At once if nobody listens or the connection is (or gets) lost; else after `timeout`.
    pub async fn request(
        &self,
        subject: String,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, RequestError> {
        either!(self, bus => bus.request(subject, payload, timeout).await)
    }

    /// A second way to ask, over another server, where there is one. Made once and kept: it takes a while to connect.
    pub fn witness(&self) -> Witness {
        match self {
            Self::Nats(bus) => Witness::nats(bus.second()),
            Self::Embedded(_) => Witness::none(),
        }
    }

    /// Appends to the log (`in.{p}.{room}`). Appends of one caller are sent in the order in which this returns; the
    /// receipt says later that the entry is stored, and where.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub async fn append(&self, subject: String, payload: Bytes) -> Result<Receipt, PublishError> {
        either!(self, bus => bus.append(subject, payload).await)
    }

    /// Where the stream that holds a partition's log begins and ends.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub async fn log_state(&self, partition: Partition) -> Result<LogState, BusError> {
        either!(self, bus => bus.log_state(partition).await)
    }

    /// Reads the entries of a partition from sequence `from` on (from the first one there if older ones are gone), then
    /// those that come.
    ///
    /// # Errors
    /// If it cannot be begun.
    pub async fn read_log(&self, partition: Partition, from: u64) -> Result<LogReader, BusError> {
        self.open_log(partition, None, from).await
    }

    /// The same, but only the entries of one room. What is said of the numbers behind an entry, and of
    /// [`Read::Idle`](crate::bus::Read), is said of that room's entries.
    ///
    /// # Errors
    /// If it cannot be begun.
    pub async fn read_room(&self, room: &RoomId, from: u64) -> Result<LogReader, BusError> {
        let partition = room.partition(self.partitions());
        let subject = Some(subject::log(partition, room));
        self.open_log(partition, subject, from).await
    }

    async fn open_log(
        &self,
        partition: Partition,
        subject: Option<String>,
        from: u64,
    ) -> Result<LogReader, BusError> {
        let source = match self {
            Self::Nats(bus) => Source::Nats(bus.read_log(partition, subject, from).await?),
            Self::Embedded(bus) => Source::Embedded(bus.read_log(partition, subject, from).await?),
        };
        Ok(LogReader(source))
    }

    /// A key's value, or the marker of its deletion. Never an older one than was acked.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<KvEntry>, BusError> {
        either!(self, bus => bus.get(bucket, key).await)
    }

    /// Puts a value if the key still has revision `expected` (0: it was never written, or its marker has expired), and
    /// gives its new one.
    ///
    /// # Errors
    /// See [`PutError`]: [`PutError::Unknown`] may have been put.
    pub async fn put_if(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        expected: u64,
    ) -> Result<u64, PutError> {
        self.start_put_if(bucket, key, value, expected).await?.await
    }

    /// The same, pipelined like [`append`](Self::append).
    ///
    /// # Errors
    /// If it cannot be sent.
    pub async fn start_put_if(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        expected: u64,
    ) -> Result<PutReceipt, PublishError> {
        either!(self, bus => bus.start_put_if(bucket, key, value, expected).await)
    }

    /// Replaces a key that still has revision `expected` by a marker that it was deleted, which expires after `ttl`
    /// (whole seconds, rounded up), and gives the marker's revision.
    ///
    /// # Errors
    /// See [`PutError`].
    pub async fn delete_if(
        &self,
        bucket: Bucket,
        key: &str,
        expected: u64,
        ttl: Duration,
    ) -> Result<u64, PutError> {
        either!(self, bus => bus.start_delete_if(bucket, key, expected, ttl).await)?.await
    }

    /// Reads the keys that begin with `prefix` (empty: all; else whole tokens with their dot, as `7.`): their current
    /// values and markers, then changes.
    ///
    /// # Errors
    /// If it cannot be begun.
    pub async fn watch(&self, bucket: Bucket, prefix: &str) -> Result<KvReader, BusError> {
        let source = match self {
            Self::Nats(bus) => Source::Nats(bus.watch(bucket, prefix).await?),
            Self::Embedded(bus) => Source::Embedded(bus.watch(bucket, prefix).await?),
        };
        Ok(KvReader(source))
    }
}
