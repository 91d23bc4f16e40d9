//! `since` resumes what is of this very owner and lane, and nothing else (D15).

use super::*;

impl Bench {
    /// A spectator who comes back with what was seen last, and what it is sent then.
    fn back(&mut self, index: u32, since: u64, epoch: &serde_json::Value) -> Vec<String> {
        let conn = self.open(index, "eve");
        self.says(
            conn,
            serde_json::json!({"type": "join", "room": ROOM, "role": "spectator", "since": since, "epoch": epoch}),
        );
        self.take(conn)
    }

    /// A room with a player and a spectator: the epochs that the two lanes' clients see.
    fn watched(&mut self) -> [serde_json::Value; 2] {
        let alice = self.open(1, "alice");
        self.join(alice, "player");
        let session = self.entries()[0].session;
        let eve = self.open(2, "eve");
        self.join(eve, "spectator");
        self.owner(vec![
            snapshot(0, 0),
            snapshot(1, 0),
            processed(session, 0, 0),
        ]);
        self.owner(vec![update(1, 1), update(2, 2)]);
        [alice, eve].map(|conn| {
            let got = self.got(conn);
            let snapshot = got.iter().find(|m| m["type"] == "snapshot");
            snapshot.expect("a snapshot")["epoch"].clone()
        })
    }
}

#[test]
fn since_resumes_what_the_ring_of_this_epoch_holds() {
    let mut bench = Bench::new();
    let [_, spectators] = bench.watched();
    assert_eq!(bench.back(3, 1, &spectators), ["joined", "update"]);
    assert_eq!(bench.back(4, 2, &spectators), ["joined"]);
    let ahead = bench.back(5, 3, &spectators);
    assert_eq!(ahead[..2], ["joined", "snapshot"], "no such version yet");
}

#[test]
fn since_across_a_change_of_lane_gets_a_snapshot() {
    let mut bench = Bench::new();
    let [players, spectators] = bench.watched();
    assert_ne!(players, spectators);
    let got = bench.back(3, 1, &players);
    assert_eq!(got[..2], ["joined", "snapshot"]);
}

#[test]
fn since_across_a_change_of_owner_gets_a_snapshot() {
    let mut bench = Bench::new();
    let [_, spectators] = bench.watched();
    bench.own(2);
    // The new owner has come to the very versions that the old one had.
    bench.owner(vec![
        snapshot(0, 0),
        snapshot(1, 0),
        update(1, 1),
        update(2, 2),
    ]);
    let got = bench.back(3, 1, &spectators);
    assert_eq!(got[..2], ["joined", "snapshot"]);
}
