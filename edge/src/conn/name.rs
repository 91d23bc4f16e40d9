//! The names of connections, in `welcome` and in the log.

use std::fmt;

use grandstand_common::id::EdgeId;

use crate::conn::key::ConnKey;

/// The name of a connection: its edge and its key. No two connections of a cluster have the same.
#[derive(Debug, Clone, Copy)]
pub struct ConnName<'a> {
    /// The shard.
    pub edge: &'a EdgeId,
    /// The connection's key in the shard.
    pub key: ConnKey,
}

impl fmt::Display for ConnName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { edge, key } = self;
        write!(f, "{edge}-{:x}-{:x}", key.index, key.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_one_connection() {
        let edge: EdgeId = "edge-0-1234abcd".parse().unwrap();
        let name = |index, generation| {
            let key = ConnKey { index, generation };
            ConnName { edge: &edge, key }.to_string()
        };
        assert_eq!(name(31, 2), "edge-0-1234abcd-1f-2");
        assert_ne!(name(0x1f, 2), name(0x1, 0xf2));
    }
}
