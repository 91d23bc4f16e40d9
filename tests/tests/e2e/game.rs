//! Two players and their spectators play a game to its end.

use std::collections::BTreeMap;

use grandstand_harness::client::Client;
use grandstand_harness::site::Site;
use grandstand_tests::play::play;
use serde_json::{Value, json};

on! {
    embedded: a_game_is_played_to_its_end;
    on_nats: a_game_is_played_to_its_end;
}

const ROOM: &str = "memory-1";

async fn a_game_is_played_to_its_end(site: Site) {
    let spectator = json!({"role": "spectator"});
    let (mut alice, mut bob, mut first, mut second) = tokio::join!(
        site.client(0, "alice"),
        site.client(1, "bob"),
        site.client(0, "sue"),
        site.client(1, "sam")
    );
    // One spectator comes before the room exists.
    first.start_join(ROOM, spectator.clone()).await;
    let joined = first.expect("joined", json!({"room": ROOM})).await;
    assert_eq!(joined["instance"], Value::Null, "{joined}");
    alice.join(ROOM, json!({"params": {"hide_ms": 50}})).await;
    bob.join(ROOM, json!({})).await;
    second.join(ROOM, spectator.clone()).await;
    assert_eq!(
        alice.rooms[ROOM].view["cards"].as_array().unwrap().len(),
        16
    );

    let (alice, bob) = tokio::join!(play(alice, "alice", ROOM), play(bob, "bob", ROOM));
    let over = |c: &Client| c.rooms[ROOM].view["phase"] == "over";
    first
        .until("the first edge's spectator sees the end", over)
        .await;
    second
        .until("the second edge's spectator sees the end", over)
        .await;
    let mut late = site.client(1, "lily").await;
    late.join(ROOM, spectator).await;
    late.until("a late spectator sees the end", over).await;
    assert_eq!(late.rooms[ROOM].snapshots, 1);

    let end = &alice.rooms[ROOM].view;
    for other in [&bob, &first, &second, &late] {
        assert_eq!(&other.rooms[ROOM].view, end);
    }
    let scores = end["scores"].as_object().unwrap();
    let score = |player: &str| scores[player].as_u64().unwrap();
    assert_eq!(score("alice") + score("bob"), 8, "{end}");
    let best = score("alice").max(score("bob"));
    let winners: Vec<_> = ["alice", "bob"]
        .into_iter()
        .filter(|p| score(p) == best)
        .collect();
    assert_eq!(end["winners"], json!(winners));
    assert_eq!(end["turn"], Value::Null);
    for player in [&alice, &bob] {
        assert_eq!(player.rooms[ROOM].rejected, BTreeMap::new());
    }
}
