//! The lost messages of a room. Frames for single players wait for those that precede them.

/// The syncs that a room needs. Each has a number, because an answer to an earlier request may still be under way, and does
/// not bring what was lost since (D4, D31).
#[derive(Debug)]
pub(crate) struct SyncState {
    /// The number of the last sync that the room needs.
    needed: u64,
    /// The number of the last sync that the owner has answered.
    answered: u64,
    /// A worker's batch is lost, and the worker has not said yet whether it was about the room.
    held: bool,
}

impl Default for SyncState {
    fn default() -> Self {
        // An owner that does not know the numbers answers with 0.
        Self {
            needed: 1,
            answered: 1,
            held: false,
        }
    }
}

impl SyncState {
    /// Notes that messages about the room are lost. The caller asks the owner for a sync.
    pub(crate) fn need(&mut self) {
        self.needed += 1;
    }

    /// The number of the next request.
    pub(crate) fn number(&self) -> u64 {
        self.needed
    }

    /// Notes the owner's answer to the request with this number; 0 if the owner does not know it.
    pub(crate) fn on_answer(&mut self, number: u64) {
        let number = match number {
            0 => self.needed,
            number => number.min(self.needed),
        };
        self.answered = self.answered.max(number);
    }

    /// Notes whether a worker's batch is lost that may have been about the room.
    pub(crate) fn set_held(&mut self, held: bool) {
        self.held = held;
    }

    /// Whether a worker has not said yet whether its lost batch was about the room.
    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    /// Whether messages that precede later ones are, or may be, lost.
    pub(crate) fn is_pending(&self) -> bool {
        self.held || self.answered < self.needed
    }

    /// Begins again with another owner, or another room of the same name. `lacks` tells whether messages of the former one
    /// may be lost.
    pub(crate) fn restart(&mut self, lacks: bool) {
        self.held = false;
        self.answered = self.needed;
        if lacks {
            self.need();
        }
    }
}
