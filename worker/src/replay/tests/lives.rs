//! Rooms that do not exist, that have lost entries, or that share a name.

use grandstand_common::exit::ExitError as _;

use super::desk::*;
use super::*;

/// Alice plays and ends the room, and the room is deleted. Returns its first and last entry.
fn deleted(desk: &mut Desk, session: u64) -> (u64, u64) {
    let first = desk.join("alice", session);
    desk.input(("alice", session), 1, "roll");
    desk.input(("alice", session), 2, "finish");
    (first, desk.fire("=delete", 1))
}

fn code(desk: &mut Desk) -> (u8, String) {
    let error = desk.replay().unwrap_err();
    (error.exit().code(), error.to_string())
}

#[test]
fn a_room_without_entries_is_an_error() {
    let mut desk = Desk::new();
    let (code, told) = code(&mut desk);
    assert_eq!(code, 66);
    assert!(told.contains("there is no room odd-1"), "{told}");
}

#[test]
fn a_room_whose_joins_were_all_refused_is_an_error_with_the_code() {
    let mut desk = Desk::new();
    let mut first = joined("alice", 10, 7);
    if let Some(grandstand_common::wire::Body::Joined(joined)) = &mut first.body {
        joined.params = r#"{"bad":1}"#.into();
    }
    desk.append(&first);
    desk.input(("alice", 10), 1, "roll");
    let (code, told) = code(&mut desk);
    assert_eq!(code, 66);
    assert!(told.contains("bad_params"), "{told}");
}

#[test]
fn a_room_without_a_snapshot_is_replayed_without_a_comparison() {
    let mut desk = Desk::new();
    desk.alice(&["roll"]);
    let report = desk.replay().unwrap();
    assert_eq!(report.comparison, Comparison::NotStored);
    assert!(report.is_well());
}

#[test]
fn a_deleted_room_is_replayed_while_the_log_has_its_entries() {
    let mut desk = Desk::new();
    let (_, last) = deleted(&mut desk, 10);
    for (stored, seq) in [(Some(last), Some(last)), (None, None)] {
        match stored {
            Some(last) => desk.store(last),
            None => desk.put(None),
        }
        let report = desk.replay().unwrap();
        assert_eq!(report.comparison, Comparison::BothDeleted { seq });
        assert_eq!(report.deleted, Some(last));
        assert!(report.is_well() && report.to_string().contains("deleted"));
        assert_eq!(report.state.unwrap().json["room"]["finished"], true);
    }
    desk.key = None;
    let report = desk.replay().unwrap();
    assert_eq!(report.comparison, Comparison::BothDeleted { seq: None });
}

#[test]
fn a_deletion_in_only_the_log_or_only_the_storage_is_a_difference() {
    let mut desk = Desk::new();
    let (_, last) = deleted(&mut desk, 10);
    desk.store_as(last - 3, last + 1);
    let report = desk.replay().unwrap();
    assert!(matches!(
        report.comparison,
        Comparison::Fate {
            stored_deleted: false,
            ..
        }
    ));
    assert!(!report.is_well() && report.to_string().contains("has the room"));

    for marker in [false, true] {
        let mut desk = Desk::new();
        let seqs = desk.alice(&["roll"]);
        desk.store(0);
        desk.tamper("\"last\":0", &format!("\"last\":{}", seqs[1]));
        if marker {
            desk.put(None);
        }
        let report = desk.replay().unwrap();
        assert!(matches!(
            report.comparison,
            Comparison::Fate {
                stored_deleted: true,
                ..
            }
        ));
        assert!(!report.is_well() && report.to_string().contains("the room exists"));
    }
}

#[test]
fn the_newest_of_several_rooms_is_replayed_unless_another_is_named() {
    let mut desk = Desk::new();
    let (first, first_end) = deleted(&mut desk, 10);
    let (second, _) = deleted(&mut desk, 11);
    let third = desk.join("alice", 12);
    let last = desk.input(("alice", 12), 1, "roll");
    desk.store(last);
    let report = desk.replay().unwrap();
    assert_eq!(report.span.created, third);
    assert_eq!(report.others, [first, second]);
    assert!(matches!(report.comparison, Comparison::Equal { .. }));
    assert!(
        report
            .to_string()
            .contains(&format!("{first}, {second}: --instance"))
    );

    desk.request.instance = Some(first);
    let report = desk.replay().unwrap();
    assert_eq!(
        (report.span.created, report.deleted),
        (first, Some(first_end))
    );
    assert!(matches!(report.comparison, Comparison::OtherInstance));
    assert_eq!(report.tally.entries, 4);
    desk.put(None);
    assert_eq!(desk.replay().unwrap().comparison, Comparison::Older);

    desk.request.instance = Some(first + 1);
    let (code, told) = code(&mut desk);
    assert_eq!(code, 66);
    assert!(
        told.contains(&format!("{first}, {second}, {third}")),
        "{told}"
    );

    desk.request.instance = None;
    desk.request.until = Some(second + 3);
    assert_eq!(desk.replay().unwrap().span.created, second);
    desk.request.until = Some(first - 1);
    assert!(matches!(desk.replay(), Err(NoRoom::Later { .. })));
}

