//! `grandstand check` of rooms that real processes have stored.

use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, BusOptions};
use grandstand_common::id::RoomId;
use grandstand_common::subject;
use grandstand_harness::process::{Output, Start};
use grandstand_harness::site::Site;
use serde_json::{Value, json};

on! {
    on_nats: d34_stored_rooms_are_the_same_for_the_build_that_stored_them, d34_a_room_that_differs_is_named;
    on_disk: d34_stored_rooms_are_the_same_for_the_build_that_stored_them;
}

const ROOMS: [&str; 3] = ["relay-1", "relay-2", "relay-3"];

/// Runs `grandstand check` against what a site stores.
async fn check(site: &Site, arguments: &[&str]) -> Output {
    let place = match &site.nats {
        Some(nats) => nats.url(),
        None => site.folder().display().to_string(),
    };
    let start = Start::grandstand("check").flag("--against", place);
    let start = arguments
        .iter()
        .fold(start, |start, argument| start.arg(argument));
    start.output().await
}

/// Plays some rooms and ends their owner, which stores them.
async fn play(site: &mut Site) {
    let mut alice = site.client(0, "alice").await;
    for room in ROOMS {
        alice.join(room, json!({})).await;
        for number in 0..10 {
            alice.input(room, json!(number)).await;
        }
        alice.until_answered(room).await;
    }
    if site.is_one_process() {
        let output = check(site, &[]).await;
        assert_eq!(output.code, Some(69), "{}", output.text);
    }
    wait_until_stored(site).await;
    site.owner().term();
    assert!(site.owner().ended().await.success());
}

/// Waits until the rooms are stored on NATS. A worker that ends while it still reads which rooms there are writes none: the
/// log has their entries for the next one.
async fn wait_until_stored(site: &Site) {
    let Some(nats) = &site.nats else {
        return;
    };
    let bus = Bus::connect_nats(&nats.url(), &BusOptions::default())
        .await
        .unwrap();
    for room in ROOMS {
        let room: RoomId = room.parse().unwrap();
        let partition = bus.layout().partition_of(&room);
        let key = subject::room_key(partition, &room);
        let bucket = || Bucket::Rooms(partition);
        while bus.get(bucket(), &key).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The result as JSON, which is the only line that is an object.
fn result(output: &Output) -> Value {
    let mut lines = output.text.lines();
    let line = lines.find(|line| line.starts_with('{'));
    serde_json::from_str(line.unwrap_or_else(|| panic!("{}", output.text))).unwrap()
}

async fn d34_stored_rooms_are_the_same_for_the_build_that_stored_them(mut site: Site) {
    play(&mut site).await;
    let output = check(&site, &["--replay", "2"]).await;
    assert_eq!(output.code, Some(0), "{}", output.text);
    for part in ["3 of relay 1", "replayed  2", "EQUAL"] {
        assert!(output.text.contains(part), "{}", output.text);
    }
    let output = check(&site, &["--json"]).await;
    assert_eq!(output.code, Some(0), "{}", output.text);
    let result = result(&output);
    assert_eq!(
        (&result["rooms"], &result["faulty"]),
        (&3.into(), &0.into())
    );
    assert_eq!(
        result["games"]["relay"],
        json!({"version": 1, "stored": {"1": 3}})
    );

    let another = |place: &str| {
        let start = Start::grandstand("check").flag("--against", place);
        async move { start.output().await }
    };
    for (place, code) in [("/nowhere/at/all", 66), ("nats://127.0.0.1:1", 69)] {
        let output = another(place).await;
        assert_eq!(output.code, Some(code), "{}", output.text);
    }
    let output = Start::grandstand("check").output().await;
    assert_eq!(output.code, Some(64), "{}", output.text);
}

async fn d34_a_room_that_differs_is_named(mut site: Site) {
    play(&mut site).await;
    let url = site.nats.as_ref().unwrap().url();
    let bus = Bus::connect_nats(&url, &BusOptions::default())
        .await
        .unwrap();
    let room: RoomId = ROOMS[1].parse().unwrap();
    let partition = bus.layout().partition_of(&room);
    let (bucket, key) = (
        Bucket::Rooms(partition),
        subject::room_key(partition, &room),
    );
    let stored = bus.get(bucket, &key).await.unwrap().unwrap();
    let text = String::from_utf8(stored.value.unwrap().to_vec()).unwrap();
    let damaged = text.replace("\"counts\":[10,10]", "\"counts\":[10,9]");
    assert_ne!(damaged, text);
    let put = bus.put_if(bucket, &key, damaged.into(), stored.revision);
    put.await.unwrap();
    let output = check(&site, &["--json", "--replay", "3"]).await;
    assert_eq!(output.code, Some(1), "{}", output.text);
    let result = result(&output);
    assert_eq!(result["faults"][0]["room"], "relay-2");
    assert_eq!(result["faults"][0]["kind"], "unreadable");
    assert_eq!(
        (&result["replayed"], &result["faulty"]),
        (&2.into(), &1.into())
    );
    let output = check(&site, &[]).await;
    assert!(
        output.text.contains("relay-2: the stored state is damaged"),
        "{}",
        output.text
    );
}
