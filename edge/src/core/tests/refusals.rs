//! Inputs that the log refuses: too big for it (D27), or while it is full (D26).

use serde_json::json;

use super::*;
use crate::limits::{Limit, LimitSettings, SharedLimits};

fn tags(bench: &mut Bench) -> Vec<AppendTag> {
    let appends = bench.commands().into_iter().filter_map(|c| match c {
        Command::Append { tag, .. } => Some(tag),
        _ => None,
    });
    appends.collect()
}

fn send_inputs(bench: &mut Bench, conn: ConnKey, seqs: impl IntoIterator<Item = u64>) {
    for seq in seqs {
        let input = json!({"type": "input", "room": ROOM, "seq": seq, "data": seq});
        bench.send(conn, input);
    }
}

/// A player whose input 1 did not fit into the log.
fn player_of_a_full_log() -> (Bench, ConnKey, u64) {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    send_inputs(&mut bench, conn, [1]);
    let sent = tags(&mut bench);
    bench
        .core
        .handle_appended(sent[0], Err(AppendFailure::Full), bench.now);
    (bench, conn, session)
}

#[test]
fn d27_an_input_too_big_for_the_log_is_refused_in_its_place() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    send_inputs(&mut bench, conn, 1..=3);
    let sent = tags(&mut bench);
    let too_big = Err(AppendFailure::TooBig);
    for (tag, result) in sent.iter().zip([Ok(10), too_big, Ok(11)]) {
        bench.core.handle_appended(*tag, result, bench.now);
    }
    let inputs = bench.entries().into_iter().map(|entry| match entry.body {
        Some(Body::Input(input)) => (entry.n, input.seq, input.data.is_some(), input.refused),
        body => panic!("{body:?}"),
    });
    let wanted = [(1, 1, true, ""), (2, 2, false, "too_big"), (3, 3, true, "")];
    let wanted = wanted.map(|(n, seq, data, why)| (n, seq, data, why.to_owned()));
    assert_eq!(inputs.collect::<Vec<_>>(), wanted);
    // A late result of the first round changes nothing.
    bench.core.handle_appended(sent[1], too_big, bench.now);
    assert!(bench.entries().is_empty());
    bench.receive(vec![processed(session, 3, 3)]);
    bench.advance(10_000);
    let said = bench.take_messages(conn);
    assert!(said.iter().all(|m| m["type"] != "notice"), "{said:?}");
}

#[test]
fn d27_a_join_too_big_for_the_log_is_refused() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "alice");
    bench.send(
        conn,
        json!({"type": "join", "room": ROOM, "id": 7, "role": "player"}),
    );
    let sent = tags(&mut bench);
    let too_big = Err(AppendFailure::TooBig);
    bench.core.handle_appended(sent[0], too_big, bench.now);
    bench.flush();
    let said = bench.take_messages(conn);
    assert_eq!(said[0]["code"], "too_big");
    assert_eq!(
        (&said[0]["id"], &said[0]["room"]),
        (&json!(7), &json!(ROOM))
    );
    bench.advance(10_000);
    assert!(tags(&mut bench).is_empty(), "nothing is appended again");
}

#[test]
fn d26_a_full_log_refuses_inputs_as_busy_until_an_entry_is_stored() {
    let (mut bench, conn, session) = player_of_a_full_log();
    bench.take_messages(conn);
    send_inputs(&mut bench, conn, [2, 3]);
    let said = bench.take_messages(conn);
    let codes: Vec<_> = said
        .iter()
        .map(|m| (&m["code"], &m["seq"], &m["room"]))
        .collect();
    let (busy, room) = (json!("busy"), json!(ROOM));
    assert_eq!(
        codes,
        [(&busy, &json!(2), &room), (&busy, &json!(3), &room)]
    );
    assert!(said.iter().all(|m| m["retry_after_ms"].is_u64()));
    assert!(
        tags(&mut bench).is_empty(),
        "only what was accepted is appended"
    );
    bench.advance(100);
    let again = tags(&mut bench);
    assert_eq!(again.len(), 1);
    bench.core.handle_appended(again[0], Ok(9), bench.now);
    bench.receive(vec![processed(session, 1, 1)]);
    send_inputs(&mut bench, conn, [2, 3]);
    assert_eq!(tags(&mut bench).len(), 2);
    assert!(bench.take_types(conn).iter().all(|kind| kind != "error"));
}

