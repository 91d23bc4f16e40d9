//! Entries, sessions and reports (D1, D2, D4, D5, D6).

use super::*;

#[test]
fn a_join_creates_a_room_and_a_second_edge_gets_its_snapshot() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    assert_eq!(
        rig.told("e1", "echo-1"),
        [
            "snapshot 0 v1 1",
            "direct 10 secret of alice",
            "processed 10 n0 seq0",
            "presence 1 0",
        ]
    );
    rig.join("echo-1", "bob", 20);
    assert_eq!(rig.told("e1", "echo-1"), ["update 2/0 joined bob"]);
    assert_eq!(
        rig.told("e2", "echo-1"),
        [
            "snapshot 0 v2 2",
            "direct 20 secret of bob",
            "processed 20 n0 seq0",
        ]
    );
    rig.pass(500);
    assert_eq!(rig.told("e2", "echo-1"), ["presence 2 0"]);
    rig.input("echo-1", ("bob", 20), 1, "hi");
    assert_eq!(
        rig.told("e1", "echo-1"),
        ["presence 2 0", "update 3/0 bob hi"]
    );
    assert_eq!(
        rig.told("e2", "echo-1"),
        ["update 3/0 bob hi", "processed 20 n1 seq1"]
    );
}
