//! The kinds of hostile clients.

/// A kind of hostile client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attack {
    /// Many connections that send one byte of their request after another.
    Slowloris,
    /// Many connections that send nothing.
    HalfOpen,
    /// WebSockets that answer no ping.
    Silent,
    /// WebSockets whose clients vanish: their machines answer nothing any more, not even with a reset.
    Vanished,
    /// Handshakes as fast as they go.
    Reconnects,
    /// WebSocket pings as fast as they go.
    PingFlood,
    /// A message in fragments of one byte.
    TinyFrames,
    /// Messages without content.
    EmptyMessages,
    /// A frame without a mask.
    Unmasked,
    /// A frame that announces a GiB.
    Oversized,
    /// Joins and leaves of many rooms.
    JoinFlood,
    /// Requests whose answers are never read.
    NeverReads,
    /// A small message that inflates to a MiB.
    DeflateBomb,
    /// Bytes that are not TLS, at the listener with TLS.
    TlsGarbage,
    /// Requests for further handshakes on a connection with TLS 1.2.
    Renegotiation,
    /// First packets of QUIC from an address that answers nothing, as if it were forged.
    Amplification,
    /// Tokens with `alg: none`.
    AlgNone,
    /// A player who sends as much as it can.
    BusyPlayer,
}

impl Attack {
    /// All kinds.
    pub const ALL: [Self; 18] = [
        Self::Slowloris,
        Self::HalfOpen,
        Self::Silent,
        Self::Vanished,
        Self::Reconnects,
        Self::PingFlood,
        Self::TinyFrames,
        Self::EmptyMessages,
        Self::Unmasked,
        Self::Oversized,
        Self::JoinFlood,
        Self::NeverReads,
        Self::DeflateBomb,
        Self::TlsGarbage,
        Self::Renegotiation,
        Self::Amplification,
        Self::AlgNone,
        Self::BusyPlayer,
    ];

    /// The name, as in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slowloris => "slowloris",
            Self::HalfOpen => "half_open",
            Self::Silent => "silent",
            Self::Vanished => "vanished",
            Self::Reconnects => "reconnects",
            Self::PingFlood => "ping_flood",
            Self::TinyFrames => "tiny_frames",
            Self::EmptyMessages => "empty_messages",
            Self::Unmasked => "unmasked",
            Self::Oversized => "oversized",
            Self::JoinFlood => "join_flood",
            Self::NeverReads => "never_reads",
            Self::DeflateBomb => "deflate_bomb",
            Self::TlsGarbage => "tls_garbage",
            Self::Renegotiation => "renegotiation",
            Self::Amplification => "amplification",
            Self::AlgNone => "alg_none",
            Self::BusyPlayer => "busy_player",
        }
    }
}
