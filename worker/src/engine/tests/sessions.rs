//! Sessions, chains and the answers to their entries (D1, D2, D4, D5, D6).

use grandstand_common::wire::Body;

use super::*;

#[test]
fn a_join_creates_a_room_and_a_second_edge_gets_its_snapshot() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    assert_eq!(
        rig.received("e1", "echo-1"),
        [
            "snapshot 0 v1 1",
            "direct 10 secret of alice",
            "processed 10 n0 seq0",
            "presence 1 0",
        ]
    );
    rig.join("echo-1", "bob", 20);
    assert_eq!(rig.received("e1", "echo-1"), ["update 2/0 joined bob"]);
    assert_eq!(
        rig.received("e2", "echo-1"),
        [
            "snapshot 0 v2 2",
            "direct 20 secret of bob",
            "processed 20 n0 seq0",
        ]
    );
    rig.advance(500);
    assert_eq!(rig.received("e2", "echo-1"), ["presence 2 0"]);
    rig.input("echo-1", ("bob", 20), 1, "hi");
    assert_eq!(
        rig.received("e1", "echo-1"),
        ["presence 2 0", "update 3/0 bob hi"]
    );
    assert_eq!(
        rig.received("e2", "echo-1"),
        ["update 3/0 bob hi", "processed 20 n1 seq1"]
    );
}

#[test]
fn d01_only_the_session_of_the_latest_join_counts() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.received("e1", "echo-1");
    rig.join("echo-1", "alice", 20);
    assert_eq!(rig.received("e1", "echo-1"), ["gone 10 replaced"]);
    assert_eq!(
        rig.received("e2", "echo-1"),
        [
            "snapshot 0 v1 1",
            "direct 20 secret of alice",
            "processed 20 n0 seq0",
        ]
    );
    // Late entries and a repeated join of the old edge have no effect.
    rig.append("echo-1", lost(("alice", 10), 1));
    rig.join("echo-1", "alice", 10);
    assert_eq!(rig.received("e1", "echo-1")[..1], ["gone 10 replaced"]);
    rig.input("echo-1", ("alice", 20), 1, "on");
    assert_eq!(
        rig.received("e2", "echo-1"),
        ["update 2/0 alice on", "processed 20 n1 seq1"]
    );
}

#[test]
fn d01_a_lower_attempt_of_the_same_page_is_skipped() {
    let mut rig = Rig::started();
    let attempt = |session, attempt| {
        let mut entry = joined("alice", session);
        if let Some(Body::Joined(joined)) = &mut entry.body {
            joined.client = "page".into();
            joined.attempt = attempt;
        }
        entry
    };
    rig.append("echo-1", attempt(20, 2));
    rig.append("echo-1", attempt(10, 1));
    assert_eq!(rig.received("e1", "echo-1"), ["gone 10 replaced"]);
    rig.append("echo-1", attempt(30, 3));
    rig.expect_item("e2", "echo-1", "gone 20 replaced");
}

#[test]
fn d02_repeats_are_answered_and_gaps_are_reported_once_a_round() {
    let mut rig = Rig::started();
    let alice = ("alice", 10);
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", alice, 1, "a");
    rig.received("e1", "echo-1");
    rig.input("echo-1", alice, 1, "a");
    assert_eq!(rig.received("e1", "echo-1"), ["processed 10 n1 seq1"]);
    rig.input("echo-1", alice, 3, "c");
    rig.input("echo-1", alice, 4, "d");
    assert_eq!(rig.received("e1", "echo-1"), ["processed 10 n1 seq1 gap1"]);
    let mut again = input(alice, 3, 3, "c");
    again.round = 2;
    rig.append("echo-1", again);
    assert_eq!(rig.received("e1", "echo-1"), ["processed 10 n1 seq1 gap2"]);
    rig.input("echo-1", alice, 2, "b");
    assert_eq!(
        rig.received("e1", "echo-1"),
        ["update 3/0 alice b", "processed 10 n2 seq2"]
    );
    // A late repeat does not set the chain back.
    rig.input("echo-1", alice, 1, "a");
    assert_eq!(rig.received("e1", "echo-1"), ["processed 10 n2 seq2"]);
    rig.input("echo-1", alice, 3, "c");
    assert_eq!(
        rig.received("e1", "echo-1"),
        ["update 4/0 alice c", "processed 10 n3 seq3"]
    );
}

#[test]
fn d02_seq_continues_across_sessions() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.input("echo-1", ("alice", 10), 2, "reject");
    rig.append("echo-1", left(("alice", 10), 3));
    rig.expect_item("e1", "echo-1", "processed 10 n3 seq2 ended");
    rig.join("echo-1", "alice", 20);
    let received = rig.received("e2", "echo-1");
    let wanted = [
        "direct 20 secret of alice",
        "rejected 20 2 rejected",
        "processed 20 n0 seq2",
    ];
    assert_eq!(received[1..4], wanted);
    // A repeat is answered again, not applied; a gap does not block the chain.
    let alice = ("alice", 20);
    rig.append("echo-1", input(alice, 1, 2, "reject"));
    rig.append("echo-1", input(alice, 2, 1, "a"));
    rig.append("echo-1", input(alice, 3, 9, "z"));
    rig.append("echo-1", input(alice, 4, 3, "c"));
    rig.advance(0);
    let received = rig.received("e2", "echo-1");
    let received: Vec<_> = received
        .iter()
        .filter(|t| !t.starts_with("presence"))
        .collect();
    assert_eq!(
        received,
        [
            "rejected 20 2 rejected",
            "processed 20 n1 seq2",
            "processed 20 n2 seq2",
            "rejected 20 9 bad_seq",
            "processed 20 n3 seq2",
            "update 5/0 alice c",
            "processed 20 n4 seq3",
        ]
    );
}

