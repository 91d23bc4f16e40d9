//! Limits of players and clients, and lack of memory.

use serde_json::json;

use super::*;
use crate::limits::{LimitSettings, SharedLimits};

fn bench(settings: LimitSettings) -> (Bench, SharedLimits) {
    let now = tokio::time::Instant::now().into_std();
    let limits = SharedLimits::new(settings, now);
    let config = CoreConfig {
        shared: limits.clone(),
        ..CoreConfig::default()
    };
    (Bench::with(config, None), limits)
}

#[test]
fn a_player_with_too_many_connections_is_closed_with_4029() {
    let (mut bench, limits) = bench(LimitSettings {
        player_connections: 1,
        ..LimitSettings::default()
    });
    let first = bench.open(1, "alice");
    let conn = ConnKey {
        index: 2,
        generation: 0,
    };
    let grants = Grants::trusted("alice".parse().unwrap());
    let (core, clients) = (&mut bench.core, &mut bench.clients);
    core.handle_open(conn, Encoding::Json.into(), grants, bench.now, clients);
    let said = bench.take_messages(conn);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0]["code"], "rate_limited");
    assert_eq!(said[0]["retry_after_ms"], 5_000);
    assert_eq!(bench.clients.closed[&conn], ErrorKind::RateLimited);
    bench.core.handle_closed(conn, bench.now);
    bench.core.handle_closed(first, bench.now);
    bench.open(3, "alice");
    assert_eq!(limits.refused(crate::limits::Limit::PlayerConnections), 1);
}

#[test]
fn a_player_that_joins_too_fast_is_told_when_to_join_again() {
    let (mut bench, _) = bench(LimitSettings {
        player_joins_per_s: 1,
        player_join_burst: 2,
        ..LimitSettings::default()
    });
    let conns = [1, 2].map(|index| bench.open(index, "alice"));
    let join = |room: u32| json!({"type": "join", "room": format!("relay-{room}"), "id": room});
    bench.send(conns[0], join(1));
    bench.send(conns[1], join(2));
    bench.send(conns[0], join(3));
    let said = bench.take_messages(conns[0]);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0]["code"], "rate_limited");
    assert_eq!(
        (&said[0]["id"], &said[0]["room"]),
        (&json!(3), &json!("relay-3"))
    );
    assert_eq!(said[0]["retry_after_ms"], 2_000);
    bench.advance(2_000);
    bench.take_messages(conns[0]);
    bench.send(conns[0], join(3));
    let said = bench.take_messages(conns[0]);
    assert!(said.iter().all(|m| m["code"] != "rate_limited"), "{said:?}");
}

/// The codes of the errors that a client got, and whether each says when to try again.
fn errors(bench: &mut Bench, conn: ConnKey) -> Vec<(String, bool)> {
    let errors = bench.take_messages(conn).into_iter();
    let errors = errors.filter(|message| message["type"] == "error");
    let code = |m: &serde_json::Value| m["code"].as_str().unwrap().to_owned();
    errors
        .map(|m| (code(&m), m["retry_after_ms"].as_u64().is_some()))
        .collect()
}

#[test]
fn a_client_may_send_so_many_bytes_per_second() {
    let mut config = CoreConfig::default();
    config.clients.bytes_per_s = 1_000;
    let mut bench = Bench::with(config, None);
    let conn = bench.open(1, "alice");
    let ping = json!({"type": "ping", "id": 1, "x": "x".repeat(971)});
    assert_eq!(ping.to_string().len(), 1_000);
    for _ in 0..4 {
        bench.send(conn, ping.clone());
    }
    assert_eq!(errors(&mut bench, conn), []);
    bench.send(conn, ping.clone());
    let refused = ("rate_limited".to_owned(), true);
    assert!(errors(&mut bench, conn).iter().eq([&refused]));
    bench.advance(2_100);
    bench.send(conn, ping.clone());
    assert_eq!(errors(&mut bench, conn), []);
    for _ in 0..5 {
        bench.send(conn, ping.clone());
    }
    assert_eq!(errors(&mut bench, conn), vec![refused; 5]);
    assert_eq!(bench.clients.closed[&conn].close_code(), 4029);
}

#[test]
fn a_join_costs_as_much_as_ten_pings() {
    let mut config = CoreConfig::default();
    (config.clients.messages_per_s, config.clients.message_burst) = (1, 20);
    let mut bench = Bench::with(config, None);
    let conn = bench.open(1, "alice");
    let join = |room: u32| json!({"type": "join", "room": format!("relay-{room}"), "id": room});
    for room in 1..=3 {
        bench.send(conn, join(room));
    }
    let said = bench.take_messages(conn);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(
        (&said[0]["code"], &said[0]["id"], &said[0]["room"]),
        (&json!("rate_limited"), &json!(3), &json!("relay-3"))
    );
    assert!(said[0]["retry_after_ms"].as_u64() > Some(0));
}

