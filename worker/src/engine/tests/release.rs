//! Handovers.

use super::*;

#[test]
fn a_release_stores_everything_and_ends() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-2", "alice", 11);
    rig.owner.release(rig.now, P);
    rig.run();
    assert_eq!(rig.events, ["released"]);
    assert_eq!(rig.checkpoint().seq, 3);
    assert_eq!(rig.snapshot("echo-2").unwrap()["last"], 2);
    assert_eq!(rig.owner.partitions().iter().count(), 0);
}

#[test]
fn d27_a_release_ends_after_two_seconds_and_leaves_the_rest_to_the_log() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-2", "bob", 20);
    rig.advance(2_000);
    rig.failing_key = "echo-1";
    let first = rig.input("echo-1", ("alice", 10), 1, "a");
    rig.input("echo-2", ("bob", 20), 1, "b");
    rig.owner.release(rig.now, P);
    rig.advance(1_999);
    assert_eq!(rig.events, [""; 0], "the room is still tried");
    rig.advance(1);
    assert_eq!(rig.events.pop(), Some("released"));
    assert_eq!(rig.checkpoint().seq, first, "nothing uncovered is passed");
    assert_eq!(rig.snapshot("echo-2").unwrap()["last"], first + 1);

    rig.failing_key = "none";
    rig.restart();
    rig.send_interest(interest("e5", &["echo-1"], true));
    assert_eq!(rig.received("e5", "echo-1")[..1], ["snapshot 0 v2 2"]);
}

#[test]
fn a_release_during_a_takeover_ends_at_once() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.hold_log = true;
    rig.owner
        .take(rig.now, P, grandstand_common::id::Epoch(500));
    rig.run();
    rig.owner.release(rig.now, P);
    rig.run();
    assert_eq!(rig.events, ["released"]);
}
