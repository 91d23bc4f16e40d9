//! Charges the bytes of inputs to those who are limited.

use std::time::Instant;

use super::config::RoomConfig;
use crate::limits::{ByteBudget, Limit};

/// Takes the bytes of an input from the budgets of its player and its room, or from neither. The error is the limit that
/// refuses it, and the milliseconds until it may be sent again.
pub(super) fn charge(
    (player, room): (&ByteBudget, Option<&ByteBudget>),
    bytes: usize,
    config: &RoomConfig,
    now: Instant,
) -> Result<(), (Limit, u64)> {
    let (of_player, of_room) = (
        config.player_input_bytes_per_s,
        config.room_input_bytes_per_s,
    );
    let player_wait = player.wait_ms(of_player, now);
    let room_wait = room.map_or(0, |room| room.wait_ms(of_room, now));
    match player_wait.max(room_wait) {
        0 => {}
        wait if wait == player_wait => return Err((Limit::PlayerInputBytesPerS, wait)),
        wait => return Err((Limit::RoomInputBytesPerS, wait)),
    }
    player.take(bytes, of_player, now);
    if let Some(room) = room {
        room.take(bytes, of_room, now);
    }
    Ok(())
}
