//! Errors of the bus, per operation.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::exit::Exit;

/// Why the bus cannot be opened. Each text is one line: what is wrong, where, and how to fix it.
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
        "the data folder {} is damaged: {what}; lost: {lost}; nothing was changed: put a copy of the folder in its place, \
         or start with --accept-loss to go on without what is lost (the damaged files are kept in the folder)",
        dir.display()
    )]
    Damaged {
        /// The folder.
        dir: PathBuf,
        /// What is damaged, and how.
        what: String,
        /// What is lost.
        lost: String,
    },
}

/// Why the store of an embedded bus failed. It accepts nothing more; the process should end.
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
    /// An error of the disk.
    pub(crate) fn disk(dir: &Path, error: &io::Error) -> Self {
        let (dir, cause) = (dir.to_owned(), error.to_string());
        match is_full(error) || !has_space(&dir) {
            true => Self::Full { dir, cause },
            false => Self::Fails { dir, cause },
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

    /// The exit code of the process.
    pub fn exit(&self) -> Exit {
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
        match is_full(&cause) || is_broken {
            true => StoreFailure::disk(dir, &cause).into(),
            false => Self::Folder {
                dir: dir.to_owned(),
                cause,
            },
        }
    }

    /// The error of a store that is whole and cannot be opened all the same.
    pub(crate) fn store(dir: &Path, cause: fjall::Error) -> Self {
        match cause {
            fjall::Error::Io(cause) => Self::folder(dir, cause),
            cause => StoreFailure::store(dir, &cause).into(),
        }
    }

    /// The exit code of the process.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::NoJetStream { .. }
            | Self::Setup { .. }
            | Self::Locked { .. } => Exit::Unavailable,
            Self::Credentials { .. } | Self::NothingThere { .. } => Exit::NoInput,
            Self::Options(_)
            | Self::BadUrl { .. }
            | Self::TwoLogins { .. }
            | Self::Login { .. }
            | Self::TooOld { .. }
            | Self::PayloadTooSmall { .. }
            | Self::OtherCluster { .. }
            | Self::NoCluster { .. }
            | Self::OtherVersion { .. }
            | Self::Mismatch { .. }
            | Self::Folder { .. } => Exit::Config,
            Self::Disk(failure) => failure.exit(),
            Self::Damaged { .. } => Exit::Damaged,
        }
    }
}

/// Why an answer is missing. The request may or may not have been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The connection was lost before the answer came.
    #[error("the connection was lost before the answer came")]
    Disconnected,
    /// No answer came in time.
    #[error("no answer came in time")]
    Deadline,
}

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There is no connection at the moment.
    #[error("there is no connection")]
    Disconnected,
    /// The message exceeds the maximum size.
    #[error("{size} bytes exceed the {max} bytes that a message may have")]
    TooBig {
        /// The message's bytes.
        size: usize,
        /// The most bytes allowed.
        max: usize,
    },
    /// The subject or key is invalid (empty token, space, wildcard).
    #[error("{0:?} is not a subject or key")]
    BadSubject(String),
    /// The folder's disk failed; nothing more is stored.
    #[error("the store failed and accepts nothing more")]
    StoreFailed,
    /// The folder was opened to inspect it.
    #[error("the folder is open for reading only")]
    ReadOnly,
}

/// Why an append failed. The entry may be in the log, except after [`AppendError::Unavailable`] and
/// [`AppendError::Refused`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The answer is missing.
    #[error(transparent)]
    Unknown(#[from] Unanswered),
    /// No stream accepts it at the moment: JetStream is down, has no leader, or the stream is gone.
    #[error("no stream accepts it")]
    Unavailable,
    /// The server refused it.
    #[error("refused: {description} ({code})")]
    Refused {
        /// The server's error code.
        code: u32,
        /// The server's text.
        description: String,
    },
}

/// What the failure of an append means for the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendFailure {
    /// It may be appended again soon: an outage, or an unknown result.
    Retry,
    /// The log is full. It may be appended again once there is space.
    Full,
    /// It exceeds a size limit. Appending it again fails again.
    TooBig,
}

