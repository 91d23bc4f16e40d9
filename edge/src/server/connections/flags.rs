//! Six facts about a connection in one byte.

/// Flags of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flags(u8);

/// One of the flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    /// A ping was sent since the last activity.
    Pinged = 1,
    /// The handler takes no messages.
    Paused = 2,
    /// The link accepted no more bytes at the last write. An event follows when it does.
    Blocked = 4,
    /// The connection is in the queue of connections to be driven.
    Woken = 8,
    /// The last read was full of data.
    Bulk = 16,
    /// Queued frames were dropped because the client was slow, and it has not read the rest yet.
    Stale = 32,
}

impl Flags {
    /// Whether the flag is set.
    pub(super) fn has(self, flag: Flag) -> bool {
        self.0 & flag as u8 != 0
    }

    /// Sets or clears the flag. Returns whether it was set.
    pub(super) fn set(&mut self, flag: Flag, on: bool) -> bool {
        let before = self.has(flag);
        if on {
            self.0 |= flag as u8
        } else {
            self.0 &= !(flag as u8)
        }
        before
    }
}
