//! Options of the bus.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use grandstand_types::layout::Layout;

use crate::bus::connect_error::ConnectError;
use crate::bus::nats_errors::NatsErrors;
use crate::bus::types::{Bucket, BusRole};
use crate::supervisor::Supervisor;

/// The time that a receipt of an append or a put waits for its answer.
pub(crate) const RECEIPT_DEADLINE: Duration = Duration::from_secs(5);

/// The times for which the log may keep an entry, in seconds.
pub const LOG_MAX_AGE_S: RangeInclusive<u64> = 600..=31_536_000;

/// The time that the stream of what games emit keeps an item.
pub(crate) const OUT_MAX_AGE: Duration = Duration::from_secs(7 * 86_400);

/// The time for which that stream knows the ids of its items.
pub(crate) const OUT_REPEAT_WINDOW: Duration = Duration::from_secs(120);

/// The interval of heartbeats on an idle reader. After two missing ones the reader is lost.
pub(crate) const IDLE_HEARTBEAT: Duration = Duration::from_millis(250);

/// The share of each partition in the interval of heartbeats on idle readers of the log: with 256 partitions a second, so
/// that all of them together cost NATS 250 messages a second.
const HEARTBEAT_SHARE: Duration = Duration::from_millis(4);
/// The longest interval of heartbeats on an idle reader of the log.
const MAX_HEARTBEAT: Duration = Duration::from_secs(1);

/// The interval of heartbeats on an idle reader of the log, if there are so many partitions.
pub(crate) fn log_heartbeat(partitions: u16) -> Duration {
    (HEARTBEAT_SHARE * u32::from(partitions)).clamp(IDLE_HEARTBEAT, MAX_HEARTBEAT)
}

/// The limit of each stream of the log, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLimit {
    /// At most 8 GiB, and all streams together at most half of the storage that NATS has left, so that buckets always
    /// have space.
    Share,
    /// A number of bytes.
    Bytes(u64),
    /// No limit but the server's.
    Unlimited,
}

/// Options of the bus.
#[derive(Debug, Clone)]
pub struct BusOptions {
    /// The number of streams of the log, and of buckets of rooms' snapshots, of a cluster or folder that is created.
    pub streams: u16,
    /// The number of partitions that rooms are hashed to, of a cluster or folder that is created.
    pub partitions: u16,
    /// The time that the log keeps an entry.
    pub log_max_age: Duration,
    /// NATS only: the limit of each stream of the log, when it is created. Entries over the limit are refused, and
    /// appended again until there is room.
    pub log_limit: LogLimit,
    /// NATS only: the number of servers that keep each stream (1, 3 or 5).
    pub replicas: usize,
    /// NATS only: where streams are stored.
    pub storage: Storage,
    /// The connection's name in the `nats` tool.
    pub name: String,
    /// NATS only: the name of the cluster, which is a part of all names in NATS; empty for none.
    pub cluster: String,
    /// NATS only: a `.creds` file or a file with the seed of an nkey, if the server requires one.
    pub credentials: Option<PathBuf>,
    /// NATS only: the files for TLS.
    pub tls: TlsFiles,
    /// NATS only: the role of the process, which decides what it needs to be permitted and where it is answered; `None`
    /// for tests and benches, which may do everything.
    pub role: Option<BusRole>,
    /// NATS only: whether the permissions of the role are tried when the connection is made.
    pub trial: bool,
    /// NATS only: the most time for setting streams up; `None` for 5 s, or 30 s in a cluster.
    pub set_up_deadline: Option<Duration>,
    /// NATS only: what NATS refuses. Connections of one process share it.
    pub errors: NatsErrors,
    /// NATS only: the most messages in a subscription of the client library, in front of the tasks that pass them on.
    pub library_capacity: usize,
    /// NATS only: creates and checks no streams.
    pub inspect_only: bool,
    /// Starts the tasks and threads of the bus.
    pub supervisor: Supervisor,
    /// Embedded only: the most bytes of the log in memory. Without a folder, older entries are gone; with one, they are
    /// read from it.
    pub log_memory: usize,
    /// Embedded only: continues without the lost data of a damaged folder, instead of refusing to open it.
    pub accept_loss: bool,
}

