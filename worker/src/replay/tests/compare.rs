//! The comparison of the replayed state with the stored one.

use grandstand_common::record::{Checkpoint, Cut};

use super::desk::*;
use super::*;

#[test]
fn the_states_are_equal_at_the_snapshot_and_the_replay_continues_after_it() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll", "timer", "map", "reject", "roll", "set"]);
    for stored in &seqs[..5] {
        desk.store(*stored);
        let report = desk.replay().unwrap();
        let Comparison::Equal { seq, hash, .. } = report.comparison else {
            panic!("{:?}", report.comparison);
        };
        assert_eq!(seq, *stored);
        let stored = desk.key.clone().unwrap().value.unwrap();
        let stored: serde_json::Value = serde_json::from_slice(&stored).unwrap();
        assert_eq!(stored["state_hash"], hash.to_string());
        assert_eq!(report.tally.entries, 7);
        assert_ne!(
            report.state.unwrap().hash,
            hash,
            "the log continues after the snapshot"
        );
    }
}

#[test]
fn a_snapshot_after_later_entries_of_other_rooms_is_equal() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll", "roll"]);
    desk.store_as(seqs[1], seqs[1] + 2);
    let report = desk.replay().unwrap();
    assert!(report.is_well() && matches!(report.comparison, Comparison::Equal { .. }));
}

#[test]
fn a_difference_is_shown_with_its_path() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll", "roll", "roll"]);
    // As if a worker had applied an input that the log does not have by then.
    desk.store_as(seqs[3], seqs[2]);
    let report = desk.replay().unwrap();
    let Comparison::Differs {
        damaged,
        differences,
        ..
    } = &report.comparison
    else {
        panic!("{:?}", report.comparison);
    };
    assert_eq!(*damaged, None);
    let paths: Vec<_> = differences.list.iter().map(|d| d.path.as_str()).collect();
    for path in ["game.dice", "game.count", "room.players.alice.last_seq"] {
        assert!(paths.contains(&path), "{paths:?}");
    }
    assert!(!report.is_well());
    let text = report.to_string();
    assert!(
        text.contains("DIFFERS") && text.contains("room.players.alice.last_seq"),
        "{text}"
    );
    assert!(text.contains("other rules"), "{text}");
}

#[test]
fn a_damaged_snapshot_is_distinguished_from_other_rules() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll", "roll"]);
    desk.store(seqs[2]);
    desk.tamper("\"count\":2", "\"count\":3");
    let report = desk.replay().unwrap();
    let Comparison::Differs {
        damaged: Some(_),
        differences,
        ..
    } = &report.comparison
    else {
        panic!("{:?}", report.comparison);
    };
    assert_eq!(differences.list.len(), 1);
    assert_eq!(differences.list[0].path, "game.count");
    let text = report.to_string();
    assert!(
        text.contains("damaged") && !text.contains("other rules"),
        "{text}"
    );
}

#[test]
fn a_snapshot_that_another_build_serialized_differently_is_equal() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll"]);
    desk.store(seqs[1]);
    // Adds a field that this build does not have, and removes the hash that it would check.
    let text = desk.key.clone().unwrap().value.unwrap();
    let mut stored: serde_json::Value = serde_json::from_slice(&text).unwrap();
    stored["room"]["new"] = 1.into();
    stored.as_object_mut().unwrap().remove("state_hash");
    stored["hash"] = xxhash_rust::xxh3::xxh3_64(stored["game"].to_string().as_bytes()).into();
    desk.put(Some(stored.to_string().into()));
    let report = desk.replay().unwrap();
    let Comparison::Equal { rewritten, .. } = report.comparison else {
        panic!("{:?}", report.comparison);
    };
    assert!(rewritten && report.is_well());
}

#[test]
fn an_unreadable_snapshot_is_reported() {
    for text in [
        "nonsense",
        r#"{"format":7,"epoch":1,"generation":0,"last":4}"#,
        r#"{"format":1,"epoch":1,"generation":0,"last":4,"room":{},"game":{}}"#,
    ] {
        let mut desk = Desk::new();
        desk.alice(&["roll"]);
        desk.put(Some(text.into()));
        let report = desk.replay().unwrap();
        let comparison = &report.comparison;
        assert!(
            matches!(comparison, Comparison::Unreadable { .. }),
            "{comparison:?}"
        );
        assert!(!report.is_well() && report.to_string().contains("cannot be read"));
    }
}

#[test]
fn entries_that_the_log_lost_explain_a_difference() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll", "roll", "roll"]);
    desk.store(seqs[3]);
    // The log loses the last two entries, and another one takes their place.
    desk.log.truncate(2);
    desk.next_seq = seqs[2];
    desk.input(("alice", 10), 2, "map");
    desk.checkpoint = Some(Checkpoint {
        epoch: grandstand_common::id::Epoch(6),
        generation: 1,
        seq: seqs[2],
        created_ms: 1,
        cuts: vec![Cut {
            generation: 1,
            seq: seqs[2],
        }],
        unread_to: None,
    });
    let report = desk.replay().unwrap();
    let Comparison::Differs { cut, seq, .. } = report.comparison else {
        panic!("{:?}", report.comparison);
    };
    assert_eq!((cut, seq), (Some(seqs[2]), seqs[2] - 1));
    assert!(report.to_string().contains("the log lost"));
}

#[test]
fn the_replay_ends_after_the_requested_entry() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll", "roll", "roll"]);
    desk.store(seqs[2]);
    let Comparison::Equal { hash, .. } = desk.replay().unwrap().comparison else {
        panic!("the states are equal");
    };
    desk.request.until = Some(seqs[2]);
    let report = desk.replay().unwrap();
    assert_eq!(report.state.unwrap().hash, hash);
    assert!(matches!(report.comparison, Comparison::Equal { .. }));
    desk.request.until = Some(seqs[2] - 1);
    let report = desk.replay().unwrap();
    assert_eq!(report.comparison, Comparison::NotReached { seq: seqs[2] });
    assert_ne!(report.state.as_ref().unwrap().hash, hash);
    assert!(report.is_well() && report.tally.entries == 2);
}

#[test]
fn the_replay_can_begin_with_the_snapshot() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll", "timer", "map", "roll"]);
    let whole = desk.replay().unwrap().state.unwrap().hash;
    desk.store(seqs[2]);
    desk.trim(seqs[1]);
    assert!(matches!(desk.replay(), Err(NoRoom::BeginningGone { .. })));
    desk.request.from_snapshot = true;
    let report = desk.replay().unwrap();
    assert_eq!(report.tally.entries, 2);
    assert_eq!(report.comparison, Comparison::BegunThere { seq: seqs[2] });
    assert!(report.is_well());
    assert_eq!(report.state.unwrap().hash, whole);
    desk.key = None;
    assert!(matches!(desk.replay(), Err(NoRoom::Snapshot(_))));
}
