//! Players in rooms: several rooms, several connections, and roles.

use grandstand_common::envelope::Role;
use grandstand_harness::client::Client;
use grandstand_harness::site::{Site, token};
use serde_json::{Value, json};

on! {
    embedded: a_second_connection_replaces_the_first, a_room_is_left_and_joined_again,
        many_rooms_share_a_connection, encodings_meet_in_a_room, live_messages_pass,
        forbidden_joins_are_refused;
    on_nats: a_second_connection_replaces_the_first, a_room_is_left_and_joined_again,
        many_rooms_share_a_connection, encodings_meet_in_a_room, live_messages_pass,
        forbidden_joins_are_refused;
}

const ROOM: &str = "relay-1";

async fn until_count(client: &mut Client, room: &str, count: u64) {
    client
        .until(&format!("{count} messages in {room}"), |c| {
            c.rooms[room].view["count"] == count
        })
        .await;
}

async fn a_second_connection_replaces_the_first(site: Site) {
    let mut first = site.client(0, "alice").await;
    first.join(ROOM, json!({})).await;
    first.join("relay-2", json!({})).await;
    for text in ["a", "b"] {
        first.input(ROOM, json!(text)).await;
    }
    first.until_answered(ROOM).await;

    let mut second = site.client(1, "alice").await;
    second.join(ROOM, json!({})).await;
    assert_eq!(second.rooms[ROOM].acked, 2, "sequence numbers continue");
    let left = first.expect("left", json!({"room": ROOM})).await;
    assert_eq!(left["code"], "replaced");
    // The connection is in another room.
    first.settle().await;
    first
        .send(json!({"type": "input", "room": ROOM, "seq": 3, "data": "x"}))
        .await;
    first
        .expect("error", json!({"code": "not_joined", "room": ROOM}))
        .await;
    assert_eq!(second.input(ROOM, json!("c")).await, 3);
    second.until_answered(ROOM).await;

    second.join("relay-2", json!({})).await;
    first
        .expect("left", json!({"room": "relay-2", "code": "replaced"}))
        .await;
    assert_eq!(first.until_closed().await, 4009);
    second.input("relay-2", json!("d")).await;
    second.until_answered("relay-2").await;
    until_count(&mut second, ROOM, 3).await;
    let texts: Vec<_> = second.rooms[ROOM]
        .updates
        .iter()
        .filter_map(|u| u["data"].as_str())
        .collect();
    assert!(
        "abc".ends_with(&texts.concat()),
        "inputs show in order: {texts:?}"
    );
}

async fn a_room_is_left_and_joined_again(site: Site) {
    let mut alice = site.client(0, "alice").await;
    let mut bob = site.client(1, "bob").await;
    alice.join(ROOM, json!({})).await;
    bob.join(ROOM, json!({})).await;
    alice.input(ROOM, json!("a")).await;
    alice.until_answered(ROOM).await;
    let instance = alice.rooms[ROOM].instance.clone();

    alice
        .send(json!({"type": "leave", "room": ROOM, "id": 7}))
        .await;
    let left = alice.expect("left", json!({"room": ROOM})).await;
    assert_eq!((&left["code"], &left["id"]), (&json!("left"), &json!(7)));
    bob.until("alice has left for bob", |c| {
        let presence = c.log.iter().rev().find(|m| m["type"] == "presence");
        presence.is_some_and(|p| p["players"] == json!([{"id": "bob", "state": "connected"}]))
    })
    .await;
    bob.input(ROOM, json!("b")).await;
    bob.until_answered(ROOM).await;
    alice.settle().await;
    assert_eq!(
        alice.rooms[ROOM].view["count"], 1,
        "no message about a room comes after leaving it"
    );
    alice
        .send(json!({"type": "leave", "room": ROOM, "id": 8}))
        .await;
    alice
        .expect("error", json!({"code": "not_joined", "id": 8}))
        .await;

    alice.join(ROOM, json!({})).await;
    until_count(&mut alice, ROOM, 2).await;
    assert_eq!(alice.rooms[ROOM].instance, instance);
    alice.input(ROOM, json!("c")).await;
    alice.until_answered(ROOM).await;
    until_count(&mut bob, ROOM, 3).await;
}

async fn many_rooms_share_a_connection(site: Site) {
    const ROOMS: usize = 40;
    let rooms: Vec<_> = (0..ROOMS).map(|n| format!("relay-{n}")).collect();
    let mut alice = site.client(0, "alice").await;
    let mut bob = site.client(1, "bob").await;
    for room in &rooms {
        alice.start_join(room, json!({})).await;
        bob.start_join(room, json!({})).await;
    }
    for client in [&mut alice, &mut bob] {
        client
            .until("all rooms are shown", |c| {
                c.rooms.values().all(|r| r.is_shown())
            })
            .await;
    }
    for text in ["a", "b", "c"] {
        for room in &rooms {
            alice.input(room, json!([text, room])).await;
        }
    }
    for room in &rooms {
        for client in [&mut alice, &mut bob] {
            until_count(client, room, 3).await;
            for update in &client.rooms[room].updates {
                assert_eq!(update["data"][1], json!(room));
            }
        }
        alice.until_answered(room).await;
    }
    // A repeated join changes nothing and is answered again.
    let room = &rooms[0];
    alice
        .send(json!({"type": "join", "room": room, "id": 5}))
        .await;
    let joined = alice.expect("joined", json!({"id": 5})).await;
    assert_eq!(joined["last_seq"], 3);
    alice.input(room, json!(["d", room])).await;
    alice.until_answered(room).await;
    until_count(&mut bob, room, 4).await;
}