#[test]
fn new_limits_count_at_once() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "alice");
    let config = CoreConfig::default();
    bench.core.set_limits(CoreLimits {
        clients: ClientConfig {
            messages_per_s: 1,
            message_burst: 1,
            ..config.clients
        },
        rooms: 1,
        player_input_bytes_per_s: 1,
        room_input_bytes_per_s: 1,
        message_bytes: 2048,
        outbox_bytes: 4096,
    });
    let late = bench.open_with_welcome(2, "bob");
    assert_eq!(late["limits"]["message_bytes"], 2048);
    assert_eq!(bench.core.handle_max_entry(3 * 1024), Some(1024));
    let ping = json!({"type": "ping"});
    bench.send(conn, ping.clone());
    assert_eq!(errors(&mut bench, conn), []);
    bench.send(conn, ping);
    assert_eq!(
        errors(&mut bench, conn),
        [("rate_limited".to_owned(), true)]
    );
}

#[test]
fn a_client_that_is_in_no_room_for_too_long_is_closed_whatever_it_sends() {
    let shared = SharedLimits::default();
    let mut config = CoreConfig {
        shared: shared.clone(),
        ..CoreConfig::default()
    };
    config.clients.no_room = Duration::from_secs(10);
    let mut bench = Bench::with(config, None);
    let idle = bench.open(1, "eve");
    let (player, _) = bench.player(2, "alice");
    for _ in 0..9 {
        bench.advance(1_000);
        bench.send(idle, json!({"type": "ping"}));
    }
    assert!(!bench.clients.closed.contains_key(&idle));
    bench.take_messages(idle);
    bench.advance(1_200);
    assert_eq!(errors(&mut bench, idle), [("no_room".to_owned(), false)]);
    assert_eq!(bench.clients.closed[&idle].close_code(), 4008);
    assert_eq!(shared.refused(crate::limits::Limit::NoRoom), 1);
    bench.advance(30_000);
    assert!(!bench.clients.closed.contains_key(&player));
    // Its time begins when it leaves its last room. A timer that is set already counts no earlier time.
    for _ in 0..3 {
        bench.send(player, json!({"type": "leave", "room": ROOM}));
        bench.advance(6_000);
        assert!(!bench.clients.closed.contains_key(&player));
        bench.join(player, "spectator");
    }
    bench.send(player, json!({"type": "leave", "room": ROOM}));
    bench.advance(9_500);
    assert!(!bench.clients.closed.contains_key(&player));
    bench.advance(700);
    assert_eq!(bench.clients.closed[&player], ErrorKind::NoRoom);
}

#[test]
fn without_a_limit_a_client_may_be_in_no_room_forever() {
    let mut config = CoreConfig::default();
    config.clients.no_room = Duration::ZERO;
    let mut bench = Bench::with(config, None);
    bench.open(1, "eve");
    bench.advance(86_400_000);
    assert!(bench.clients.closed.is_empty());
}

#[test]
fn what_a_connection_is_refused_is_listed_by_player_or_by_connection() {
    let shared = SharedLimits::default();
    let mut config = CoreConfig {
        shared: shared.clone(),
        ..CoreConfig::default()
    };
    (config.clients.messages_per_s, config.clients.message_burst) = (1, 1);
    config.clients.bytes_per_s = 100;
    let mut bench = Bench::with(config, None);
    let alice = bench.open(1, "alice");
    let anonymous = ConnKey {
        index: 2,
        generation: 0,
    };
    let (core, clients) = (&mut bench.core, &mut bench.clients);
    let grants = Grants::anonymous();
    core.handle_open(anonymous, Encoding::Json.into(), grants, bench.now, clients);
    for _ in 0..2 {
        bench.send(anonymous, json!({"type": "ping"}));
    }
    bench.send(alice, json!({"type": "ping", "x": "x".repeat(600)}));
    bench.advance(60_000);
    bench.send(alice, json!({"type": "join", "room": ROOM}));
    let mut listed: Vec<_> = shared.most_limited().into_iter().collect();
    listed.sort_by_key(|limited| limited.limit);
    let listed: Vec<_> = listed.iter().map(|l| (l.limit, l.who.as_str())).collect();
    let name = bench.core.name(anonymous).to_string();
    let expected = [
        ("bytes_per_s", "alice"),
        ("messages_per_s", name.as_str()),
        ("messages_per_s", "alice"),
    ];
    assert_eq!(listed, expected);
}

#[test]
fn spectators_are_shed_first_and_players_last() {
    let mut bench = Bench::new();
    let (player, _) = bench.player(1, "alice");
    let spectators: Vec<_> = (2..=30).map(|i| bench.open(i, "eve")).collect();
    bench.join(spectators[0], "spectator");
    for _ in 0..4 {
        bench.core.shed(false, &mut bench.clients);
        for conn in spectators
            .iter()
            .filter(|c| bench.clients.closed.contains_key(c))
        {
            bench.core.handle_closed(*conn, bench.now);
        }
    }
    assert_eq!(bench.clients.closed.len(), spectators.len());
    assert_eq!(
        errors(&mut bench, spectators[1]),
        [("overloaded".to_owned(), true)]
    );
    assert_eq!(bench.clients.closed[&spectators[0]].close_code(), 1013);
    bench.core.shed(true, &mut bench.clients);
    assert_eq!(bench.clients.closed[&player].close_code(), 1013);
}
