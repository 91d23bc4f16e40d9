//! Charges the bytes of inputs to the budgets of players and rooms.

use std::time::Instant;

use super::config::RoomConfig;
use crate::limits::{ByteBudget, Limit};

/// Takes the bytes of an input from the budgets of its player and its room, or from neither. The error is the limit that
/// refuses it, and the milliseconds until it may be sent again.
pub(super) fn charge(
    player: &ByteBudget,
    room: Option<&ByteBudget>,
    bytes: usize,
    config: &RoomConfig,
    now: Instant,
) -> Result<(), (Limit, u64)> {
    let player_rate = config.player_input_bytes_per_s;
    let room_rate = config.room_input_bytes_per_s;
    let player_wait = player.wait_ms(player_rate, now);
    let room_wait = room.map_or(0, |room| room.wait_ms(room_rate, now));
    match player_wait.max(room_wait) {
        0 => {}
        wait if wait == player_wait => return Err((Limit::PlayerInputBytesPerS, wait)),
        wait => return Err((Limit::RoomInputBytesPerS, wait)),
    }
    player.take(bytes, player_rate, now);
    if let Some(room) = room {
        room.take(bytes, room_rate, now);
    }
    Ok(())
}
