//! Repeated joins and inputs: what a client has been sent, or will be, is not sent twice, and nothing overtakes it
//! (D4, D21, D26).

use super::*;

/// The messages of a client: the type, and what it is about.
fn told(bench: &mut Bench, conn: ConnKey) -> Vec<(String, Option<u64>)> {
    let messages = bench.take_messages(conn);
    let about = |m: &serde_json::Value| m["version"].as_u64().or(m["seq"].as_u64());
    let told = messages
        .iter()
        .map(|m| (m["type"].as_str().unwrap().to_owned(), about(m)));
    told.collect()
}

fn named(expected: &[(&str, Option<u64>)]) -> Vec<(String, Option<u64>)> {
    let expected = expected.iter();
    expected
        .map(|(kind, about)| ((*kind).to_owned(), *about))
        .collect()
}

fn rejected(session: u64, seq: u64) -> ItemKind {
    ItemKind::Rejected(Rejected {
        session,
        seq,
        code: "no".into(),
        ..Rejected::default()
    })
}

fn direct(session: u64) -> ItemKind {
    ItemKind::Direct(Direct {
        session,
        data: json(1),
    })
}

impl Bench {
    /// Joins with what the client has of an earlier connection.
    fn resume(&mut self, conn: ConnKey, role: &str, since: u64, epoch: &serde_json::Value) {
        self.send(
            conn,
            serde_json::json!({"type": "join", "room": ROOM, "role": role, "since": since, "epoch": epoch}),
        );
    }

    /// Sends an input that was sent before.
    fn repeat_input(&mut self, conn: ConnKey, seq: u64) {
        self.send(
            conn,
            serde_json::json!({"type": "input", "room": ROOM, "seq": seq, "data": 1}),
        );
    }

    /// Receives items without writing anything to clients.
    fn receive_unsent(&mut self, items: Vec<ItemKind>) {
        let batch = self.batch(7, items);
        let (core, clients) = (&mut self.core, &mut self.clients);
        core.handle_batch(batch, self.now, clients);
    }

    /// Opens a room at version 2 of both lanes with a player. Returns the epochs of the lanes.
    fn opened(&mut self) -> [serde_json::Value; 2] {
        let [alice, eve] = [(1, "alice"), (2, "eve")].map(|(index, name)| self.open(index, name));
        self.join(alice, "player");
        let session = self.entries()[0].session;
        self.join(eve, "spectator");
        self.receive(vec![
            snapshot(0, 0),
            snapshot(1, 0),
            processed(session, 0, 0),
            update(1, 1),
            update(2, 2),
        ]);
        [alice, eve].map(|conn| {
            let got = self.take_messages(conn);
            let snapshot = got.iter().find(|m| m["type"] == "snapshot");
            snapshot.expect("a snapshot")["epoch"].clone()
        })
    }
}

/// A client joins again because its first `join` was not answered in time, and then both are answered.
#[test]
fn d21_a_repeated_join_with_since_repeats_no_update() {
    let mut bench = Bench::new();
    let [players, spectators] = bench.opened();
    for (index, role, epoch) in [(3, "player", players), (4, "spectator", spectators)] {
        let conn = bench.open(index, role);
        bench.commands();
        bench.resume(conn, role, 1, &epoch);
        if role == "player" {
            let session = bench.entries()[0].session;
            bench.receive(vec![processed(session, 0, 0)]);
        }
        let first = told(&mut bench, conn);
        assert_eq!(
            first,
            named(&[("joined", None), ("update", Some(2))]),
            "{role}"
        );
        bench.resume(conn, role, 1, &epoch);
        let second = told(&mut bench, conn);
        assert_eq!(second, named(&[("joined", None)]), "{role}");
    }
    bench.receive(vec![update(3, 3)]);
    for index in [3, 4] {
        let conn = ConnKey {
            index,
            generation: 0,
        };
        assert_eq!(told(&mut bench, conn), named(&[("update", Some(3))]));
    }
}

#[test]
fn d21_what_is_queued_for_a_client_that_repeats_its_join_comes_once_and_in_order() {
    let mut bench = Bench::new();
    let [epoch, _] = bench.opened();
    let conn = bench.open(3, "bob");
    bench.commands();
    bench.resume(conn, "player", 2, &epoch);
    let session = bench.entries()[0].session;
    bench.receive(vec![processed(session, 0, 0)]);
    bench.take_messages(conn);
    for (version, seq) in [(3, 1), (4, 2)] {
        bench.receive_unsent(vec![
            update(version, version),
            direct(session),
            rejected(session, seq),
            processed(session, seq, seq),
        ]);
    }
    bench.resume(conn, "player", 2, &epoch);
    let expected = [
        ("joined", None),
        ("update", Some(3)),
        ("update", Some(4)),
        ("direct", None),
        ("reject", Some(1)),
        ("reject", Some(2)),
        ("ack", Some(2)),
    ];
    assert_eq!(told(&mut bench, conn), named(&expected));
}

#[test]
fn d21_a_repeated_join_without_since_or_with_another_epoch_gets_a_snapshot() {
    let mut bench = Bench::new();
    let [_, spectators] = bench.opened();
    let conn = bench.open(3, "sue");
    bench.resume(conn, "spectator", 1, &spectators);
    bench.take_messages(conn);
    let shown = named(&[
        ("joined", None),
        ("snapshot", Some(0)),
        ("update", Some(1)),
        ("update", Some(2)),
    ]);
    bench.join(conn, "spectator");
    assert_eq!(told(&mut bench, conn), shown);
    bench.resume(conn, "spectator", 1, &"another".into());
    assert_eq!(told(&mut bench, conn), shown);
}

