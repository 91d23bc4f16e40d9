//! `grandstand replay` of rooms that real processes have played.

use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, BusOptions};
use grandstand_common::id::RoomId;
use grandstand_common::subject;
use grandstand_harness::nats::NatsServer;
use grandstand_harness::process::{Output, Start};
use grandstand_harness::site::Site;
use grandstand_tests::play::play;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

on! {
    on_nats: a_played_game_is_equal, a_relay_whose_owner_died_is_equal, bad_requests_to_replay_are_reported,
        a_damaged_snapshot_is_reported_and_quarantined, a_room_without_its_first_entries_is_reported;
    on_disk: a_played_game_is_equal, a_relay_whose_owner_died_is_equal, bad_requests_to_replay_are_reported;
}

/// Runs `grandstand replay`. A folder's process is ended first.
async fn replay(site: &mut Site, arguments: &[&str]) -> Output {
    let mut start = Start::grandstand("replay");
    for argument in arguments {
        start = start.arg(argument);
    }
    start = match &site.nats {
        Some(nats) => start.flag("--nats", nats.url()),
        None => start.flag("--data", site.folder().display()),
    };
    start.output().await
}

/// Ends the process that uses the folder. NATS continues to run.
async fn end_process(site: &mut Site) {
    if site.is_one_process() {
        site.owner().term();
        assert!(site.owner().ended().await.success());
    }
}

