//! Limits of players.

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
