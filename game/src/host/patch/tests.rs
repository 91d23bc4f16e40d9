use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use super::*;

/// The patch between two views, which are sent whole if it is `None`.
fn patch(old: &Value, new: &Value) -> Option<Value> {
    let patch = diff(old.to_string().as_bytes(), new.to_string().as_bytes())?;
    Some(serde_json::from_slice(&patch).unwrap())
}

#[test]
fn a_patch_names_only_what_changes() {
    let cases = [
        (
            json!({"a": 1, "b": 2}),
            json!({"a": 1, "b": 3}),
            json!({"b": 3}),
        ),
        (json!({"a": 1, "b": 2}), json!({"a": 1}), json!({"b": null})),
        (
            json!({"a": 1}),
            json!({"b": [null], "a": 1}),
            json!({"b": [null]}),
        ),
        (
            json!({"a": {"b": 1, "c": 2}}),
            json!({"a": {"c": 2}}),
            json!({"a": {"b": null}}),
        ),
        (
            json!({"a": [1, 2]}),
            json!({"a": [1, 3]}),
            json!({"a": [1, 3]}),
        ),
        (
            json!({"a": 1}),
            json!({"a": {"b": 1}}),
            json!({"a": {"b": 1}}),
        ),
        (json!({"a": {"b": 1}}), json!({"a": 1}), json!({"a": 1})),
        (
            json!({"q\"\n": 1}),
            json!({"q\"\n": 2}),
            json!({"q\"\n": 2}),
        ),
        (json!({"a": {}}), json!({"a": {}}), json!({})),
    ];
    for (old, new, expected) in cases {
        assert_eq!(patch(&old, &new), Some(expected), "{old} to {new}");
    }
}

/// A game may keep a `HashMap`, whose order differs from view to view.
#[test]
fn the_order_of_members_is_no_change() {
    let old = br#"{"x":{"a":1,"b":{"c":2,"d":3}},"y":0}"#;
    let new = br#"{"y":0,"x":{"b":{"d":3,"c":2},"a":1}}"#;
    assert_eq!(diff(old, new).unwrap(), b"{}");
}

#[test]
fn a_view_that_is_no_object_and_a_large_change_are_sent_whole() {
    assert_eq!(patch(&json!(1), &json!({"a": 1})), None);
    assert_eq!(patch(&json!({"a": 1}), &json!([1])), None);
    let text = |letter: &str| letter.repeat(600);
    let old = json!({"a": text("x"), "b": text("x"), "c": text("x")});
    let one = json!({"a": text("y"), "b": text("x"), "c": text("x")});
    assert_eq!(patch(&old, &one), Some(json!({"a": text("y")})));
    let two = json!({"a": text("y"), "b": text("y"), "c": text("x")});
    assert_eq!(patch(&old, &two), None);
    let deep = |n: u64| (0..40).fold(json!(n), |value, _| json!({"a": value}));
    assert_eq!(patch(&deep(1), &deep(2)), None);
}

#[test]
fn null_members_are_left_out_but_not_in_lists() {
    let view = br#"{"a":null,"b":{"c":null,"d":"null"},"e":[null,{"f":null}]}"#;
    let expected = br#"{"b":{"d":"null"},"e":[null,{"f":null}]}"#;
    assert_eq!(*without_nulls(view), *expected);
    assert_eq!(*without_nulls(b"[null]"), *b"[null]");
    assert_eq!(*without_nulls(b"null"), *b"null");
}

fn any_value(rng: &mut StdRng, depth: u32) -> Value {
    match rng.random_range(0..if depth == 0 { 3 } else { 6 }) {
        0 => json!(rng.random_range(0..3)),
        1 => json!("text \u{e9} \" \\"),
        2 => json!(rng.random_bool(0.5)),
        3 => (0..rng.random_range(0..3))
            .map(|_| any_value(rng, depth - 1))
            .collect(),
        _ => any_object(rng, depth - 1),
    }
}

fn any_object(rng: &mut StdRng, depth: u32) -> Value {
    let names = ["a", "b", "c", "\u{e9}\"", ""];
    let members = names
        .into_iter()
        .filter(|_| rng.random_bool(0.6))
        .collect::<Vec<_>>();
    let members = members
        .into_iter()
        .map(|name| (name.to_owned(), any_value(rng, depth)));
    Value::Object(members.collect())
}

#[test]
fn a_merged_patch_gives_the_new_view() {
    let mut rng = StdRng::seed_from_u64(1);
    for _ in 0..20_000 {
        let (old, new) = (any_object(&mut rng, 3), any_object(&mut rng, 3));
        let mut merged = old.clone();
        match patch(&old, &new) {
            Some(patch) => merge(&mut merged, &patch),
            None => merged = new.clone(),
        }
        assert_eq!(merged, new, "from {old}");
    }
}

/// The examples of RFC 7396, appendix A.
#[test]
fn merging_follows_the_rfc() {
    for (target, patch, expected) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (
            json!({"a": "b"}),
            json!({"b": "c"}),
            json!({"a": "b", "b": "c"}),
        ),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (
            json!({"a": "b", "b": "c"}),
            json!({"a": null}),
            json!({"b": "c"}),
        ),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (
            json!({"a": {"b": "c"}}),
            json!({"a": {"b": "d", "c": null}}),
            json!({"a": {"b": "d"}}),
        ),
        (
            json!({"a": [{"b": "c"}]}),
            json!({"a": [1]}),
            json!({"a": [1]}),
        ),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a": "b"}), json!(["c"]), json!(["c"])),
        (json!({"a": "foo"}), json!(null), json!(null)),
        (json!({"a": "foo"}), json!("bar"), json!("bar")),
        (
            json!({"e": null}),
            json!({"a": 1}),
            json!({"e": null, "a": 1}),
        ),
        (
            json!([1, 2]),
            json!({"a": "b", "c": null}),
            json!({"a": "b"}),
        ),
        (
            json!({}),
            json!({"a": {"bb": {"ccc": null}}}),
            json!({"a": {"bb": {}}}),
        ),
    ] {
        let mut merged = target.clone();
        merge(&mut merged, &patch);
        assert_eq!(merged, expected, "{target} and {patch}");
    }
}
