//! A player against a bot, with real processes.

use grandstand_harness::client::Client;
use grandstand_harness::site::Site;
use grandstand_tests::play::play;
use serde_json::json;

on! {
    on_disk: d37_a_bot_plays_on_when_its_worker_is_killed;
    on_nats: d37_a_bot_plays_on_when_its_worker_is_killed;
}

const ROOM: &str = "memory-1";

/// The worker is killed while the bot thinks. It flips its cards all the same, and the game goes on to its end.
async fn d37_a_bot_plays_on_when_its_worker_is_killed(mut site: Site) {
    let mut alice = site.client(0, "alice").await;
    let params = json!({"bots": 1, "hide_ms": 20, "computer_ms": 200, "cols": 4, "rows": 3});
    alice.join(ROOM, json!({ "params": params })).await;
    assert_eq!(alice.rooms[ROOM].view["players"], json!(["alice", "bot-1"]));
    // Alice's turns run out, or end with two different cards: she cannot find six pairs by luck.
    let is_bots_turn = |c: &Client| c.rooms[ROOM].view["turn"] == "bot-1";
    while !is_bots_turn(&alice) {
        let cards = alice.rooms[ROOM].view["cards"].clone();
        let hidden = (0..12).find(|card| cards[card].is_null()).unwrap();
        alice
            .input(ROOM, json!({"op": "flip", "card": hidden}))
            .await;
        alice.until_answered(ROOM).await;
        alice
            .until("the cards are hidden or matched", |c| {
                let view = &c.rooms[ROOM].view;
                view["open"].as_array().is_some_and(|open| open.len() < 2)
            })
            .await;
    }
    let epoch = alice.rooms[ROOM].epoch.clone();
    site.owner().kill9();
    if site.is_one_process() {
        alice.until_closed().await;
    }
    site.owner().restart().await;
    if site.is_one_process() {
        alice.reconnect(site.address(0)).await;
    }
    alice
        .until("a new owner shows the room", |c| {
            c.rooms[ROOM].epoch != epoch
        })
        .await;
    let alice = play(alice, "alice", ROOM).await;
    let view = &alice.rooms[ROOM].view;
    let scores = view["scores"].as_object().unwrap().values();
    let points = scores.map(|score| score.as_u64().unwrap());
    assert_eq!(points.sum::<u64>(), 6, "{view}");
    let flips = alice.rooms[ROOM].updates.iter();
    let flips = flips.filter(|update| update["kind"] == "flipped" && update["by"] == "bot-1");
    assert!(flips.count() > 0);
}
