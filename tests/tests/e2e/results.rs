//! The results that games emit, with real processes.

use std::collections::BTreeMap;

use grandstand_common::bus::{Bus, BusOptions, OutGap, Read};
use grandstand_common::wire::Emitted;
use grandstand_harness::site::Site;
use grandstand_tests::play::play;
use serde_json::{Value, json};

on! {
    on_disk: d36_results_survive_their_workers;
    on_nats: d36_results_survive_their_workers;
}

const ROOM: &str = "memory-1";

/// Two players play to the end, and the worker is killed as soon as one of them knows the result.
async fn d36_results_survive_their_workers(mut site: Site) {
    let (mut alice, mut bob) = tokio::join!(site.client(0, "alice"), site.client(1, "bob"));
    alice.join(ROOM, json!({"params": {"hide_ms": 50}})).await;
    bob.join(ROOM, json!({})).await;
    let (alice, bob) = tokio::join!(play(alice, "alice", ROOM), play(bob, "bob", ROOM));
    let view = alice.rooms[ROOM].view.clone();
    site.owner().kill9();
    site.owner().ended().await;
    drop((alice, bob));
    site.owner().restart().await;
    let results = results(&mut site).await;
    assert_eq!(results.len(), 1, "{results:?}");
    for (id, emitted) in &results {
        assert_eq!((&emitted.id, emitted.room.as_str()), (id, ROOM));
        assert_eq!(
            (emitted.game.as_str(), emitted.topic.as_str()),
            ("memory", "results")
        );
        let data: Value = serde_json::from_str(emitted.data.get()).unwrap();
        let winners = view["winners"].as_array().unwrap();
        let players = view["players"].as_array().unwrap().iter().map(|player| {
            let score = &view["scores"][player.as_str().unwrap()];
            json!({"player": player, "score": score, "won": winners.contains(player)})
        });
        assert_eq!(data, json!({"players": players.collect::<Vec<_>>()}));
    }
}

/// The results by id, as a program outside reads them, once there is one.
async fn results(site: &mut Site) -> BTreeMap<String, Emitted> {
    for _ in 0..20 {
        let found = match &site.nats {
            Some(nats) => {
                let bus = Bus::connect_nats(&nats.url(), &BusOptions::default()).await;
                stored(&bus.unwrap()).await
            }
            None => {
                // The folder belongs to the process while it runs.
                site.owner().kill9();
                site.owner().ended().await;
                let folder = site.folder();
                let bus = Bus::inspect_folder(&folder, &BusOptions::default()).await;
                let found = stored(&bus.unwrap()).await;
                site.owner().restart().await;
                found
            }
        };
        if !found.is_empty() {
            return found;
        }
    }
    panic!("there are no results");
}

/// The results that are stored now.
async fn stored(bus: &Bus) -> BTreeMap<String, Emitted> {
    let topics = ["results".parse().unwrap()];
    let mut reader = bus.read_out(&topics, None).await.unwrap();
    assert_eq!(reader.gap(), OutGap::None);
    let mut found = BTreeMap::new();
    loop {
        match reader.next().await {
            Read::Item(item, behind) => {
                found.insert(item.id, serde_json::from_slice(&item.body).unwrap());
                if behind == 0 {
                    return found;
                }
            }
            Read::Idle => return found,
            Read::Lost => panic!("the stream is gone"),
        }
    }
}