/// Error codes of a server without space for an entry.
const NO_SPACE: [u32; 3] = [10_023, 10_028, 10_047];
/// The error code of a stream that cannot store an entry; the text tells why.
const NOT_STORED: u32 = 10_077;
/// The error code of an entry that exceeds the stream's `max_msg_size`.
const TOO_BIG: u32 = 10_054;

impl PublishError {
    /// What it means for the entry of an append.
    pub fn failure(&self) -> AppendFailure {
        match self {
            Self::TooBig { .. } => AppendFailure::TooBig,
            Self::Disconnected | Self::BadSubject(_) | Self::StoreFailed | Self::ReadOnly => {
                AppendFailure::Retry
            }
        }
    }
}

impl AppendError {
    /// What it means for the entry.
    pub fn failure(&self) -> AppendFailure {
        match self {
            Self::Refused { code: TOO_BIG, .. } => AppendFailure::TooBig,
            Self::Refused { code, .. } if NO_SPACE.contains(code) => AppendFailure::Full,
            Self::Refused {
                code: NOT_STORED,
                description,
            } if description.contains("maximum") => AppendFailure::Full,
            Self::Refused { .. } | Self::Unknown(_) | Self::Unavailable => AppendFailure::Retry,
        }
    }
}

/// Why a put failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// The key has another revision than expected. Not written.
    #[error("the key has another revision")]
    WrongRevision,
    /// The answer is missing. May or may not have been written.
    #[error(transparent)]
    Unknown(#[from] Unanswered),
    /// The value was not sent. Not written.
    #[error(transparent)]
    NotSent(#[from] PublishError),
    /// No bucket accepts it at the moment. Not written.
    #[error("no bucket accepts it")]
    Unavailable,
    /// The server refused it. Not written.
    #[error("refused: {description} ({code})")]
    Refused {
        /// The server's error code.
        code: u32,
        /// The server's text.
        description: String,
    },
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The subject has no subscriber. The error comes at once.
    #[error("nobody listens on the subject")]
    NoResponders,
    /// No answer came in time.
    #[error("no answer in time")]
    Timeout,
    /// There is no connection, or it was lost before the answer came.
    #[error("there is no connection")]
    Disconnected,
    /// The request could not be sent.
    #[error(transparent)]
    NotSent(PublishError),
}

/// Why a read failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// There is no connection, or it was lost.
    #[error("there is no connection")]
    Disconnected,
    /// No answer came in time.
    #[error("no answer in time")]
    Timeout,
    /// The service is unavailable: JetStream is down or has no leader.
    #[error("the service is unavailable")]
    Unavailable,
    /// The stream or bucket does not exist.
    #[error("the stream or bucket does not exist")]
    NoStream,
    /// The subject, pattern, key or prefix is invalid.
    #[error("{0:?} is not a subject, key or prefix")]
    BadSubject(String),
    /// Another error of the server.
    #[error("{description} ({code})")]
    Server {
        /// The server's error code; 0 if it has none.
        code: u32,
        /// The server's text.
        description: String,
    },
    /// An answer cannot be parsed.
    #[error("an answer cannot be parsed: {0}")]
    Malformed(&'static str),
    /// The folder's disk failed.
    #[error("the store cannot be read")]
    StoreFailed,
}

impl From<PublishError> for RequestError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Disconnected => Self::Disconnected,
            other => Self::NotSent(other),
        }
    }
}

impl From<RequestError> for BusError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::NoResponders => Self::Unavailable,
            RequestError::Timeout => Self::Timeout,
            RequestError::Disconnected => Self::Disconnected,
            RequestError::NotSent(error) => error.into(),
        }
    }
}

impl From<PublishError> for BusError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Disconnected => Self::Disconnected,
            PublishError::BadSubject(subject) => Self::BadSubject(subject),
            PublishError::StoreFailed | PublishError::ReadOnly => Self::StoreFailed,
            PublishError::TooBig { .. } => Self::Malformed("the request is too big"),
        }
    }
}

impl From<Unanswered> for RequestError {
    fn from(error: Unanswered) -> Self {
        match error {
            Unanswered::Disconnected => Self::Disconnected,
            Unanswered::Deadline => Self::Timeout,
        }
    }
}
