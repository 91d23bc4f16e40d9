//! The operations of a bus whose durations are measured.

/// An operation whose duration is measured. Only successes count: a failure takes as long as its deadline says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// An append to the log, until it is stored.
    Append,
    /// A read of a key.
    KvGet,
    /// A write of a key, until it is stored.
    KvPut,
    /// The start of a reader of the log or of keys.
    Read,
    /// A message that nobody acknowledges, until the connection has taken it.
    Publish,
}

impl Operation {
    /// All of them, each at its place.
    pub const ALL: [Self; 5] = [
        Self::Append,
        Self::KvGet,
        Self::KvPut,
        Self::Read,
        Self::Publish,
    ];

    /// The value of the label `operation`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::KvGet => "kv_get",
            Self::KvPut => "kv_put",
            Self::Read => "read",
            Self::Publish => "publish",
        }
    }
}
