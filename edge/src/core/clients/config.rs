//! The limits of clients.

use std::time::Duration;

/// The limits of one client. The defaults of the keys in `[limits]` are these.
#[derive(Debug, Clone, Copy)]
pub struct ClientConfig {
    /// Messages that a client may send per second, on average; 0 for any number. Pings, pongs and fragments count as well.
    pub messages_per_s: u32,
    /// Messages that a client may send at once. As many again are refused, then the client is closed (4029).
    pub message_burst: u32,
    /// Bytes of messages that a client may send per second, on average, inflated; 0 for any number. A burst may last 4 s.
    pub bytes_per_s: u32,
    /// Close slow players (4008) instead of sending them a snapshot once they keep up again.
    pub close_slow_players: bool,
    /// The time after which a join that is not answered yet gets the error `room_unavailable`.
    pub join_answer: Duration,
    /// The longest time for which a client may be in no room; zero for any time.
    pub no_room: Duration,
    /// The most sessions that a client has left and that no owner has ended yet.
    pub departing: u16,
    /// The same for all clients of a shard.
    pub departing_in_all: usize,
    /// The most bytes of inputs of these sessions.
    pub departing_bytes_in_all: usize,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            messages_per_s: 500,
            message_burst: 2000,
            bytes_per_s: 2 << 20,
            close_slow_players: false,
            join_answer: Duration::from_secs(2),
            no_room: Duration::from_secs(300),
            departing: 64,
            departing_in_all: 16_384,
            departing_bytes_in_all: 64 << 20,
        }
    }
}
