//! The check of the world of a room in real time.

use grandstand_common::id::RoomId;
use grandstand_game::Games;
use grandstand_game::host::StoredWorld;

use super::report::FaultKind;
use super::room::{Fault, load, panics};
use crate::room::StampedWorld;
use crate::stored::world;

/// Begins the world of a stored room from the one in its bucket, and from the one that the room's last commit brought. Each
/// must be one that this build can use.
pub(super) fn check_world(
    games: &Games,
    id: &RoomId,
    room: &[u8],
    stored: Option<&[u8]>,
) -> Result<(), Fault> {
    let Some(room) = load(games, id, room)? else {
        return Ok(());
    };
    let found = match stored.map(|value| world::decode(value, room.instance())) {
        Some(Ok(found)) => found,
        Some(Err(why)) => return Err(lost(&why.to_string())),
        None => None,
    };
    let committed = room.realtime().and_then(|known| known.world.as_ref());
    for StampedWorld {
        tick,
        version,
        text,
        ..
    } in found.iter().chain(committed)
    {
        let stored = StoredWorld {
            version: *version,
            tick: *tick,
            text: text.0.get(),
        };
        let begun = room.game().begin_world(Some(stored));
        let begun = begun.map_err(|error| panics(error, "begun with its world"))?;
        if let Some((_, Some(why))) = begun {
            return Err(lost(&why));
        }
    }
    Ok(())
}

fn lost(why: &str) -> Fault {
    let message =
        format!("the stored world cannot be used, so that the room begins another one: {why}");
    (FaultKind::World, message)
}
