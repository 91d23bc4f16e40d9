//! What can go wrong on the bus, per operation.

use std::path::PathBuf;
use std::time::Duration;

use crate::exit::Exit;

/// Why there is no bus. One line each that says what, where, and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The options contradict themselves.
    #[error("bad bus options: {0}")]
    Options(&'static str),
    /// Not an address.
    #[error("{url:?} is not a NATS address (nats://host:4222): {reason}")]
    BadUrl {
        /// The address, without its password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The credentials file cannot be used.
    #[error("cannot use the NATS credentials {}: {cause}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Nobody answers there, or not as NATS does.
    #[error("cannot connect to NATS at {url}: {cause}; is it running, and is the address right?")]
    Unreachable {
        /// The address, without its password.
        url: String,
        /// Why.
        cause: async_nats::ConnectError,
    },
    /// It took too long.
    #[error(
        "cannot connect to NATS at {url}: no answer within {} s; is the address right, and is it NATS that listens there?",
        after.as_secs()
    )]
    TimedOut {
        /// The address, without its password.
        url: String,
        /// How long was waited.
        after: Duration,
    },
    /// The server lacks what is needed.
    #[error("NATS at {url} is version {version}; 2.11 or newer is needed (per-message TTL)")]
    TooOld {
        /// The address, without its password.
        url: String,
        /// The server's version.
        version: String,
    },
    /// The server has no JetStream.
    #[error(
        "NATS at {url} does not answer for JetStream: enable it (`jetstream {{ store_dir: … }}`)"
    )]
    NoJetStream {
        /// The address, without its password.
        url: String,
    },
    /// A stream could not be looked at or made.
    #[error("cannot set up the stream {stream}: {cause}")]
    Setup {
        /// Which stream.
        stream: String,
        /// Why.
        cause: BusError,
    },
    /// What is there is of a cluster with other numbers.
    #[error(
        "cluster.partitions is {partitions} and cluster.streams {streams}, but the stream {stream} was made for others \
         (it has {found} partitions, not {wanted}): set both as the cluster's other processes have them, or use \
         another NATS account"
    )]
    OtherCluster {
        /// What is configured.
        partitions: u16,
        /// What is configured.
        streams: u16,
        /// Which stream.
        stream: String,
        /// How many partitions it has.
        found: usize,
        /// How many it should have.
        wanted: usize,
    },
    /// Streams cannot be replicated there.
    #[error(
        "cluster.replicas is {replicas}, but NATS at {url} is not a cluster: set it to 1, or give three servers a \
         `cluster` block each (config/nats.conf)"
    )]
    NoCluster {
        /// The address, without its password.
        url: String,
        /// What is configured.
        replicas: usize,
    },
    /// What is there was made with other settings.
    #[error("{what} has {field} {found}, but {wanted} is wanted: {fix}")]
    Mismatch {
        /// The stream, or the folder.
        what: String,
        /// Which setting.
        field: &'static str,
        /// What it is.
        found: String,
        /// What it should be.
        wanted: String,
        /// What to do.
        fix: String,
    },
    /// There is nothing to look at.
    #[error("there is no Grandstand in {place}: no process has run there")]
    NothingThere {
        /// The servers, or the folder.
        place: String,
    },
    /// What is there is of another version of the bus.
    #[error("{place} has {found}; this program reads {wanted}: use the program that goes with it")]
    OtherVersion {
        /// The servers, or the folder.
        place: String,
        /// What it has.
        found: String,
        /// What this program can read.
        wanted: String,
    },
    /// Another process has the folder.
    #[error(
        "the data folder {} is in use by another process: end that one, or use another folder", dir.display()
    )]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder cannot be used.
    #[error(
        "cannot use the data folder {}: {cause}; name a folder that can be written to", dir.display()
    )]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// What is in the folder cannot be read.
    #[error("cannot open the store in {}: {cause}", dir.display())]
    Store {
        /// The folder.
        dir: PathBuf,
        /// Why.
        cause: Box<fjall::Error>,
    },
    /// A record in the folder is not what it should be.
    #[error(
        "the data folder {} is damaged: {what}; nothing was changed: put a copy of the folder in its place, or name \
         an empty folder to begin anew", dir.display()
    )]
    Damaged {
        /// The folder.
        dir: PathBuf,
        /// Which record, and what is wrong with it.
        what: String,
    },
}

