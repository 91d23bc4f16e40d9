//! Messages that are stored together, and the errors of storing.

use grandstand_common::bus::OutPosition;

use super::result::Item;

/// Messages of the stream in order, and the place behind the last one.
#[derive(Debug)]
pub(super) struct Batch {
    /// The place that the database must have, so that two processes never store the same results twice.
    pub(super) before: Option<OutPosition>,
    pub(super) after: OutPosition,
    pub(super) items: Vec<Item>,
}

/// The outcome of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) results: u64,
    /// Results that were there.
    pub(super) repeated: u64,
    pub(super) refused: u64,
}

impl Stored {
    /// Adds the counts of another batch.
    pub(super) fn add(&mut self, other: Self) {
        self.results += other.results;
        self.repeated += other.repeated;
        self.refused += other.refused;
    }
}

/// The reason why the database has not done something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum StoreError {
    /// The database is away, full, or refuses for another reason that may pass.
    #[error("{0}")]
    Unavailable(String),
    /// The database cannot represent a value. Storing that again fails again.
    #[error("the database cannot store it: {0}")]
    Value(String),
    /// Another process has stored results meanwhile.
    #[error("another process stores results in this database")]
    Moved,
    /// A later program has changed the tables.
    #[error(
        "the tables of the archive have version {found}, and this program knows versions up to {known}; run the program that \
         has changed them, or a later one"
    )]
    Newer {
        /// The version of the tables.
        found: i64,
        /// The last version that this program knows.
        known: usize,
    },
    /// The address or a file that it names cannot be used.
    #[error("{0}")]
    Config(String),
}
