//! Entries that create a room (D5).

use grandstand_common::wire::Body;

use super::logged::Logged;

/// The seed and the params in an entry that creates a room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Creation<'a> {
    pub(super) seed: &'a [u8],
    /// JSON; empty if there are none.
    pub(super) params: &'a [u8],
    /// Whether the room is created only if its game accepts the entry's player.
    pub(super) needs_player: bool,
}

impl<'a> Creation<'a> {
    /// The creation of an entry; `None` if the entry creates no room.
    pub(crate) fn of(logged: &'a Logged) -> Option<Self> {
        match logged.entry.body.as_ref()? {
            Body::Joined(joined) => Some(Self {
                seed: &joined.seed,
                params: &joined.params,
                needs_player: true,
            }),
            Body::Create(create) => Some(Self {
                seed: &create.seed,
                params: &create.params,
                needs_player: false,
            }),
            _ => None,
        }
    }
}
