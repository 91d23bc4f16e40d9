//! The reasons why the bus cannot be opened, or its store fails.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bus::error::BusError;
use crate::bus::types::BusRole;
use crate::exit::{Exit, ExitError};

/// The reason why the bus cannot be opened. Each text is one line: what is wrong, where, and how to fix it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The options contradict each other.
    #[error("bad bus options: {0}")]
    Options(&'static str),
    /// The text is not an address.
    #[error("the NATS address {url:?} {reason}; write it like nats://host:4222")]
    BadUrl {
        /// The address, without its password.
        url: String,
        /// The fault of the address.
        reason: String,
    },
    /// The credentials file cannot be used.
    #[error("cannot use the NATS credentials {}: {cause}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// Two logins are given, of which NATS takes one.
    #[error(
        "the NATS address names a user or token, and {} gives credentials: use one of them", path.display()
    )]
    TwoLogins {
        /// The credentials file.
        path: PathBuf,
    },
    /// No answer from the address, or an answer that is not from NATS.
    #[error("cannot connect to NATS at {url}: {cause}; is it running, and is the address right?")]
    Unreachable {
        /// The address, without its password.
        url: String,
        /// The cause.
        cause: async_nats::ConnectError,
    },
    /// The server refuses the login, or wants one.
    #[error(
        "NATS at {url} refuses the login: {cause}; check the user or token in the address, or the credentials file"
    )]
    Login {
        /// The address, without its password.
        url: String,
        /// The cause.
        cause: async_nats::ConnectError,
    },
    /// The server did not answer in time.
    #[error(
        "cannot connect to NATS at {url}: no answer within {} s; is the address right, and is it NATS that listens there?",
        after.as_secs()
    )]
    TimedOut {
        /// The address, without its password.
        url: String,
        /// The time waited.
        after: Duration,
    },
    /// The server lacks a needed feature.
    #[error("NATS at {url} is version {version}; 2.11 or newer is needed (per-message TTL)")]
    TooOld {
        /// The address, without its password.
        url: String,
        /// The server's version.
        version: String,
    },
    /// The server's limit of a message is too low.
    #[error(
        "NATS at {url} has max_payload {max}, but at least {least} is needed: raise max_payload in its configuration \
         (config/nats.conf has 1MB)"
    )]
    PayloadTooSmall {
        /// The address, without its password.
        url: String,
        /// The server's limit.
        max: usize,
        /// The least usable limit.
        least: usize,
    },
    /// JetStream is not enabled on the server.
    #[error(
        "NATS at {url} does not answer for JetStream: enable it (`jetstream {{ store_dir: … }}`)"
    )]
    NoJetStream {
        /// The address, without its password.
        url: String,
    },
    /// A stream cannot be read or created.
    #[error("cannot set up the stream {stream}: {cause}")]
    Setup {
        /// The stream.
        stream: String,
        /// The cause.
        cause: BusError,
    },
    /// No worker has created the cluster's streams yet.
    #[error(
        "the stream {stream} does not exist yet: a worker creates it when it starts; is one running, with the same \
         cluster.name?"
    )]
    NotSetUp {
        /// The stream.
        stream: String,
    },
    /// A file for TLS cannot be used.
    #[error("cannot use the file for TLS to NATS {}: {cause}", path.display())]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: String,
    },
    /// The user lacks permissions.
    #[error(
        "NATS at {url} does not permit the user of this {role} to {what}: {words}; add it to the user's permissions in the \
         configuration of NATS (config/nats.conf has them all)"
    )]
    Denied {
        /// The address, without its password.
        url: String,
        /// The role of the process, in the words of docs/operations.md.
        role: BusRole,
        /// The missing permissions.
        what: String,
        /// The server's first words about them.
        words: String,
    },
    /// JetStream is disabled for the account.
    #[error(
        "NATS at {url} has JetStream disabled for the account of this user: enable it for the account, or use a user of \
         another one"
    )]
    NoJetStreamForAccount {
        /// The address, without its password.
        url: String,
    },
    /// The streams belong to a cluster with other numbers.
    #[error(
        "cluster.partitions is {partitions} and cluster.streams {streams}, but the stream {stream} was made for others \
         (it has {found} partitions, not {wanted}): set both as the cluster's other processes have them, or use \
         another NATS account"
    )]
    OtherCluster {
        /// The configured number of partitions.
        partitions: u16,
        /// The configured number of streams.
        streams: u16,
        /// The stream.
        stream: String,
        /// The number of its partitions.
        found: usize,
        /// The expected number of its partitions.
        wanted: usize,
    },
    /// This process and the cluster speak different versions of the bus protocol.
    #[error(
        "this process speaks bus protocol {own}, the cluster {theirs}: run a build that speaks {theirs}, or use another \
         NATS account"
    )]
    OtherProtocol {
        /// The version that this process speaks.
        own: u32,
        /// The version that the cluster speaks.
        theirs: u32,
    },
    /// The server cannot replicate streams.
    #[error(
        "cluster.replicas is {replicas}, but NATS at {url} is not a cluster: set it to 1, or give three servers a \
         `cluster` block each (config/nats.conf)"
    )]
    NoCluster {
        /// The address, without its password.
        url: String,
        /// The configured number of replicas.
        replicas: usize,
    },
    /// A stream or folder was created with other settings.
    #[error("{what} has {field} {found}, but {wanted} is required: {fix}")]
    Mismatch {
        /// The stream or folder.
        what: String,
        /// The setting.
        field: &'static str,
        /// Its value.
        found: String,
        /// The expected value.
        wanted: String,
        /// The remedy.
        fix: String,
    },
    /// There is nothing to inspect.
    #[error("there is no Grandstand in {place}: no process has run there")]
    NothingThere {
        /// The servers, or the folder.
        place: String,
    },
    /// The data is of another version of the bus.
    #[error(
        "{place} has {found}; this program reads {wanted}: use the matching version of the program"
    )]
    OtherVersion {
        /// The servers, or the folder.
        place: String,
        /// The version found.
        found: String,
        /// The version that this program reads.
        wanted: String,
    },
    /// Another process uses the folder.
    #[error(
        "the data folder {} is in use by another process: end that one, or use another folder", dir.display()
    )]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder cannot be used.
    #[error(
        "cannot use the data folder {}: {cause}; name a writable folder", dir.display()
    )]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// The folder's disk is full or fails.
    #[error(transparent)]
    Disk(#[from] StoreFailure),
    /// Something in the folder is damaged or missing.
    #[error(
        "the data folder {} is damaged: {what}; lost: {lost}; nothing was changed: restore the folder \
         from a backup, or start with --accept-loss to continue without the lost data (the damaged files are kept)",
        dir.display()
    )]
    Damaged {
        /// The folder.
        dir: PathBuf,
        /// The damaged parts, and how they are damaged.
        what: String,
        /// The lost records.
        lost: String,
    },
}

