//! Kicks and messages from outside of a room, with real processes.

use grandstand_common::bus::{Bus, BusOptions};
use grandstand_common::data::Data;
use grandstand_common::id::RoomId;
use grandstand_common::subject;
use grandstand_common::wire::{Body, Entry, Kick, RoomMessage};
use grandstand_harness::site::Site;
use prost::Message as _;
use serde_json::json;

on! {
    on_nats: kicks_and_messages_in_the_log_reach_clients;
}

async fn kicks_and_messages_in_the_log_reach_clients(mut site: Site) {
    let room: RoomId = "relay-1".parse().unwrap();
    let (mut alice, mut bob) = tokio::join!(site.client(0, "alice"), site.client(1, "bob"));
    alice.join("relay-1", json!({})).await;
    bob.join("relay-1", json!({})).await;
    let url = site.nats.as_ref().unwrap().url();
    let bus = Bus::connect_nats(&url, &BusOptions::default())
        .await
        .unwrap();
    let subject = subject::log(bus.layout().partition_of(&room), &room);
    let append = async |body: Body| {
        let payload = Entry::from(body).encode_to_vec().into();
        let receipt = bus.append(subject.clone(), payload).await.unwrap();
        receipt.await.unwrap();
    };
    let news = Body::Message(RoomMessage {
        id: "n1".to_owned(),
        topic: "news".to_owned(),
        data: Some(Data::Json("7".into())),
        ..RoomMessage::default()
    });
    append(news.clone()).await;
    alice
        .until("the message is there", |c| {
            c.rooms["relay-1"].view["count"] == 1
        })
        .await;
    append(Body::Kick(Kick {
        player: "bob".to_owned(),
        code: "afk".to_owned(),
    }))
    .await;
    bob.expect("left", json!({"room": "relay-1", "code": "afk"}))
        .await;
    // The next owner knows what the room has seen, and whom it has kicked.
    site.owner().kill9();
    site.owner().ended().await;
    site.owner().restart().await;
    append(news).await;
    alice.input("relay-1", json!("hello")).await;
    alice.until_answered("relay-1").await;
    alice
        .until("one more", |c| c.rooms["relay-1"].view["count"] == 2)
        .await;
    bob.join("relay-1", json!({})).await;
    assert_eq!(bob.rooms["relay-1"].view["count"], 2);
}
