//! Two players finish their games while hostile clients of all kinds attack the same shard.

use std::collections::BTreeMap;
use std::time::Duration;

use grandstand_harness::client::{Client, ClientOptions};
use grandstand_harness::hostile::{self, Attack, End, Running, Stage};
use grandstand_harness::process::{Process, Start};
use grandstand_harness::site::{SECRET, everywhere, token};
use grandstand_tests::play::play;
use serde_json::json;
use tokio::time::{Instant, sleep};

/// The most time until each hostile client has ended as it should.
const PATIENCE: Duration = Duration::from_secs(120);

/// Limits that are reached soon. Players come from another address and are exempt.
const LIMITS: [(&str, &str); 10] = [
    ("LIMITS_HANDSHAKE_MS", "1000"),
    ("LIMITS_ADDRESS_CONNECTIONS", "15"),
    ("LIMITS_ADDRESS_HANDSHAKES", "12"),
    ("LIMITS_ADDRESS_HANDSHAKES_PER_S", "20"),
    ("LIMITS_ADDRESS_HANDSHAKE_BURST", "60"),
    ("LIMITS_PLAYER_CONNECTIONS", "10"),
    ("LIMITS_PLAYER_INPUT_BYTES_PER_S", "65536"),
    ("LIMITS_OUTBOX_BYTES", "65536"),
    ("EDGE_HEARTBEAT_MS", "2000"),
    ("TCP_SEND_BUFFER_BYTES", "8192"),
];

/// The ends that each kind must get; it may get others too.
fn expected(attack: Attack) -> &'static [End] {
    match attack {
        Attack::Slowloris => &[End::Status(408), End::Status(429)],
        // It could not read an answer before it asks.
        Attack::HalfOpen => &[End::Status(408), End::Closed],
        Attack::Silent => &[End::Code(4008), End::Code(4029)],
        Attack::Vanished => &[End::Code(4008)],
        Attack::Reconnects => &[End::Status(429), End::Closed],
        Attack::PingFlood | Attack::TinyFrames | Attack::EmptyMessages | Attack::JoinFlood => {
            &[End::Code(4029)]
        }
        Attack::Unmasked => &[End::Code(1002)],
        Attack::Oversized | Attack::DeflateBomb => &[End::Code(1009)],
        Attack::NeverReads | Attack::TlsGarbage | Attack::Renegotiation => &[End::Closed],
        Attack::Amplification => &[End::AtMostThrice],
        Attack::AlgNone => &[End::Code(4001)],
        // It is read only as fast as its inputs are processed, and then refused: `busy`, and all that goes on.
        Attack::BusyPlayer => &[End::Code(4029)],
    }
}

fn has_got_it(running: &Running) -> bool {
    let ends = running.ends();
    let expected = expected(running.attack()).iter();
    expected.copied().all(|end| ends.count(end) > 0)
}

/// Plays one game to its end.
async fn game(dev: &Process, room: &str) {
    let client = async |player: &str| {
        let options = ClientOptions::new(dev.address()).token(&token(player, 3600, &everywhere()));
        let mut client = Client::connect(options).await;
        client.join(room, json!({"params": {"hide_ms": 50}})).await;
        client
    };
    let (alice, bob) = (client("alice").await, client("bob").await);
    let (alice, bob) = tokio::join!(play(alice, "alice", room), play(bob, "bob", room));
    for player in [&alice, &bob] {
        assert_eq!(player.rooms[room].view["phase"], "over");
        assert_eq!(player.rooms[room].rejected, BTreeMap::new());
    }
}

/// `GRANDSTAND_HOSTILE_SECONDS` makes the attack last longer.
#[tokio::test]
async fn games_end_while_hostile_clients_get_what_they_should() {
    let least = std::env::var("GRANDSTAND_HOSTILE_SECONDS");
    let least = least.map_or(0, |text| text.parse().expect("a number of seconds"));
    let stage = Stage::new().unwrap();
    let start = Start::grandstand("dev")
        .flag("--shards", 1)
        .flag("--secret", SECRET)
        .flag("--log", "warn");
    let variables = stage.variables("GRANDSTAND_EDGE_", &LIMITS);
    let start = variables.fold(start, |start, (name, value)| start.env(&name, value));
    let dev = Process::start(start, true).await;
    let target = stage.target(dev.address());
    let begun = Instant::now();
    let attacks = Attack::ALL.map(|attack| hostile::start(attack, target.clone()));
    let mut games = 0;
    while !attacks.iter().all(has_got_it) || begun.elapsed() < Duration::from_secs(least) {
        let late = attacks.iter().filter(|attack| !has_got_it(attack));
        let late = late.map(|a| format!("{}: {}", a.attack().name(), a.ends()));
        let late: Vec<_> = late.collect();
        let deadline = PATIENCE + Duration::from_secs(least);
        assert!(begun.elapsed() < deadline, "{games} games, {late:#?}");
        games += 1;
        game(&dev, &format!("memory-{games}")).await;
    }
    assert!(games > 0);
    let amplified = attacks.iter().map(|a| a.ends().count(End::Amplified));
    assert_eq!(amplified.sum::<u64>(), 0);
    drop(attacks);
    for series in [
        r#"grandstand_edge_limited_total{limit="address_handshakes"}"#,
        r#"grandstand_edge_limited_total{limit="address_handshakes_per_s"}"#,
        r#"grandstand_edge_limited_total{limit="player_connections"}"#,
        r#"grandstand_edge_limited_total{limit="player_input_bytes_per_s"}"#,
        r#"grandstand_edge_limited_total{limit="messages_per_s"}"#,
        r#"grandstand_edge_closed_total{reason="rate_limited"}"#,
        r#"grandstand_edge_closed_total{reason="too_slow"}"#,
        r#"grandstand_edge_closed_total{reason="timeout"}"#,
        r#"grandstand_edge_closed_total{reason="protocol_error"}"#,
        r#"grandstand_edge_closed_total{reason="too_big"}"#,
        r#"grandstand_edge_handshakes_refused_total{reason="handshake_timeout"}"#,
        r#"grandstand_edge_handshakes_refused_total{reason="rate_limited"}"#,
        r#"grandstand_edge_errors_total{code="unauthenticated"}"#,
    ] {
        let deadline = Instant::now() + Duration::from_secs(10);
        while dev.metric(series).await.unwrap_or(0.0) < 1.0 {
            assert!(Instant::now() < deadline, "{series} is 0");
            sleep(Duration::from_millis(50)).await;
        }
    }
    // The edge is as it was: a new client is served, and nothing is left of the strangers.
    game(&dev, "memory-last").await;
}
