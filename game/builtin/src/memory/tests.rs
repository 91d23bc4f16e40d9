//! What only the module itself can see; the rules are held to in `tests/tests/memory_views.rs`.

use super::*;

#[test]
fn there_are_faces_for_the_largest_room_and_each_once() {
    let mut faces = FACES.to_vec();
    faces.sort_unstable();
    faces.dedup();
    assert_eq!(faces.len(), 32);
    let params = serde_json::json!({"rows": 8, "cols": 8});
    assert_eq!(Params::parse(&params).unwrap().cards(), 64);
}

#[test]
fn what_is_not_given_has_the_documented_default() {
    let params = Params::parse(&serde_json::json!({"colour": "red"})).unwrap();
    assert_eq!(params, Params::default());
    assert_eq!((params.turn_ms, params.hide_ms), (20_000, 1_000));
    assert_eq!((params.grace_ms, params.pause_ms), (30_000, 120_000));
}