/// Replays until the stored snapshot is as new as the log.
async fn replay_when_stored(site: &mut Site, room: &str) -> Output {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let output = replay(site, &[room]).await;
        let equal = output.text.lines().find(|line| line.starts_with("EQUAL"));
        let last = output
            .text
            .lines()
            .find(|line| line.starts_with("last entry"));
        let number = |line: &str, before: &str| {
            let rest = line.split(before).nth(1)?;
            rest.split(|c: char| !c.is_ascii_digit())
                .next()?
                .parse::<u64>()
                .ok()
        };
        let equal = equal.and_then(|line| number(line, "after entry "));
        // The number follows the time and two spaces.
        let last = last.and_then(|line| number(&line[13..], "  "));
        if equal.is_some() && equal >= last {
            return output;
        }
        assert!(Instant::now() < deadline, "{}", output.text);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The history, one line for each entry.
async fn history(site: &mut Site, room: &str) -> Vec<Value> {
    let output = replay(site, &[room, "--json"]).await;
    assert_eq!(output.code, Some(0), "{}", output.text);
    let lines = output.text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn a_played_game_is_equal(mut site: Site) {
    let room = "memory-1";
    let (mut alice, mut bob) = tokio::join!(site.client(0, "alice"), site.client(1, "bob"));
    let params = json!({"params": {"rows": 2, "cols": 3, "hide_ms": 50}});
    alice.join(room, params.clone()).await;
    bob.join(room, params).await;
    let (alice, _bob) = tokio::join!(play(alice, "alice", room), play(bob, "bob", room));
    let view = alice.rooms[room].view.clone();
    let version = alice.rooms[room].version;
    end_process(&mut site).await;
    let output = replay_when_stored(&mut site, room).await;
    assert_eq!(output.code, Some(0), "{}", output.text);
    for part in [
        "the game memory",
        "alice  ",
        "finished     by the game",
        "three replays agree",
        "=delete at ",
    ] {
        assert!(
            output.text.contains(part),
            "{part} is not in\n{}",
            output.text
        );
    }

    let lines = history(&mut site, room).await;
    assert_eq!(
        (&lines[0]["kind"], &lines[0]["created"]),
        (&json!("joined"), &json!(true))
    );
    let updates: Vec<_> = lines
        .iter()
        .flat_map(|line| line["updates"].as_array().cloned().unwrap_or_default())
        .collect();
    assert_eq!(updates.len() as u64, version);
    let over = updates.last().unwrap();
    assert_eq!(
        (&over["data"]["kind"], &over["players"]),
        (&json!("over"), &json!(version))
    );
    assert_eq!(over["data"]["winners"], view["winners"]);

    let output = replay(&mut site, &[room, "--state"]).await;
    let state: Value = serde_json::from_str(&output.text).unwrap();
    assert_eq!(state["room"]["finished"], true);
    let second = lines[1]["seq"].to_string();
    let output = replay(&mut site, &[room, "--state", "--until", &second]).await;
    let state: Value = serde_json::from_str(&output.text).unwrap();
    assert_eq!(
        (output.code, &state["room"]["finished"]),
        (Some(0), &json!(false))
    );
}

async fn a_relay_whose_owner_died_is_equal(mut site: Site) {
    let room = "relay-1";
    let mut alice = site.client(0, "alice").await;
    alice.join(room, json!({})).await;
    for round in 0..3 {
        for number in 0..20 {
            alice
                .input(room, json!({"round": round, "number": number}))
                .await;
        }
        alice.until_answered(room).await;
        site.owner().kill9();
        if site.is_one_process() {
            alice.until_closed().await;
        }
        site.owner().restart().await;
        if site.is_one_process() {
            alice.reconnect(site.address(0)).await;
            let shown = |c: &grandstand_harness::client::Client| c.rooms[room].is_shown();
            alice.until("alice is in the room again", shown).await;
        }
    }
    alice.input(room, json!("the last")).await;
    alice.until_answered(room).await;
    end_process(&mut site).await;
    let output = replay_when_stored(&mut site, room).await;
    assert_eq!(output.code, Some(0), "{}", output.text);
    assert!(output.text.contains("61 inputs"), "{}", output.text);
    let lines = history(&mut site, room).await;
    let applied = lines
        .iter()
        .filter(|l| l["kind"] == "input" && l["skipped"].is_null());
    let applied: Vec<_> = applied
        .map(|line| line["input"].as_u64().unwrap())
        .collect();
    assert_eq!(applied, (1..=61).collect::<Vec<_>>());
}

async fn bad_requests_to_replay_are_reported(mut site: Site) {
    let mut alice = site.client(0, "alice").await;
    alice.join("relay-1", json!({})).await;
    if site.is_one_process() {
        let output = replay(&mut site, &["relay-1"]).await;
        assert_eq!(output.code, Some(69), "{}", output.text);
        assert!(
            output.text.contains("in use by another process"),
            "{}",
            output.text
        );
    }
    end_process(&mut site).await;
    for (arguments, code, part) in [
        (&["relay-2"][..], 66, "there is no room relay-2"),
        (
            &["relay-1", "--instance", "4000"],
            66,
            "created by entry 4000",
        ),
        (
            &["relay-1", "--until", "0"],
            66,
            "no room relay-1 at entry 0",
        ),
        (&["relay-2", "--from-snapshot"], 66, "nothing is stored"),
        (&["chess-1"], 66, "no game is named \"chess\""),
        (&["no.room"], 64, "no.room"),
        (&["relay-1", "--json", "--state"], 64, "--state"),
    ] {
        let output = replay(&mut site, arguments).await;
        assert_eq!(output.code, Some(code), "{arguments:?}: {}", output.text);
        assert!(
            output.text.contains(part),
            "{part} is not in {}",
            output.text
        );
    }
    let nowhere = Start::grandstand("replay").arg("relay-1");
    let output = nowhere
        .clone()
        .flag("--data", "/nowhere/at/all")
        .output()
        .await;
    assert_eq!(output.code, Some(66), "{}", output.text);
    let output = nowhere
        .clone()
        .flag("--nats", "nats://127.0.0.1:1")
        .output()
        .await;
    assert_eq!(output.code, Some(69), "{}", output.text);
    let empty = NatsServer::start().await;
    let output = nowhere.flag("--nats", empty.url()).output().await;
    assert_eq!(output.code, Some(66), "{}", output.text);
    assert!(
        output.text.contains("no process has run there"),
        "{}",
        output.text
    );
}

async fn bus(site: &Site) -> Bus {
    let url = site.nats.as_ref().unwrap().url();
    Bus::connect_nats(&url, &BusOptions::default())
        .await
        .unwrap()
}

async fn a_damaged_snapshot_is_reported_and_quarantined(mut site: Site) {
    let mut alice = site.client(0, "alice").await;
    for room in ["relay-1", "relay-2"] {
        alice.join(room, json!({})).await;
        alice.input(room, json!("hello")).await;
        alice.until_answered(room).await;
        replay_when_stored(&mut site, room).await;
    }
    site.owner().term();
    assert!(site.owner().ended().await.success());
    let bus = bus(&site).await;
    let room: RoomId = "relay-1".parse().unwrap();
    let partition = bus.layout().partition_of(&room);
    let (bucket, key) = (
        Bucket::Rooms(partition),
        subject::room_key(partition, &room),
    );
    let stored = bus.get(bucket, &key).await.unwrap().unwrap();
    let text = String::from_utf8(stored.value.unwrap().to_vec()).unwrap();
    let damaged = text.replace("\"counts\":[1,1]", "\"counts\":[1,2]");
    assert_ne!(damaged, text);
    bus.put_if(bucket, &key, damaged.clone().into(), stored.revision)
        .await
        .unwrap();
    let output = replay(&mut site, &["relay-1"]).await;
    assert_eq!(output.code, Some(1), "{}", output.text);
    for part in ["DIFFERS", "damaged", "game.counts[1]"] {
        assert!(
            output.text.contains(part),
            "{part} is not in\n{}",
            output.text
        );
    }
    site.owner().restart().await;
    let unavailable = json!({"room": "relay-1", "code": "room_unavailable"});
    alice.expect("error", unavailable).await;
    alice.input("relay-2", json!("still here")).await;
    alice.until_answered("relay-2").await;
    let output = replay(&mut site, &["relay-1"]).await;
    assert_eq!(output.code, Some(1), "{}", output.text);
    assert!(
        output.text.contains("quarantine   room_unavailable"),
        "{}",
        output.text
    );
    let stored = bus.get(bucket, &key).await.unwrap().unwrap();
    assert_eq!(
        stored.value.unwrap(),
        damaged,
        "the damaged snapshot stays stored"
    );
    let counted = site
        .owner()
        .metric("grandstand_worker_snapshots_damaged_total");
    assert_eq!(counted.await, Some(1.0));
}

/// Purges a room's entries before entry `keep_from` from NATS.
async fn purge(nats: &NatsServer, room: &str, keep_from: u64) {
    let room: RoomId = room.parse().unwrap();
    let partition = room.partition(BusOptions::default().partitions);
    let stream = partition.0 % BusOptions::default().streams;
    let address = nats.url().replace("nats://", "");
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let body = json!({"filter": subject::log(partition, &room), "seq": keep_from}).to_string();
    let purge = format!(
        "CONNECT {{\"verbose\":false}}\r\nPUB $JS.API.STREAM.PURGE.IN_{stream} {}\r\n{body}\r\nPING\r\n",
        body.len()
    );
    socket.write_all(purge.as_bytes()).await.unwrap();
    socket.flush().await.unwrap();
    let mut answer = vec![0; 64 * 1024];
    let mut text = String::new();
    while !text.contains("PONG") {
        let n = tokio::io::AsyncReadExt::read(&mut socket, &mut answer)
            .await
            .unwrap();
        text.push_str(&String::from_utf8_lossy(&answer[..n]));
    }
}

async fn a_room_without_its_first_entries_is_reported(mut site: Site) {
    let room = "relay-1";
    let mut alice = site.client(0, "alice").await;
    alice.join(room, json!({})).await;
    for number in 0..40 {
        alice.input(room, json!(number)).await;
    }
    alice.until_answered(room).await;
    replay_when_stored(&mut site, room).await;
    let lines = history(&mut site, room).await;
    let later = lines[20]["seq"].as_u64().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let output = loop {
        purge(site.nats.as_ref().unwrap(), room, later).await;
        let output = replay(&mut site, &[room]).await;
        if output.code == Some(66) {
            break output;
        }
        assert!(Instant::now() < deadline, "{}", output.text);
    };
    assert!(
        output.text.contains("no longer in the log"),
        "{}",
        output.text
    );
    alice.input(room, json!("more")).await;
    alice.until_answered(room).await;
    let output = replay(&mut site, &[room, "--from-snapshot"]).await;
    assert_eq!(output.code, Some(0), "{}", output.text);
    assert!(
        output
            .text
            .contains("begun        with the stored snapshot"),
        "{}",
        output.text
    );
}
