//! The kinds of messages, for counters.

use grandstand_common::envelope::{ClientKind, ServerMessage};

/// The kind of a message from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceivedKind {
    /// `join`.
    Join,
    /// `leave`.
    Leave,
    /// `input`.
    Input,
    /// `live`.
    Live,
    /// `ping`.
    Ping,
    /// `auth`.
    Auth,
    /// A message that cannot be decoded.
    Invalid,
}

impl ReceivedKind {
    /// All kinds, each at its place.
    pub const ALL: [Self; 7] = [
        Self::Join,
        Self::Leave,
        Self::Input,
        Self::Live,
        Self::Ping,
        Self::Auth,
        Self::Invalid,
    ];

    /// The name: that in the protocol, or `invalid`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Input => "input",
            Self::Live => "live",
            Self::Ping => "ping",
            Self::Auth => "auth",
            Self::Invalid => "invalid",
        }
    }
}

impl From<&ClientKind> for ReceivedKind {
    fn from(message: &ClientKind) -> Self {
        match message {
            ClientKind::Join(_) => Self::Join,
            ClientKind::Leave { .. } => Self::Leave,
            ClientKind::Input { .. } => Self::Input,
            ClientKind::Live { .. } => Self::Live,
            ClientKind::Ping => Self::Ping,
            ClientKind::Auth { .. } => Self::Auth,
        }
    }
}

/// The kind of a message to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentKind {
    /// `welcome`.
    Welcome,
    /// `joined`.
    Joined,
    /// `left`.
    Left,
    /// `snapshot`.
    Snapshot,
    /// `update`.
    Update,
    /// `direct`.
    Direct,
    /// `live`.
    Live,
    /// `ack`.
    Ack,
    /// `reject`.
    Reject,
    /// `presence`.
    Presence,
    /// `pong`.
    Pong,
    /// `notice`.
    Notice,
    /// `error`.
    Error,
}

impl SentKind {
    /// All kinds, each at its place.
    pub const ALL: [Self; 13] = [
        Self::Welcome,
        Self::Joined,
        Self::Left,
        Self::Snapshot,
        Self::Update,
        Self::Direct,
        Self::Live,
        Self::Ack,
        Self::Reject,
        Self::Presence,
        Self::Pong,
        Self::Notice,
        Self::Error,
    ];

    /// The name in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::Joined => "joined",
            Self::Left => "left",
            Self::Snapshot => "snapshot",
            Self::Update => "update",
            Self::Direct => "direct",
            Self::Live => "live",
            Self::Ack => "ack",
            Self::Reject => "reject",
            Self::Presence => "presence",
            Self::Pong => "pong",
            Self::Notice => "notice",
            Self::Error => "error",
        }
    }
}

impl From<&ServerMessage<'_>> for SentKind {
    fn from(message: &ServerMessage<'_>) -> Self {
        match message {
            ServerMessage::Welcome { .. } => Self::Welcome,
            ServerMessage::Joined { .. } => Self::Joined,
            ServerMessage::Left { .. } => Self::Left,
            ServerMessage::Snapshot { .. } => Self::Snapshot,
            ServerMessage::Update { .. } => Self::Update,
            ServerMessage::Direct { .. } => Self::Direct,
            ServerMessage::Live { .. } => Self::Live,
            ServerMessage::Ack { .. } => Self::Ack,
            ServerMessage::Reject { .. } => Self::Reject,
            ServerMessage::Presence { .. } => Self::Presence,
            ServerMessage::Pong { .. } => Self::Pong,
            ServerMessage::Notice { .. } => Self::Notice,
            ServerMessage::Error { .. } => Self::Error,
        }
    }
}

/// Counts of messages to clients, by [`SentKind`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SentCounts([u64; SentKind::ALL.len()]);

impl SentCounts {
    /// Counts `count` messages of a kind.
    pub fn add(&mut self, kind: SentKind, count: u64) {
        self.0[kind as usize] += count;
    }

    /// The number of messages of a kind.
    pub fn get(&self, kind: SentKind) -> u64 {
        self.0[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_of_a_kind_is_its_place() {
        assert!(
            (0..)
                .zip(ReceivedKind::ALL)
                .all(|(i, kind)| kind as usize == i)
        );
        assert!((0..).zip(SentKind::ALL).all(|(i, kind)| kind as usize == i));
    }
}
