//! Games that are not deterministic, that do not survive being stored, and that panic.

use super::desk::*;
use super::odd::PANICS;
use super::*;

/// Plays these, and says what diverged and at which of them.
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
fn what_a_game_may_do_does_not_diverge() {
    let all = [
        "roll", "map", "show", "timer", "clear", "reject", "direct", "grow", "shrink", "map",
        "show",
    ];
    assert_eq!(diverges(&all), []);
}

#[test]
fn a_clock_is_found_at_the_entry_that_looks_at_it() {
    let found = diverges(&["roll", "roll", "clock", "roll", "clock"]);
    let [(2, Twin::Again, Diverged::State(differences))] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(differences.list[0].path, "game.dice");
}

#[test]
fn a_sets_order_is_found() {
    let found = diverges(&["roll", "set"]);
    let [(1, Twin::Again, Diverged::State(differences))] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(differences.list[0].path, "game.set");
    assert!(differences.list[0].reordered);
}

#[test]
fn what_clients_are_told_must_not_depend_on_order_either() {
    let found = diverges(&["map", "list"]);
    assert_eq!(found, [(1, Twin::Again, Diverged::Emitted)]);
}

#[test]
fn a_field_that_is_not_stored_is_found_when_it_matters() {
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
fn a_state_that_cannot_be_stored_ends_it() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll", "keys", "roll"]);
    let report = desk.replay().unwrap();
    let (seq, stopped) = report.stopped.clone().unwrap();
    assert_eq!(seq, seqs[2]);
    assert!(matches!(stopped, Stopped::NotStored(_)), "{stopped:?}");
    assert!(!report.is_well());
}

#[test]
fn a_panic_ends_it_and_says_where() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll", "panic", "roll"]);
    desk.store(seqs[1]);
    let record = crate::stored::quarantine::QuarantineRecord {
        epoch: grandstand_common::id::Epoch(5),
        build: "0.9".to_owned(),
        seq: seqs[2],
        code: "room_unavailable".to_owned(),
    };
    desk.put_record(&record);
    let report = desk.replay().unwrap();
    assert_eq!(report.stopped, Some((seqs[2], Stopped::Panicked)));
    assert!(matches!(report.comparison, Comparison::Equal { .. }));
    assert!(!report.is_well());
    assert_eq!(report.tally.entries, 3, "the one that panics is the last");
    let text = report.to_string();
    for part in [&format!("at entry {}", seqs[2]), "room_unavailable", "0.9"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(desk.line(seqs[2])["stopped"], "the game panics");
}

#[test]
fn a_panic_that_does_not_come_again_is_no_end() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll", "once", "roll"]);
    desk.store(seqs[3]);
    // One for the look at where rooms begin, and it is stuck there; one for the first replica.
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
fn a_panic_at_the_beginning_is_told_too() {
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
