//! Entries at which loops got stuck (D28).

use grandstand_common::record::StuckEntry;

use super::stored::record;
use super::*;

/// Notes that loops got stuck at the next entry of a room.
fn note_stuck(rig: &mut Rig, room: &str, times: u32) {
    let entry = StuckEntry {
        room: room_id(room),
        seq: rig.next_seq,
        time_ms: rig.now.log_ms,
        times,
    };
    rig.owner.note_stuck(P, vec![entry]);
}

#[test]
fn d28_an_entry_at_which_loops_got_stuck_twice_puts_its_room_in_quarantine() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-2", "bob", 20);
    note_stuck(&mut rig, "echo-1", 2);
    // An entry of another room with the same sequence is innocent.
    note_stuck(&mut rig, "echo-2", 2);
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.input("echo-2", ("bob", 20), 1, "b");
    rig.advance(3_000);
    assert!(record(&rig, "echo-1").is_some());
    assert!(record(&rig, "echo-2").is_none());
    assert_eq!(rig.owner.counts().inputs, 2);
}

#[test]
fn d28_an_entry_at_which_a_loop_got_stuck_once_is_applied() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    note_stuck(&mut rig, "echo-1", 1);
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.advance(3_000);
    assert!(record(&rig, "echo-1").is_none());
    assert_eq!(rig.snapshot("echo-1").unwrap()["last"], 2);
}

#[test]
fn d28_a_first_entry_at_which_loops_got_stuck_twice_creates_no_room() {
    let mut rig = Rig::started();
    note_stuck(&mut rig, "echo-1", 2);
    rig.join("echo-1", "alice", 10);
    rig.advance(3_000);
    assert!(record(&rig, "echo-1").is_some());
    assert!(rig.snapshot("echo-1").is_none());
}

#[test]
fn d28_a_room_whose_game_did_not_return_outside_of_entries_goes_to_quarantine() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    let entry = StuckEntry {
        room: room_id("echo-1"),
        seq: 0,
        time_ms: 0,
        times: 2,
    };
    rig.owner.note_stuck(P, vec![entry]);
    rig.send_interest(interest("e2", &["echo-1"], true));
    rig.run();
    assert!(record(&rig, "echo-1").is_some());
}