impl ConnectError {
    /// The code that the process ends with.
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
            | Self::TooOld { .. }
            | Self::OtherCluster { .. }
            | Self::NoCluster { .. }
            | Self::OtherVersion { .. }
            | Self::Mismatch { .. }
            | Self::Folder { .. }
            | Self::Store { .. }
            | Self::Damaged { .. } => Exit::Config,
        }
    }
}

/// Why an answer did not come: whether the request was carried out is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The connection was lost before the answer came.
    #[error("the connection was lost before the answer came")]
    Disconnected,
    /// No answer came in time.
    #[error("no answer came in time")]
    Deadline,
}

/// Why something was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There is no connection now.
    #[error("there is no connection")]
    Disconnected,
    /// More than one message may carry.
    #[error("{size} bytes are more than the {max} that a message may have")]
    TooBig {
        /// How many bytes.
        size: usize,
        /// How many are allowed.
        max: usize,
    },
    /// Nothing can be sent there (empty token, space, wildcard).
    #[error("{0:?} is no subject or key")]
    BadSubject(String),
    /// The folder's disk failed; nothing is stored any more.
    #[error("the store failed and takes nothing more")]
    StoreFailed,
}

/// Why an entry may not be in the log. It may be, except after [`AppendError::Unavailable`] and
/// [`AppendError::Refused`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// No answer.
    #[error(transparent)]
    Unknown(#[from] Unanswered),
    /// There is no stream for it now (JetStream is down, has no leader, or the stream is gone).
    #[error("no stream takes it")]
    Unavailable,
    /// The server refused it.
    #[error("refused: {description} ({code})")]
    Refused {
        /// The server's error code.
        code: u32,
        /// What it says.
        description: String,
    },
}

/// Why a value may not have been put.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// The key has another revision than was expected: not put.
    #[error("the key has another revision")]
    WrongRevision,
    /// No answer: it may or may not have been put.
    #[error(transparent)]
    Unknown(#[from] Unanswered),
    /// It was not even sent: not put.
    #[error(transparent)]
    NotSent(#[from] PublishError),
    /// There is no bucket for it now: not put.
    #[error("no bucket takes it")]
    Unavailable,
    /// The server refused it: not put.
    #[error("refused: {description} ({code})")]
    Refused {
        /// The server's error code.
        code: u32,
        /// What it says.
        description: String,
    },
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Nobody listens there. Known at once.
    #[error("nobody listens there")]
    NoResponders,
    /// No answer within the time.
    #[error("no answer in time")]
    Timeout,
    /// There is no connection, or it was lost before the answer came.
    #[error("there is no connection")]
    Disconnected,
    /// It could not be sent.
    #[error(transparent)]
    NotSent(PublishError),
}

/// Why something cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// There is no connection, or it was lost.
    #[error("there is no connection")]
    Disconnected,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// Nobody answers for it now (JetStream is down or has no leader).
    #[error("the service is not available")]
    Unavailable,
    /// There is no such stream or bucket.
    #[error("there is no such stream")]
    NoStream,
    /// Not a subject, pattern, key or prefix.
    #[error("{0:?} is no subject, key or prefix")]
    BadSubject(String),
    /// Something else that the server says.
    #[error("{description} ({code})")]
    Server {
        /// The server's error code; 0 if it has none.
        code: u32,
        /// What it says.
        description: String,
    },
    /// An answer that cannot be read.
    #[error("an answer cannot be read: {0}")]
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
            PublishError::StoreFailed => Self::StoreFailed,
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