#[test]
fn a_new_room_without_a_snapshot_is_not_compared_with_earlier_rooms() {
    let mut desk = Desk::new();
    let (_, end) = deleted(&mut desk, 10);
    for marker in [false, true] {
        desk.store(end);
        if marker {
            desk.put(None);
        }
        desk.join("alice", 11);
        let report = desk.replay().unwrap();
        assert_eq!(report.comparison, Comparison::NotStored);
        assert!(report.is_well());
        desk.log.pop();
    }
}

#[test]
fn a_room_whose_first_entry_is_gone_is_an_error() {
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll", "roll", "timer"]);
    desk.join("bob", 20);
    desk.store(seqs[3]);
    desk.trim(seqs[2]);
    let (exit, told) = code(&mut desk);
    assert_eq!(exit, 66);
    for part in [seqs[2].to_string(), "--from-snapshot".into()] {
        assert!(told.contains(&part), "{part} is not in {told}");
    }
    // The stream may have earlier entries, of other rooms.
    desk.log_first = 1;
    assert!(matches!(desk.replay(), Err(NoRoom::OtherLog { .. })));
    // Without a snapshot bob's join looks like a room's first entry. Only entries of the earlier room reveal it.
    for of_earlier in [
        input(("alice", 10), 4, 4, "roll"),
        input(("bob", 20), 1, 7, "roll"),
        left(("alice", 10), 4),
    ] {
        let mut desk = Desk::new();
        desk.alice(&["roll", "roll", "timer"]);
        let bob = desk.join("bob", 20);
        desk.append(&of_earlier);
        desk.trim(bob);
        let (exit, told) = code(&mut desk);
        assert_eq!(exit, 66);
        assert!(told.contains("no longer in the log"), "{told}");
    }
    let mut desk = Desk::new();
    desk.alice(&["timer"]);
    let bob = desk.join("bob", 20);
    desk.fire("t", 1);
    desk.trim(bob);
    assert_eq!(code(&mut desk).0, 66);
    // No remaining entry could have created the room.
    let mut desk = Desk::new();
    let seqs = desk.alice(&["roll"]);
    desk.trim(seqs[1]);
    let (exit, told) = code(&mut desk);
    assert_eq!(exit, 66);
    assert!(told.contains("no longer in the log"), "{told}");
}

#[test]
fn a_room_with_all_its_entries_is_replayed_from_a_trimmed_log() {
    let mut desk = Desk::new();
    deleted(&mut desk, 10);
    let first = desk.join("alice", 11);
    desk.join("bob", 20);
    desk.input(("bob", 20), 1, "timer");
    desk.append(&left(("alice", 11), 1));
    desk.fire("t", 1);
    desk.trim(first);
    let report = desk.replay().unwrap();
    assert_eq!(report.span.created, first);
    assert!(report.is_well());
}

#[test]
fn a_log_that_was_created_again_is_an_error() {
    for other in [joined("alice", 10, 9), left(("alice", 10), 1)] {
        let mut desk = Desk::new();
        let seqs = desk.alice(&["roll"]);
        desk.store(seqs[1]);
        desk.log.clear();
        desk.next_seq = 1;
        desk.append(&other);
        desk.input(("alice", 10), 2, "roll");
        let (exit, told) = code(&mut desk);
        assert_eq!(exit, 66);
        assert!(told.contains("created again"), "{told}");
    }
}

#[test]
fn the_stored_instance_decides_which_entry_created_the_room() {
    let mut desk = Desk::new();
    // Another build refused this join; this build would accept it.
    desk.join("zoe", 30);
    desk.input(("zoe", 30), 1, "roll");
    let first = desk.join("alice", 10);
    let last = desk.input(("alice", 10), 1, "roll");
    let mut real = Desk::new();
    real.next_seq = first;
    real.now_ms = desk.log[1].time_ms;
    real.join("alice", 10);
    real.input(("alice", 10), 1, "roll");
    real.store(last);
    desk.key = real.key;
    let report = desk.replay().unwrap();
    assert_eq!(report.span.created, first);
    assert!(
        matches!(report.comparison, Comparison::Equal { .. }),
        "{report}"
    );
}
