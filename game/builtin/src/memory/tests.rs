//! Tests of private items. `game/builtin/tests/memory/` tests the rules and views.

use super::*;

#[test]
fn the_largest_room_has_enough_distinct_faces() {
    let mut faces = FACES.to_vec();
    faces.sort_unstable();
    faces.dedup();
    assert_eq!(faces.len(), 32);
    let params: Params = serde_json::from_str(r#"{"rows": 8, "cols": 8}"#).unwrap();
    assert!(params.check().is_ok());
    assert_eq!(params.cards(), 64);
}

#[test]
fn missing_params_have_the_documented_defaults() {
    let params: Params = serde_json::from_str(r#"{"colour": "red"}"#).unwrap();
    assert_eq!(params, Params::default());
    assert_eq!((params.turn_ms, params.hide_ms), (20_000, 1_000));
    assert_eq!((params.grace_ms, params.pause_ms), (30_000, 120_000));
}
