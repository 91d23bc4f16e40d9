//! Players who wait in a queue meet in a room that their own tokens do not grant.

use grandstand_common::envelope::Role;
use grandstand_harness::client::{Client, ClientOptions};
use grandstand_harness::site::{Site, token};
use serde_json::{Value, json};

on! {
    embedded: players_who_wait_meet_by_invitation;
    inviting: players_who_wait_meet_by_invitation, a_killed_worker_loses_no_ticket_and_no_match;
}

const QUEUE: &str = "queue-memory";

/// Connects a player whose token grants queues alone.
async fn waiting(site: &Site, edge: usize, name: &str) -> Client {
    let token = token(name, 3600, &[("queue-*", Role::Player)]);
    let options = ClientOptions::new(site.address(edge)).token(&token);
    let mut client = Client::connect(options).await;
    client.join(QUEUE, json!({})).await;
    client
}

async fn enter(client: &mut Client) {
    let ticket = json!({"op": "enter", "ticket": {"rating": 1500}});
    client.input(QUEUE, ticket).await;
    client.until_answered(QUEUE).await;
}

/// The messages of the queue to a player under this name.
fn told<'a>(client: &'a Client, name: &str) -> Vec<&'a Value> {
    let log = client.log.iter().filter(|m| m["type"] == "direct");
    let told = log.map(|message| &message["data"][name]);
    told.filter(|told| !told.is_null()).collect()
}

/// Waits for the invitation, and returns the room and the token.
async fn invitation(client: &mut Client) -> (String, String) {
    client
        .until("the invitation", |client| {
            !told(client, "invite").is_empty()
        })
        .await;
    let invite = told(client, "invite")[0];
    let text = |key: &str| invite[key].as_str().unwrap().to_owned();
    (text("room"), text("token"))
}

async fn players_who_wait_meet_by_invitation(site: Site) {
    let mut alice = waiting(&site, 0, "alice").await;
    let mut bob = waiting(&site, 1, "bob").await;
    enter(&mut alice).await;
    enter(&mut bob).await;
    let (room, for_alice) = invitation(&mut alice).await;
    let (same, for_bob) = invitation(&mut bob).await;
    assert_eq!(room, same);
    let players = &told(&alice, "match")[0]["players"];
    assert_eq!(*players, json!(["alice", "bob"]));

    // The room is for those who have an invitation, each the own one.
    let forbidden = json!({"code": "forbidden", "room": room});
    bob.start_join(&room, json!({})).await;
    bob.expect("error", forbidden.clone()).await;
    bob.start_join(&room, json!({"token": for_alice})).await;
    bob.expect("error", forbidden.clone()).await;
    bob.start_join("memory-other", json!({"token": for_bob}))
        .await;
    let other = json!({"code": "forbidden", "room": "memory-other"});
    bob.expect("error", other).await;
    bob.start_join(&room, json!({"token": "no token"})).await;
    let refused = json!({"code": "unauthenticated", "room": room});
    bob.expect("error", refused).await;

    alice
        .join(
            &room,
            json!({"token": for_alice, "params": {"rows": 2, "cols": 2}}),
        )
        .await;
    bob.join(&room, json!({"token": for_bob})).await;
    bob.until("both play", |bob| {
        let players = bob.rooms[&room].view["players"].as_array();
        players.is_some_and(|players| players.len() == 2)
    })
    .await;
    // The invitation's parameters hold, not the client's.
    let cards = bob.rooms[&room].view["cards"].as_array().unwrap().len();
    assert_ne!(cards, 4, "{}", bob.rooms[&room].view);

    // A new token of the connection takes away what it does not grant, and leaves what the invitation does.
    let renewed = token("bob", 3600, &[("relay-*", Role::Player)]);
    bob.send(json!({"type": "auth", "id": 1, "token": renewed}))
        .await;
    bob.expect("left", json!({"room": QUEUE, "code": "forbidden"}))
        .await;
    bob.settle().await;
    assert!(!bob.has("left", &room));
}

async fn a_killed_worker_loses_no_ticket_and_no_match(mut site: Site) {
    let mut alice = waiting(&site, 0, "alice").await;
    enter(&mut alice).await;
    site.owner().restart().await;
    let mut bob = waiting(&site, 1, "bob").await;
    enter(&mut bob).await;
    let (room, _) = invitation(&mut alice).await;
    assert_eq!(invitation(&mut bob).await.0, room);

    site.owner().restart().await;
    let mut carol = waiting(&site, 0, "carol").await;
    let mut dave = waiting(&site, 1, "dave").await;
    enter(&mut carol).await;
    enter(&mut dave).await;
    let (other, _) = invitation(&mut carol).await;
    assert_eq!(invitation(&mut dave).await.0, other);
    assert_ne!(other, room);
    dave.until("the count of matches", |dave| {
        dave.rooms[QUEUE].view["matches"] == 2
    })
    .await;
    for matched in told(&alice, "match").into_iter().chain(told(&bob, "match")) {
        assert_eq!(matched["room"], *room);
    }
}