/// The server's flow control allows at most 32 MiB in flight to a reader, and a message has about 100 bytes with its
/// subject: at most 335,000 messages. Slots are allocated on demand.
const LIBRARY_CAPACITY: usize = 512 * 1024;

/// The PEM files for TLS to NATS. Each is `None` unless it is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificates of the authority that signed the server's, instead of those that the system trusts.
    pub ca: Option<PathBuf>,
    /// The certificate of this process and its chain, and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    /// Whether TLS is configured.
    pub fn any(&self) -> bool {
        self.ca.is_some() || self.client.is_some()
    }
}

/// The storage of streams in NATS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// In files, which survive a restart.
    File,
    /// In memory, for tests and benches.
    Memory,
}

impl Default for BusOptions {
    fn default() -> Self {
        Self {
            streams: 4,
            partitions: 256,
            log_max_age: Duration::from_secs(3600),
            log_limit: LogLimit::Share,
            replicas: 1,
            storage: Storage::File,
            name: "grandstand".to_owned(),
            cluster: String::new(),
            credentials: None,
            tls: TlsFiles::default(),
            role: None,
            trial: true,
            set_up_deadline: None,
            errors: NatsErrors::default(),
            library_capacity: LIBRARY_CAPACITY,
            inspect_only: false,
            supervisor: Supervisor::default(),
            log_memory: 256 << 20,
            accept_loss: false,
        }
    }
}

impl BusOptions {
    /// Checks that the numbers are consistent.
    pub(crate) fn check(&self) -> Result<(), ConnectError> {
        if self.partitions == 0 || self.streams == 0 || self.streams > self.partitions {
            return Err(ConnectError::Options(
                "streams must be at least 1 and at most partitions",
            ));
        }
        if self.log_max_age < Duration::from_secs(1) {
            return Err(ConnectError::Options("log_max_age must be at least 1 s"));
        }
        Ok(())
    }

    /// Whether the process creates what is missing in NATS. Edges, archives and outlets may not, and wait for a worker.
    pub(crate) fn creates(&self) -> bool {
        !matches!(
            self.role,
            Some(
                BusRole::Edge
                    | BusRole::Archive
                    | BusRole::Outlet
                    | BusRole::Tool
                    | BusRole::Operator
            )
        )
    }

    /// The layout of a cluster or folder that is created.
    pub(crate) fn layout(&self) -> Layout {
        Layout::new(self.partitions, self.streams)
    }
}

/// The bucket's name, as the `nats` tool shows it.
pub(crate) fn bucket_name(layout: &Layout, bucket: Bucket) -> String {
    match bucket {
        Bucket::Rooms(partition) => format!("rooms_{}", layout.stream_of(partition)),
        Bucket::Workers => "workers".to_owned(),
        Bucket::Leases => "leases".to_owned(),
        Bucket::Quarantine => "quarantine".to_owned(),
        Bucket::Cluster => "cluster".to_owned(),
        Bucket::Revocations => "revocations".to_owned(),
        Bucket::Worlds => "worlds".to_owned(),
        Bucket::Outlet => "outlet".to_owned(),
        Bucket::Listings => "listings".to_owned(),
    }
}

/// All buckets, each once: those of rooms first. Folders of older programs lack the last ones.
pub(crate) fn buckets(layout: &Layout) -> Vec<Bucket> {
    let mut all: Vec<_> = (0..usize::from(layout.streams))
        .map(|index| Bucket::Rooms(layout.partition(index)))
        .collect();
    all.extend([
        Bucket::Workers,
        Bucket::Leases,
        Bucket::Quarantine,
        Bucket::Cluster,
        Bucket::Revocations,
        Bucket::Worlds,
        Bucket::Outlet,
        Bucket::Listings,
    ]);
    all
}

/// A time to live in whole seconds, at least one, as NATS counts it.
pub(crate) fn whole_seconds(ttl: Duration) -> u64 {
    (ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0)).max(1)
}
