//! The keys of connections as keys of the table.

use slotmap::{DefaultKey, Key, KeyData};

use crate::conn::key::ConnKey;

/// The key of a connection's slot.
pub(super) fn slot_key(key: ConnKey) -> DefaultKey {
    KeyData::from_ffi(key.to_bits()).into()
}

/// The connection of a slot.
pub(super) fn conn_key(key: DefaultKey) -> ConnKey {
    ConnKey::from_bits(key.data().as_ffi())
}
