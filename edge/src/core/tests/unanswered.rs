//! Joins that no owner answers (D31).

use super::*;

fn join(bench: &mut Bench, conn: ConnKey, role: &str, id: u64) {
    bench.send(
        conn,
        serde_json::json!({"type": "join", "room": ROOM, "role": role, "id": id}),
    );
}

/// The errors among the messages: code, id, room and the time after which to try again.
fn errors(messages: &[serde_json::Value]) -> Vec<serde_json::Value> {
    let errors = messages.iter().filter(|m| m["type"] == "error");
    errors
        .map(|m| serde_json::json!([m["code"], m["id"], m["room"], m["retry_after_ms"]]))
        .collect()
}

#[test]
fn d31_a_join_without_an_answer_gets_room_unavailable_and_is_answered_when_it_can_be() {
    let mut bench = Bench::new();
    let (player, spectator) = (bench.open(1, "alice"), bench.open(2, "sue"));
    join(&mut bench, player, "player", 5);
    join(&mut bench, spectator, "spectator", 6);
    let session = bench.entries()[0].session;
    bench.advance(1_900);
    assert_eq!(bench.take_types(player), [] as [&str; 0]);
    bench.advance(200);
    for (conn, id) in [(player, 5), (spectator, 6)] {
        let got = bench.take_messages(conn);
        let expected = serde_json::json!(["room_unavailable", id, ROOM, 2000]);
        assert_eq!(errors(&got), [expected], "{got:?}");
    }
    bench.advance(10_000);
    assert_eq!(bench.take_types(player), [] as [&str; 0], "it is told once");
    bench.receive(vec![
        snapshot(0, 0),
        snapshot(1, 0),
        processed(session, 0, 0),
    ]);
    for (conn, id) in [(player, 5), (spectator, 6)] {
        let got = bench.take_messages(conn);
        assert_eq!(got[0]["type"], "joined");
        assert_eq!(got[0]["id"], id);
        assert_eq!(got[1]["type"], "snapshot");
    }
}

#[test]
fn d31_a_repeated_join_has_a_time_of_its_own() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "alice");
    join(&mut bench, conn, "player", 1);
    bench.advance(1_500);
    join(&mut bench, conn, "player", 2);
    bench.advance(1_500);
    assert_eq!(bench.take_types(conn), [] as [&str; 0]);
    bench.advance(600);
    assert_eq!(bench.take_messages(conn)[0]["id"], 2);
}

#[test]
fn d31_a_client_that_has_left_or_was_answered_gets_no_error() {
    let mut bench = Bench::new();
    let (left, answered) = (bench.open(1, "alice"), bench.open(2, "bob"));
    join(&mut bench, left, "player", 1);
    bench.entries();
    join(&mut bench, answered, "player", 2);
    let session = bench.entries()[0].session;
    bench.send(left, serde_json::json!({"type": "leave", "room": ROOM}));
    bench.receive(vec![snapshot(0, 0), processed(session, 0, 0)]);
    bench.advance(5_000);
    assert_eq!(bench.take_types(left), ["left"]);
    assert_eq!(bench.take_types(answered), ["joined", "snapshot"]);
}