#[test]
fn d26_a_slow_client_that_repeats_its_join_gets_no_update_that_it_may_have_seen() {
    let mut bench = Bench::new();
    let [_, spectators] = bench.opened();
    let conn = bench.open(3, "sue");
    bench.resume(conn, "spectator", 1, &spectators);
    bench.take_messages(conn);
    bench.clients.blocked.insert(conn);
    bench.receive(vec![update(3, 3)]);
    bench.clients.blocked.remove(&conn);
    // It said so before it got version 2.
    bench.resume(conn, "spectator", 1, &spectators);
    assert_eq!(told(&mut bench, conn), named(&[("joined", None)]));
    bench.receive(vec![snapshot(1, 3)]);
    assert_eq!(told(&mut bench, conn), named(&[("snapshot", Some(3))]));
    bench.receive(vec![update(4, 4)]);
    assert_eq!(told(&mut bench, conn), named(&[("update", Some(4))]));
}

/// Nothing of an answer that was postponed was sent, so `since` still holds.
#[test]
fn d26_a_postponed_answer_to_a_repeated_join_has_the_missed_updates() {
    let mut bench = Bench::new();
    let [_, spectators] = bench.opened();
    let conn = bench.open(3, "sue");
    bench.clients.blocked.insert(conn);
    for _ in 0..2 {
        bench.resume(conn, "spectator", 1, &spectators);
        assert_eq!(told(&mut bench, conn), named(&[("joined", None)]));
    }
    bench.clients.blocked.remove(&conn);
    bench
        .core
        .handle_drained(conn, bench.now, &mut bench.clients);
    bench.flush();
    assert_eq!(told(&mut bench, conn), named(&[("update", Some(2))]));
}

/// A busy edge reads a repeated input before it has written what it has queued.
#[test]
fn d04_the_answer_to_a_repeated_input_follows_the_rejects_and_updates_that_are_queued() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.take_messages(conn);
    (1..=2).for_each(|seq| bench.repeat_input(conn, seq));
    bench.receive_unsent(vec![
        update(1, 0),
        processed(session, 1, 1),
        rejected(session, 2),
        processed(session, 2, 2),
    ]);
    bench.repeat_input(conn, 1);
    let expected = [
        ("update", Some(1)),
        ("reject", Some(2)),
        ("ack", Some(2)),
        ("ack", Some(2)),
    ];
    assert_eq!(told(&mut bench, conn), named(&expected));
}

#[test]
fn d04_a_repeated_input_of_a_slow_client_is_answered_behind_its_snapshot() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.take_messages(conn);
    (1..=2).for_each(|seq| bench.repeat_input(conn, seq));
    bench.clients.blocked.insert(conn);
    bench.receive(vec![
        update(1, 0),
        rejected(session, 2),
        processed(session, 2, 2),
    ]);
    bench.repeat_input(conn, 1);
    assert_eq!(told(&mut bench, conn), []);
    bench.clients.blocked.remove(&conn);
    bench
        .core
        .handle_drained(conn, bench.now, &mut bench.clients);
    bench.receive(vec![snapshot(0, 1)]);
    let expected = [("snapshot", Some(1)), ("reject", Some(2)), ("ack", Some(2))];
    assert_eq!(told(&mut bench, conn), named(&expected));
}

/// `joined.last_seq` covers inputs of an earlier connection, whose rejects are still to come.
#[test]
fn d04_a_repeated_input_is_not_acked_before_the_answer_to_the_join_is_complete() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "alice");
    bench.join(conn, "player");
    let session = bench.entries()[0].session;
    // The lane has no snapshot yet.
    bench.receive(vec![rejected(session, 2), processed(session, 0, 2)]);
    assert_eq!(told(&mut bench, conn), named(&[("joined", None)]));
    bench.repeat_input(conn, 2);
    assert_eq!(told(&mut bench, conn), []);
    bench.receive(vec![snapshot(0, 1)]);
    let expected = [("snapshot", Some(1)), ("reject", Some(2)), ("ack", Some(2))];
    assert_eq!(told(&mut bench, conn), named(&expected));
}

#[test]
fn d04_a_repeated_input_is_answered_when_what_the_room_lacks_has_come() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.take_messages(conn);
    (1..=2).for_each(|seq| bench.repeat_input(conn, seq));
    bench.receive(vec![processed(session, 1, 1)]);
    bench.take_messages(conn);
    bench.set_epoch(2);
    // A new owner's first batch. Those of the former one may be lost.
    bench.receive(vec![snapshot(0, 1), processed(session, 1, 1)]);
    bench.repeat_input(conn, 1);
    let shown = told(&mut bench, conn);
    assert_eq!(shown, named(&[("snapshot", Some(1))]));
    bench.receive(vec![
        processed(session, 2, 2),
        ItemKind::Synced(Synced { number: 0 }),
    ]);
    let expected = [("ack", Some(1)), ("ack", Some(2))];
    assert_eq!(told(&mut bench, conn), named(&expected));
}

/// The first rejects of a new owner wait until nothing that precedes them can be lost, and the next one comes in the batch
/// that ends the wait.
#[test]
fn d04_a_reject_behind_others_that_wait_displaces_none_of_them() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.take_messages(conn);
    (1..=3).for_each(|seq| bench.repeat_input(conn, seq));
    bench.set_epoch(2);
    bench.receive(vec![
        snapshot(0, 1),
        rejected(session, 1),
        rejected(session, 2),
        processed(session, 2, 2),
        ItemKind::Synced(Synced { number: 0 }),
        rejected(session, 3),
        processed(session, 3, 3),
    ]);
    let expected = [
        ("snapshot", Some(1)),
        ("reject", Some(1)),
        ("reject", Some(2)),
        ("reject", Some(3)),
        ("ack", Some(3)),
    ];
    assert_eq!(told(&mut bench, conn), named(&expected));
}
