//! A stored snapshot is decoded or refused without a panic, and its beginning says the same as the whole.
#![no_main]

use std::sync::LazyLock;

use grandstand_common::id::RoomId;
use grandstand_game::Games;
use grandstand_worker::stored::fuzzing::look_at;
use libfuzzer_sys::fuzz_target;

static ROOM: LazyLock<(Games, RoomId)> = LazyLock::new(|| {
    let room = "relay-1".parse().expect("a name of a room");
    (grandstand_games::all(), room)
});

fuzz_target!(|value: &[u8]| look_at(&ROOM.0, &ROOM.1, value));
