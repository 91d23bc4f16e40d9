//! The sessions of event streams, by which requests name their connection.

use std::fmt;
use std::str::FromStr;

use grandstand_common::id::EdgeId;

use crate::conn::key::ConnKey;

/// The `id` of the join that the edge sends for the client of an event stream.
pub(crate) const JOIN_ID: u64 = 1;

/// The session of an event stream: its edge, its connection, and a random number that only its client knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSession {
    /// The shard that has the stream.
    pub edge: EdgeId,
    /// The connection's key in the shard.
    pub key: ConnKey,
    /// The random number.
    pub secret: u128,
}

/// The text is not a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a session of an event stream; take the one that the first event of the stream names")]
pub struct NoSession;

impl fmt::Display for EventSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { edge, key, secret } = self;
        write!(
            f,
            "{edge}.{:x}.{:x}.{secret:032x}",
            key.index, key.generation
        )
    }
}

impl FromStr for EventSession {
    type Err = NoSession;

    fn from_str(text: &str) -> Result<Self, NoSession> {
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(NoSession);
        let edge = part()?.parse().map_err(|_| NoSession)?;
        let index = u32::from_str_radix(part()?, 16).map_err(|_| NoSession)?;
        let generation = u32::from_str_radix(part()?, 16).map_err(|_| NoSession)?;
        let secret = u128::from_str_radix(part()?, 16).map_err(|_| NoSession)?;
        let session = Self {
            edge,
            key: ConnKey { index, generation },
            secret,
        };
        // Only one text is a session's.
        if session.to_string() == text {
            Ok(session)
        } else {
            Err(NoSession)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read_again_and_nothing_else_is() {
        let session = EventSession {
            edge: "edge-0-1234abcd".parse().unwrap(),
            key: ConnKey {
                index: 31,
                generation: 2,
            },
            secret: 7,
        };
        let text = session.to_string();
        assert_eq!(
            text,
            "edge-0-1234abcd.1f.2.00000000000000000000000000000007"
        );
        assert_eq!(text.parse(), Ok(session));
        for bad in [
            "",
            "edge-0-1234abcd",
            "edge-0-1234abcd.1f.2.7",
            "edge-0-1234abcd.1f.+2.00000000000000000000000000000007",
            "edge-0-1234abcd.1F.2.00000000000000000000000000000007",
            "edge 0.1f.2.00000000000000000000000000000007",
            "edge-0-1234abcd.1f.2.00000000000000000000000000000007.1",
        ] {
            assert_eq!(bad.parse::<EventSession>(), Err(NoSession), "{bad}");
        }
    }
}