/// The reason why the store of an embedded bus failed. It accepts nothing more; the process should end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreFailure {
    /// No space is left.
    #[error(
        "the disk of {} is full ({cause}); everything that was acked is stored: free space there and start again",
        dir.display()
    )]
    Full {
        /// The folder.
        dir: PathBuf,
        /// The cause.
        cause: String,
    },
    /// The disk cannot be read or written.
    #[error(
        "the disk of {} fails ({cause}); everything that was acked is stored: check the disk and start again",
        dir.display()
    )]
    Fails {
        /// The folder.
        dir: PathBuf,
        /// The cause.
        cause: String,
    },
    /// A record was damaged while the store was open.
    #[error("the data folder {} is damaged: {what}; start again for a report of what is lost", dir.display())]
    Damaged {
        /// The folder.
        dir: PathBuf,
        /// The damage.
        what: String,
    },
}

/// The bytes below which a disk counts as full.
const FULL_BYTES: u64 = 1 << 20;

impl StoreFailure {
    pub(crate) fn disk(dir: &Path, error: &io::Error) -> Self {
        let dir = dir.to_owned();
        let cause = error.to_string();
        if is_full(error) || !has_space(&dir) {
            Self::Full { dir, cause }
        } else {
            Self::Fails { dir, cause }
        }
    }

    /// An error of the store: a full disk, a failing one, or damage.
    pub(crate) fn store(dir: &Path, error: &fjall::Error) -> Self {
        match error {
            fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
                Self::disk(dir, error)
            }
            // The store does not say why a write in its background failed.
            fjall::Error::Poisoned => Self::disk(dir, &io::Error::other("a write failed before")),
            error => Self::Damaged {
                dir: dir.to_owned(),
                what: error.to_string(),
            },
        }
    }
}

impl ExitError for StoreFailure {
    fn exit(&self) -> Exit {
        match self {
            Self::Full { .. } | Self::Fails { .. } => Exit::Disk,
            Self::Damaged { .. } => Exit::Damaged,
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

/// Whether the disk of a folder has space left, as far as the system says.
fn has_space(dir: &Path) -> bool {
    let free = rustix::fs::statvfs(dir).map(|disk| disk.f_bavail * disk.f_frsize);
    free.is_ok_and(|bytes| bytes >= FULL_BYTES)
}

impl ConnectError {
    /// The error of a folder that cannot be used.
    pub(crate) fn folder(dir: &Path, cause: io::Error) -> Self {
        let is_broken = cause.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error());
        if is_full(&cause) || is_broken {
            StoreFailure::disk(dir, &cause).into()
        } else {
            Self::Folder {
                dir: dir.to_owned(),
                cause,
            }
        }
    }

    /// The error of a store that is whole and cannot be opened all the same.
    pub(crate) fn store(dir: &Path, cause: fjall::Error) -> Self {
        match cause {
            fjall::Error::Io(cause) => Self::folder(dir, cause),
            cause => StoreFailure::store(dir, &cause).into(),
        }
    }
}

impl ExitError for ConnectError {
    fn exit(&self) -> Exit {
        match self {
            Self::Setup {
                cause: BusError::Denied { .. },
                ..
            } => Exit::Config,
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::NoJetStream { .. }
            | Self::Setup { .. }
            | Self::NotSetUp { .. }
            | Self::Locked { .. } => Exit::Unavailable,
            Self::Credentials { .. } | Self::TlsFile { .. } | Self::NothingThere { .. } => {
                Exit::NoInput
            }
            Self::Options(_)
            | Self::BadUrl { .. }
            | Self::TwoLogins { .. }
            | Self::Login { .. }
            | Self::TooOld { .. }
            | Self::PayloadTooSmall { .. }
            | Self::Denied { .. }
            | Self::NoJetStreamForAccount { .. }
            | Self::OtherCluster { .. }
            | Self::NoCluster { .. }
            | Self::OtherVersion { .. }
            | Self::OtherProtocol { .. }
            | Self::Mismatch { .. }
            | Self::Folder { .. } => Exit::Config,
            Self::Disk(failure) => failure.exit(),
            Self::Damaged { .. } => Exit::Damaged,
        }
    }
}