#[test]
fn d04_a_reject_comes_before_the_report_that_covers_it() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.received("e1", "echo-1");
    rig.hold_log = true;
    for (n, text) in [(1, "a"), (2, "reject"), (3, "c")] {
        rig.input("echo-1", ("alice", 10), n, text);
    }
    rig.hold_log = false;
    rig.run();
    assert_eq!(
        rig.received("e1", "echo-1"),
        [
            "update 2/0 alice a",
            "rejected 10 2 no",
            "update 3/0 alice c",
            "processed 10 n3 seq3",
        ],
        "one report for the whole turn"
    );
}

#[test]
fn d04_an_entry_of_an_unknown_room_or_session_is_answered_with_gone() {
    let mut rig = Rig::started();
    rig.input("echo-1", ("alice", 10), 1, "a");
    assert_eq!(rig.received("e1", "echo-1"), ["gone 10 not_joined"]);
    assert!(rig.snapshot("echo-1").is_none());
    rig.join("echo-1", "alice", 10);
    rig.input("echo-1", ("bob", 20), 1, "a");
    assert_eq!(rig.received("e2", "echo-1"), ["gone 20 not_joined"]);
}

#[test]
fn d05_only_an_accepted_join_creates_a_room() {
    let mut rig = Rig::started();
    rig.join("nothing-1", "alice", 10);
    assert_eq!(rig.received("e1", "nothing-1"), ["refused 10 no_such_game"]);
    rig.join("echo-1", "mallory", 10);
    assert_eq!(rig.received("e1", "echo-1"), ["refused 10 room_full"]);
    let mut bad = joined("alice", 10);
    if let Some(Body::Joined(joined)) = &mut bad.body {
        joined.params = "{\"bad\":1}".into();
    }
    rig.append("echo-1", bad);
    assert_eq!(rig.received("e1", "echo-1"), ["refused 10 bad_params"]);
    rig.advance(3_000);
    assert!(rig.snapshot("echo-1").is_none());
    rig.join("echo-1", "alice", 10);
    rig.join("echo-1", "mallory", 20);
    rig.join("echo-1", "mallory", 20);
    assert_eq!(
        rig.received("e2", "echo-1"),
        ["refused 20 room_full", "refused 20 room_full"]
    );
    let presence = rig.received("e1", "echo-1").pop().unwrap();
    assert_eq!(presence, "presence 1 0");
}

#[test]
fn d05_the_seed_determines_a_rooms_randomness() {
    let dice = |seed: u8| {
        let mut rig = Rig::started();
        let mut entry = joined("alice", 10);
        if let Some(Body::Joined(joined)) = &mut entry.body {
            joined.seed = vec![seed; 32].into();
        }
        rig.append("echo-1", entry);
        rig.input("echo-1", ("alice", 10), 1, "a");
        rig.advance(2_000);
        rig.snapshot("echo-1").unwrap()["game"]["dice"].clone()
    };
    assert_eq!(dice(1), dice(1));
    assert_ne!(dice(1), dice(2));
}

#[test]
fn d06_edge_lost_leaves_the_session_open() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-1", "bob", 20);
    rig.owner
        .handle_process_gone(rig.now, &"e1".parse().unwrap());
    rig.owner
        .handle_process_gone(rig.now, &"e1".parse().unwrap());
    rig.run();
    let received = rig.received("e2", "echo-1");
    assert_eq!(
        received.last().unwrap(),
        "update 3/0 lost alice",
        "the loss is applied once"
    );
    assert_eq!(
        rig.received("e1", "echo-1").last().unwrap(),
        "processed 10 n0 seq0 lost"
    );
    rig.append("echo-1", here(("alice", 10), 1));
    let received = rig.received("e1", "echo-1");
    assert_eq!(
        received[..3],
        [
            "snapshot 0 v4 4",
            "direct 10 secret of alice",
            "processed 10 n1 seq0",
        ]
    );
    rig.expect_item("e2", "echo-1", "update 4/0 returned alice");
}

#[test]
fn a_player_whose_session_lost_ended_returns_with_another_session() {
    let mut rig = Rig::started();
    rig.join("echo-1", "bob", 20);
    rig.join("echo-1", "alice", 10);
    rig.append("echo-1", lost(("alice", 10), 1));
    rig.expect_item("e1", "echo-1", "processed 10 n1 seq0 ended");
    rig.input("echo-1", ("alice", 10), 2, "late");
    assert_eq!(
        rig.received("e1", "echo-1")[..1],
        ["processed 10 n1 seq0 ended"]
    );
    rig.received("e2", "echo-1");
    rig.join("echo-1", "alice", 11);
    assert_eq!(
        rig.received("e2", "echo-1")[..1],
        ["update 4/0 returned alice"]
    );
}
