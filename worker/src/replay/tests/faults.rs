//! Games that are not deterministic, that do not serialize their whole state, or that panic.

use super::desk::*;
use super::odd::PANICS;
use super::*;

/// Plays these inputs and returns each divergence with the index of its input.
fn diverges(texts: &[&str]) -> Vec<(usize, Twin, Diverged)> {
    let mut desk = Desk::new();
    let seqs = desk.alice(texts);
    let report = desk.replay().unwrap();
    assert_eq!(report.is_well(), report.divergences.is_empty());
    let at = |seq| seqs.iter().position(|s| *s == seq).unwrap() - 1;
    let found = report.divergences.into_iter();
    found.map(|d| (at(d.seq), d.twin, d.what)).collect()
}

#[test]
fn allowed_actions_do_not_diverge() {
    let all = [
        "roll", "map", "show", "timer", "clear", "reject", "direct", "grow", "shrink", "map",
        "show",
    ];
    assert_eq!(diverges(&all), []);
}

#[test]
fn the_use_of_a_clock_is_found_at_its_entry() {
    let found = diverges(&["roll", "roll", "clock", "roll", "clock"]);
    let [(2, Twin::Again, Diverged::State(differences))] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(differences.list[0].path, "game.dice");
}

#[test]
fn the_order_of_a_hash_set_in_the_state_is_found() {
    let found = diverges(&["roll", "set"]);
    let [(1, Twin::Again, Diverged::State(differences))] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(differences.list[0].path, "game.set");
    assert!(differences.list[0].reordered);
}

#[test]
fn the_order_of_a_hash_map_in_an_update_is_found() {
    let found = diverges(&["map", "list"]);
    assert_eq!(found, [(1, Twin::Again, Diverged::Emitted)]);
}

#[test]
fn a_field_that_is_not_stored_is_found_once_the_state_depends_on_it() {
    let found = diverges(&["forget", "roll", "remember", "roll"]);
    let [(2, Twin::Reloaded, Diverged::State(differences))] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(differences.list[0].path, "game.count");
}

#[test]
fn a_state_that_cannot_be_loaded_is_found() {
    let found = diverges(&["roll", "nan", "roll"]);
    assert!(
        matches!(&found[..], [(1, Twin::Reloaded, Diverged::NotStored(_))]),
        "{found:?}"
    );
}

#[test]
fn a_state_that_cannot_be_stored_ends_the_replay() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll", "keys", "roll"]);
    let report = desk.replay().unwrap();
    let (seq, stopped) = report.stopped.clone().unwrap();
    assert_eq!(seq, seqs[2]);
    assert!(matches!(stopped, Stopped::NotStored(_)), "{stopped:?}");
    assert!(!report.is_well());
}

#[test]
fn a_panic_ends_the_replay_and_names_the_entry() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll", "panic", "roll"]);
    desk.store(seqs[1]);
    let record = crate::stored::quarantine::QuarantineRecord {
        epoch: grandstand_common::id::Epoch(5),
        build: "0.9".to_owned(),
        seq: seqs[2],
        code: "room_unavailable".to_owned(),
        why: None,
        version: None,
    };
    desk.put_record(&record);
    let report = desk.replay().unwrap();
    assert_eq!(report.stopped, Some((seqs[2], Stopped::Panicked)));
    assert!(matches!(report.comparison, Comparison::Equal { .. }));
    assert!(!report.is_well());
    assert_eq!(report.tally.entries, 3, "the entry that panics is the last");
    let text = report.to_string();
    for part in [&format!("at entry {}", seqs[2]), "room_unavailable", "0.9"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(desk.line(seqs[2])["stopped"], "the game panics");
}

#[test]
fn a_panic_that_a_second_attempt_avoids_does_not_end_the_replay() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll", "once", "roll"]);
    desk.store(seqs[3]);
    // The first panic is in the scan, which stays stuck after it. The second is in the first replica.
    PANICS.set(2);
    let report = desk.replay().unwrap();
    assert_eq!((PANICS.get(), report.stopped.clone()), (0, None));
    let [divergence] = &report.divergences[..] else {
        panic!("{:?}", report.divergences);
    };
    assert_eq!((divergence.seq, divergence.twin), (seqs[2], Twin::Again));
    assert_eq!(divergence.what, Diverged::Panicked);
    assert!(matches!(report.comparison, Comparison::Equal { .. }));
}

#[test]
fn a_panic_at_the_first_entry_is_reported() {
    let mut desk = Desk::new();
    let mut first = joined("alice", 10, 7);
    if let Some(grandstand_common::wire::Body::Joined(joined)) = &mut first.body {
        joined.params = r#"{"panic":true}"#.into();
    }
    let seq = desk.append(&first);
    let report = desk.replay().unwrap();
    assert_eq!(report.stopped, Some((seq, Stopped::Panicked)));
    assert!(report.state.is_none());
    let _ = report.to_string();
}