/// An input that was under way when an earlier one was refused.
#[test]
fn d31_inputs_behind_a_refused_one_are_busy_as_well() {
    let (mut bench, conn, session) = player_of_a_full_log();
    send_inputs(&mut bench, conn, [2]);
    bench.advance(100);
    let again = tags(&mut bench);
    bench.core.handle_appended(again[0], Ok(9), bench.now);
    bench.receive(vec![processed(session, 1, 1)]);
    bench.take_messages(conn);
    send_inputs(&mut bench, conn, [3]);
    let said = bench.take_messages(conn);
    assert_eq!(
        (&said[0]["code"], &said[0]["seq"]),
        (&json!("busy"), &json!(3))
    );
    assert!(said[0]["retry_after_ms"].is_u64());
    send_inputs(&mut bench, conn, [2, 3]);
    assert_eq!(tags(&mut bench).len(), 2);
    bench.take_messages(conn);
    send_inputs(&mut bench, conn, [5]);
    assert_eq!(bench.take_messages(conn)[0]["code"], "bad_seq");
}

#[test]
fn d26_inputs_of_a_player_or_a_room_are_held_to_their_bytes_per_second() {
    for (player, room) in [(1_000, 0), (0, 1_000)] {
        let mut config = CoreConfig::default();
        config.rooms.player_input_bytes_per_s = player;
        config.rooms.room_input_bytes_per_s = room;
        let mut bench = Bench::with(config, None);
        let (conn, session) = bench.player(1, "alice");
        let send = |bench: &mut Bench, seq| {
            let data = "x".repeat(998);
            let input = json!({"type": "input", "room": ROOM, "seq": seq, "data": data});
            bench.send(conn, input);
            tags(bench).len()
        };
        for seq in 1..=4 {
            assert_eq!(send(&mut bench, seq), 1);
        }
        bench.receive(vec![processed(session, 4, 4)]);
        bench.take_messages(conn);
        assert_eq!(send(&mut bench, 5), 0);
        let said = bench.take_messages(conn);
        assert_eq!(
            (&said[0]["code"], &said[0]["seq"]),
            (&json!("busy"), &json!(5))
        );
        let wait = said[0]["retry_after_ms"].as_u64().unwrap();
        bench.advance(wait);
        assert_eq!(send(&mut bench, 5), 1);
    }
}

#[test]
fn d26_the_bytes_of_a_player_and_of_a_room_count_for_all_shards() {
    for (player, room, names, limit) in [
        (1_000, 0, ["alice", "alice"], Limit::PlayerInputBytesPerS),
        (0, 1_000, ["alice", "bob"], Limit::RoomInputBytesPerS),
    ] {
        let start = tokio::time::Instant::now().into_std();
        let shared = SharedLimits::new(LimitSettings::default(), start);
        let mut config = CoreConfig {
            shared: shared.clone(),
            ..CoreConfig::default()
        };
        config.rooms.player_input_bytes_per_s = player;
        config.rooms.room_input_bytes_per_s = room;
        let mut shards = [1, 2].map(|_| Bench::with(config.clone(), None));
        shards[0].now = shards[1].now;
        let [first, second] = [0, 1].map(|at| shards[at].player(1, names[at]).0);
        let send = |bench: &mut Bench, conn, seq| {
            let data = "x".repeat(998);
            let input = json!({"type": "input", "room": ROOM, "seq": seq, "data": data});
            bench.send(conn, input);
            tags(bench).len()
        };
        for seq in 1..=4 {
            assert_eq!(send(&mut shards[0], first, seq), 1);
        }
        assert_eq!(send(&mut shards[1], second, 1), 0);
        let said = shards[1].take_messages(second);
        assert_eq!(said[0]["code"], "busy", "{said:?}");
        assert_eq!(shared.refused(limit), 1);
        let most = shared.most_limited();
        assert_eq!(most[0].limit, limit.name());
        shards[1].advance(said[0]["retry_after_ms"].as_u64().unwrap());
        assert_eq!(send(&mut shards[1], second, 1), 1);
    }
}

#[test]
fn d27_the_limit_in_welcome_follows_the_log() {
    let mut bench = Bench::new();
    assert_eq!(bench.core.handle_max_entry(1 << 20), None);
    assert_eq!(bench.core.handle_max_entry(34 * 1024), Some(32 * 1024));
    let conn = ConnKey {
        index: 1,
        generation: 0,
    };
    let grants = Grants::trusted("alice".parse().unwrap());
    let format = Encoding::Json.into();
    bench
        .core
        .handle_open(conn, format, grants, bench.now, &mut bench.clients);
    let welcome = bench.take_messages(conn);
    assert_eq!(welcome[0]["limits"]["message_bytes"], 32 * 1024);
    assert_eq!(bench.core.handle_max_entry(1 << 20), Some(64 * 1024));
}
