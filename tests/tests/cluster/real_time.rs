//! A game in real time on real processes: its worker is killed while players collect coins.

use std::time::Duration;

use grandstand_harness::client::Client;
use grandstand_harness::process::PATIENCE;
use grandstand_harness::rig::{Plan, Rig};
use serde_json::{Value, json};
use tokio::time::Instant;

const ROOM: &str = "arena-1";

/// The most of its world that an arena loses by a crash, ticks.
const MOST_LOST_TICKS: u64 = 4 * 30;

/// The time within which frames come again after the death of a worker: its lease runs out, and another one takes over.
const AGAIN_WITHIN: Duration = Duration::from_secs(10);

fn is_frame(message: &Value) -> bool {
    message["type"] == "live" && message["room"] == ROOM
}

fn tick(frame: &Value) -> u64 {
    frame["data"]["tick"].as_u64().unwrap()
}

/// Reads until the next frame.
async fn frame(client: &mut Client) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "no frame came");
        let message = client.next().await.expect("the connection stays");
        if is_frame(&message) {
            return message;
        }
    }
}

/// Rolls towards the nearest coin.
async fn chase(client: &mut Client, name: &str) {
    let frame = frame(client).await;
    let at = |value: &Value| (value[0].as_f64().unwrap(), value[1].as_f64().unwrap());
    let Some(own) = frame["data"]["discs"].get(name).map(at) else {
        return;
    };
    let coins = frame["data"]["coins"].as_array().unwrap().iter().map(at);
    let way = |(x, y): (f64, f64)| (x - own.0, y - own.1);
    let length = |(x, y): (f64, f64)| x.hypot(y);
    let nearest = coins
        .map(way)
        .min_by(|a, b| length(*a).total_cmp(&length(*b)));
    let (x, y) = nearest.unwrap();
    let far = length((x, y)).max(1.0);
    let control = json!({"x": x / far, "y": y / far});
    let live = json!({"type": "live", "room": ROOM, "data": control});
    client.send(live).await;
}

/// The points of all players, as the client has been told.
fn points(client: &Client) -> u64 {
    let scores = client.rooms[ROOM].view["scores"].as_object();
    let scores = scores.into_iter().flatten();
    scores.map(|(_, score)| score.as_u64().unwrap()).sum()
}

fn snapshots(client: &Client) -> usize {
    let log = client.log.iter();
    log.filter(|m| m["type"] == "snapshot").count()
}

#[tokio::test]
async fn d35_play_goes_on_and_the_score_holds_when_the_worker_is_killed() {
    let mut rig = Rig::start(Plan::default()).await.unwrap();
    let mut alice = Client::connect(rig.client_options(0, "alice")).await;
    alice.join(ROOM, json!({"params": {"coins": 60}})).await;
    let mut watcher = Client::connect(rig.client_options(1, "carol")).await;
    watcher.join(ROOM, json!({"role": "spectator"})).await;
    while points(&alice) < 8 {
        chase(&mut alice, "alice").await;
    }
    let bus = rig.bus().await.unwrap();
    let before = tick(&frame(&mut alice).await);
    let scored = points(&alice);
    let owner = rig.owner_of(&bus, &ROOM.parse().unwrap()).await.unwrap();
    rig.workers[owner.unwrap()].kill9();
    let killed = Instant::now();
    let shown = snapshots(&alice);
    // The view of the next owner comes first, with all points that were shown.
    let again = loop {
        let next = frame(&mut alice).await;
        if snapshots(&alice) > shown {
            break next;
        }
    };
    println!("kill -9: frames again after {:?}", killed.elapsed());
    assert!(killed.elapsed() < AGAIN_WITHIN, "{:?}", killed.elapsed());
    let back = tick(&again);
    assert!(
        back + MOST_LOST_TICKS > before,
        "from tick {before} to {back}"
    );
    assert!(points(&alice) >= scored, "{} < {scored}", points(&alice));
    let held = points(&alice);
    while points(&alice) < held + 5 {
        chase(&mut alice, "alice").await;
    }
    // The spectator on the other edge sees the same score.
    watcher
        .until("the score shows", |client| points(client) >= held + 5)
        .await;
    let seen = frame(&mut watcher).await;
    assert!(seen["data"]["discs"].get("alice").is_some(), "{seen}");
}
