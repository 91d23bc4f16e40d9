//! How close the process is to its limit of memory.

/// What the edge sheds. Each step includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Pressure {
    /// Nothing.
    #[default]
    None,
    /// New connections.
    Connections,
    /// Spectators, and clients that are in no room.
    Spectators,
    /// Players.
    Players,
}

impl Pressure {
    /// The step with this number; the highest one beyond it.
    pub(super) fn from_number(number: u8) -> Self {
        match number {
            0 => Self::None,
            1 => Self::Connections,
            2 => Self::Spectators,
            _ => Self::Players,
        }
    }
}
