//! Worlds that cannot go on: their rooms go to quarantine, and others are not disturbed.

use super::rolling::MIGRATES;
use super::*;

/// Moves two rooms, gives the first a control that breaks it, and returns the code with which it closes.
fn broken_by(wish: &str) -> String {
    let mut rig = playing();
    rig.join("rolling-2", "bob", 20);
    rig.advance(100);
    rig.received("e1", ROOM);
    control(&mut rig, ROOM, ALICE, &json!(wish));
    let mut lines = Vec::new();
    for _ in 0..60 {
        rig.advance(34);
        lines.extend(rig.received("e1", ROOM));
    }
    let other = frames(&mut rig, "rolling-2", 20);
    assert!(other.len() >= 58, "{wish}: {}", other.len());
    assert!(
        !rig.received("e1", ROOM)
            .iter()
            .any(|line| line.starts_with("live"))
    );
    let closed = lines.iter().find(|line| line.starts_with("closed"));
    closed
        .unwrap_or_else(|| panic!("{wish}: {lines:?}"))
        .clone()
}

#[test]
fn a_tick_that_panics_puts_its_room_in_quarantine() {
    assert_eq!(broken_by("panic"), "closed room_unavailable");
}

#[test]
fn a_world_over_the_limit_puts_its_room_in_quarantine() {
    assert_eq!(broken_by("huge"), "closed room_too_big");
}

#[test]
fn a_world_that_cannot_be_serialized_puts_its_room_in_quarantine() {
    assert_eq!(broken_by("odd"), "closed room_unavailable");
}

#[test]
fn too_many_commits_put_a_room_in_quarantine() {
    assert_eq!(broken_by("flood"), "closed room_too_big");
}

/// Stores a world of a version, and returns the first frame after a crash.
fn resumed(version: u32, world: &Value) -> Value {
    let mut rig = playing();
    rig.advance(1_500);
    let mut record = stored(&rig, ROOM).unwrap();
    record["version"] = version.into();
    record["tick"] = 1_001.into();
    record["world"] = world.clone();
    let value = serde_json::to_vec(&record).unwrap();
    rig.put(Bucket::Worlds, ROOM, Some(value.into()));
    rig.restart();
    rig.send_interest(back(ROOM, ALICE));
    rig.advance(40);
    frames(&mut rig, ROOM, 10).remove(0)
}

#[test]
fn a_world_of_an_earlier_version_is_migrated_or_made_again() {
    let first = resumed(1, &json!({"sum": 77}));
    assert_eq!(
        (&first["tick"], &first["taken"]),
        (&json!(1_002), &json!(77))
    );
    MIGRATES.set(false);
    let first = resumed(1, &json!({"sum": 77}));
    assert!(first["taken"].as_u64().unwrap() < 20, "{first}");
}

#[test]
fn a_stored_world_that_cannot_be_read_is_made_again() {
    for world in [json!("no world"), json!({"taken": -1})] {
        let first = resumed(2, &world);
        assert!(first["taken"].as_u64().unwrap() < 20, "{first}");
    }
}