async fn encodings_meet_in_a_room(site: Site) {
    let mut alice = site.client(0, "alice").await;
    let mut bob = Client::connect(site.client_options(1, "bob").proto()).await;
    let mut sue = Client::connect(site.client_options(0, "sue").proto()).await;
    alice.join(ROOM, json!({})).await;
    bob.join(ROOM, json!({})).await;
    sue.join(ROOM, json!({"role": "spectator"})).await;
    alice
        .input(ROOM, json!({"text": "grüezi \u{1F44B}", "n": 0.1}))
        .await;
    alice.until_answered(ROOM).await;
    until_count(&mut bob, ROOM, 1).await;
    bob.input(ROOM, json!({"text": "hoi"})).await;
    bob.input_bytes(ROOM, "AP8Q").await;
    bob.until_answered(ROOM).await;
    until_count(&mut alice, ROOM, 3).await;
    alice.input_bytes(ROOM, "AQID").await;
    alice.until_answered(ROOM).await;
    let expected = [
        json!({"from": "alice", "data": {"text": "grüezi \u{1F44B}", "n": 0.1}}),
        json!({"from": "bob", "data": {"text": "hoi"}}),
        json!({"from": "bob", "data_b64": "AP8Q"}),
        json!({"from": "alice", "data_b64": "AQID"}),
    ];
    for client in [&mut alice, &mut bob, &mut sue] {
        until_count(client, ROOM, 4).await;
        assert_eq!(client.rooms[ROOM].updates, expected);
    }
}

async fn live_messages_pass(site: Site) {
    // The built-in games ignore live messages: a player's is accepted silently, a spectator's is refused.
    let mut alice = site.client(0, "alice").await;
    alice.join(ROOM, json!({})).await;
    let live = json!({"type": "live", "room": ROOM, "data": {"x": 1}});
    alice.send(live.clone()).await;
    alice.settle().await;
    assert!(!alice.log.iter().any(|m| m["type"] == "error"));
    let mut sue = site.client(1, "sue").await;
    sue.join(ROOM, json!({"role": "spectator"})).await;
    sue.send(live).await;
    sue.expect("error", json!({"code": "forbidden", "room": ROOM}))
        .await;
    sue.send(json!({"type": "input", "room": ROOM, "seq": 1, "data": 1}))
        .await;
    sue.expect("error", json!({"code": "forbidden", "room": ROOM}))
        .await;
}

async fn forbidden_joins_are_refused(site: Site) {
    let mut players = Vec::new();
    for name in ["alice", "bob"] {
        let mut player = site.client(players.len(), name).await;
        player.join("memory-1", json!({})).await;
        players.push(player);
    }
    let mut carol = site.client(1, "carol").await;
    carol.start_join("memory-1", json!({"id": 1})).await;
    carol
        .expect(
            "error",
            json!({"code": "room_full", "id": 1, "room": "memory-1"}),
        )
        .await;
    // A rejected player may still watch.
    carol.join("memory-1", json!({"role": "spectator"})).await;
    assert_eq!(
        carol.rooms["memory-1"].view["players"],
        json!(["alice", "bob"])
    );
    carol
        .start_join("memory-2", json!({"id": 2, "params": {"players": 9}}))
        .await;
    carol
        .expect("error", json!({"code": "bad_params", "id": 2}))
        .await;

    let rooms = [("chess-*", Role::Player), ("relay-7", Role::Spectator)];
    let options = grandstand_harness::client::ClientOptions::new(site.address(1));
    let mut dave = Client::connect(options.token(&token("dave", 3600, &rooms))).await;
    dave.start_join("chess-1", json!({"id": 3})).await;
    dave.expect("error", json!({"code": "no_such_game", "id": 3}))
        .await;
    dave.start_join("relay-8", json!({"id": 4})).await;
    dave.expect(
        "error",
        json!({"code": "forbidden", "id": 4, "room": "relay-8"}),
    )
    .await;
    dave.start_join("relay-7", json!({"id": 5, "role": "player"}))
        .await;
    dave.expect("error", json!({"code": "forbidden", "id": 5}))
        .await;
    // A spectator waits for a room that does not exist yet.
    dave.start_join("relay-7", json!({"id": 6})).await;
    let joined = dave.expect("joined", json!({"id": 6})).await;
    assert_eq!(
        (&joined["role"], &joined["instance"]),
        (&json!("spectator"), &Value::Null)
    );
    players[0].join("relay-7", json!({})).await;
    players[0].input("relay-7", json!("hello")).await;
    until_count(&mut dave, "relay-7", 1).await;
}
