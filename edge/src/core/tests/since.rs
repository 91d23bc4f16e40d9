//! `since` resumes only within the same owner's epoch and the same lane (D15).

use super::*;

impl Bench {
    /// Joins a spectator with `since` and `epoch`. Returns the types of the messages that it gets.
    fn rejoin(&mut self, index: u32, since: u64, epoch: &serde_json::Value) -> Vec<String> {
        let conn = self.open(index, "eve");
        self.send(
            conn,
            serde_json::json!({"type": "join", "room": ROOM, "role": "spectator", "since": since, "epoch": epoch}),
        );
        self.take_types(conn)
    }

    /// Opens a room with a player and a spectator. Returns the epochs that the clients of the two lanes see.
    fn watched(&mut self) -> [serde_json::Value; 2] {
        let alice = self.open(1, "alice");
        self.join(alice, "player");
        let session = self.entries()[0].session;
        let eve = self.open(2, "eve");
        self.join(eve, "spectator");
        self.receive(vec![
            snapshot(0, 0),
            snapshot(1, 0),
            processed(session, 0, 0),
        ]);
        self.receive(vec![update(1, 1), update(2, 2)]);
        [alice, eve].map(|conn| {
            let got = self.take_messages(conn);
            let snapshot = got.iter().find(|m| m["type"] == "snapshot");
            snapshot.expect("a snapshot")["epoch"].clone()
        })
    }
}

#[test]
fn since_resumes_what_the_ring_of_this_epoch_holds() {
    let mut bench = Bench::new();
    let [_, spectators] = bench.watched();
    assert_eq!(bench.rejoin(3, 1, &spectators), ["joined", "update"]);
    assert_eq!(bench.rejoin(4, 2, &spectators), ["joined"]);
}

#[test]
fn d26_a_client_that_has_seen_more_than_this_edge_waits_and_never_goes_back() {
    let mut bench = Bench::new();
    let [_, spectators] = bench.watched();
    bench.interests();
    // Another edge has sent the client version 4.
    assert_eq!(bench.rejoin(5, 4, &spectators), ["joined"]);
    let conn = ConnKey {
        index: 5,
        generation: 0,
    };
    bench.receive(vec![update(3, 3)]);
    assert_eq!(bench.take_messages(conn), [] as [serde_json::Value; 0]);
    bench.receive(vec![update(4, 4), update(5, 5)]);
    let got = bench.take_messages(conn);
    let versions: Vec<_> = got.iter().map(|m| (&m["type"], &m["version"])).collect();
    assert_eq!(versions, [(&"update".into(), &5.into())]);
    // An owner of a later epoch begins again.
    let later = bench.rejoin(6, 9, &spectators);
    assert_eq!(later, ["joined"]);
    bench.set_epoch(2);
    bench.receive(vec![snapshot(0, 0), snapshot(1, 0)]);
    let conn = ConnKey {
        index: 6,
        generation: 0,
    };
    assert_eq!(bench.take_types(conn), ["snapshot"]);
}

#[test]
fn since_across_a_change_of_lane_gets_a_snapshot() {
    let mut bench = Bench::new();
    let [players, spectators] = bench.watched();
    assert_ne!(players, spectators);
    let got = bench.rejoin(3, 1, &players);
    assert_eq!(got[..2], ["joined", "snapshot"]);
}

#[test]
fn since_across_a_change_of_owner_gets_a_snapshot() {
    let mut bench = Bench::new();
    let [_, spectators] = bench.watched();
    bench.set_epoch(2);
    // The new owner has the same versions as the old one.
    bench.receive(vec![
        snapshot(0, 0),
        snapshot(1, 0),
        update(1, 1),
        update(2, 2),
    ]);
    let got = bench.rejoin(3, 1, &spectators);
    assert_eq!(got[..2], ["joined", "snapshot"]);
}

#[test]
fn d23_no_epoch_or_version_of_a_client_reaches_an_owner() {
    let mut bench = Bench::new();
    let (conn, _) = bench.player(1, "alice");
    let spectator = bench.open(2, "sam");
    bench.commands();
    let later = format!("{:x}", u64::MAX);
    for (conn, role) in [(conn, "player"), (spectator, "spectator")] {
        for epoch in [
            later.clone(),
            format!("{later}-{later}-p"),
            format!("{later}{later}"),
        ] {
            let message = serde_json::json!({
                "type": "join", "room": ROOM, "role": role, "since": u64::MAX, "epoch": epoch,
            });
            bench.send(conn, message);
        }
    }
    bench
        .core
        .handle_interest_reply(bench.tag(), None, bench.now);
    bench.advance(31_000);
    let interests = bench.interests();
    assert!(!interests.is_empty());
    for known in interests.iter().flat_map(|interest| &interest.rooms) {
        for known in [known.players, known.spectators].into_iter().flatten() {
            assert!(
                known.epoch <= 1 && known.instance <= 7 && known.version == 0,
                "{known:?}"
            );
        }
    }
}

/// A slow client may have seen all versions up to that at which its frames were dropped.
#[test]
fn d26_a_slow_client_gets_no_snapshot_that_is_older_than_what_it_has_seen() {
    let mut bench = Bench::new();
    bench.watched();
    let eve = ConnKey {
        index: 2,
        generation: 0,
    };
    bench.reply();
    bench.commands();
    bench.clients.blocked.insert(eve);
    bench.receive(vec![update(3, 3)]);
    bench.clients.blocked.remove(&eve);
    bench.receive(vec![update(4, 4)]);
    // The edge has version 0, and the updates since.
    bench
        .core
        .handle_drained(eve, bench.now, &mut bench.clients);
    bench.flush();
    assert_eq!(bench.take_messages(eve), [] as [serde_json::Value; 0]);
    bench.advance(500);
    let interests = bench.interests();
    let mut rooms = interests.iter().flat_map(|interest| &interest.rooms);
    let asked = rooms.find(|room| room.sync).expect("a sync is requested");
    assert_eq!(asked.spectators, Some(Known::default()));
    assert_eq!(asked.players.unwrap().version, 4);
    // An update arrives before the snapshot, which is older, but not older than what the client has seen.
    bench.receive(vec![update(5, 5), snapshot(1, 4)]);
    let got = bench.take_messages(eve);
    let versions: Vec<_> = got.iter().map(|m| (&m["type"], &m["version"])).collect();
    let expected = [("snapshot", 4), ("update", 5)].map(|(kind, n)| (kind.into(), n.into()));
    assert_eq!(versions, expected.each_ref().map(|(kind, n)| (kind, n)));
    bench.receive(vec![update(6, 6)]);
    assert_eq!(bench.take_types(eve), ["update"]);
}

#[test]
fn d26_a_slow_client_that_waits_for_a_snapshot_gets_that_of_a_new_owner() {
    let mut bench = Bench::new();
    bench.watched();
    let eve = ConnKey {
        index: 2,
        generation: 0,
    };
    bench.clients.blocked.insert(eve);
    bench.receive(vec![update(3, 3)]);
    bench.clients.blocked.remove(&eve);
    bench
        .core
        .handle_drained(eve, bench.now, &mut bench.clients);
    bench.set_epoch(2);
    bench.receive(vec![snapshot(0, 2), snapshot(1, 2)]);
    assert_eq!(bench.take_types(eve), ["snapshot"]);
    bench.receive(vec![update(3, 3)]);
    assert_eq!(bench.take_types(eve), ["update"]);
}
