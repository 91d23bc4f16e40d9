//! The parsers of stored rooms, as the fuzz targets call them.

use grandstand_common::id::RoomId;
use grandstand_game::Games;

use super::snapshot;

/// A snapshot is decoded or refused with a reason. Its beginning alone says the same as the whole.
pub fn look_at(games: &Games, id: &RoomId, value: &[u8]) {
    let head = snapshot::decode_head(value);
    if let (Ok(summary), Ok(head)) = (snapshot::summarize(value), &head) {
        assert_eq!(summary.place, *head);
    }
    let _ = snapshot::decode_state(value);
    let _ = snapshot::decode(games, id, value, 1);
}
