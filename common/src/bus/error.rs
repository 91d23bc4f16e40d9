//! Errors of the bus, per operation.

/// The reason why an answer is missing. The request may or may not have been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The connection was lost before the answer came.
    #[error("the connection was lost before the answer came")]
    Disconnected,
    /// No answer came in time.
    #[error("no answer came in time")]
    Deadline,
}

/// The reason why a message was not sent.
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
    /// The user may not publish on the subject.
    #[error("NATS denies it: {0}")]
    Denied(String),
    /// The folder was opened to inspect it.
    #[error("the folder is open for reading only")]
    ReadOnly,
}

/// The reason why an append failed. The entry may be in the log, except after [`AppendError::Unavailable`] and
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

/// The meaning of a failed append for its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendFailure {
    /// The entry may be appended again soon: an outage, or an unknown result.
    Retry,
    /// The log takes no entries, because it is full or NATS denies them. It may be appended again once that has changed.
    Full,
    /// The entry exceeds a size limit. Appending it again fails again.
    TooBig,
}

/// Error codes of a server without space for an entry.
const NO_SPACE: [u32; 3] = [10_023, 10_028, 10_047];
/// The error code of a stream that cannot store an entry; the text tells why.
const NOT_STORED: u32 = 10_077;
/// The error code of an entry that exceeds the stream's `max_msg_size`.
const TOO_BIG: u32 = 10_054;

impl PublishError {
    /// The meaning of the failure for the entry of an append.
    pub fn failure(&self) -> AppendFailure {
        match self {
            Self::TooBig { .. } => AppendFailure::TooBig,
            Self::Denied(_) => AppendFailure::Full,
            Self::Disconnected | Self::BadSubject(_) | Self::StoreFailed | Self::ReadOnly => {
                AppendFailure::Retry
            }
        }
    }
}

impl AppendError {
    /// The meaning of the failure for the entry.
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

/// The reason why a put failed.
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

/// The reason why a request has no answer.
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

/// The reason why a read failed.
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
    /// The user may not publish on the subject.
    #[error(
        "NATS denies it: {words}; docs/operations.md, \"Permissions in NATS\", has all permissions"
    )]
    Denied {
        /// The server's words.
        words: String,
    },
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
    /// A value cannot be encoded.
    #[error("{0} cannot be encoded")]
    NotEncoded(&'static str),
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
            PublishError::Denied(words) => Self::Denied { words },
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
