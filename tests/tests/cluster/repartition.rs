//! Rooms are moved to another number of partitions, while players play and without any worker.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, BusError, BusOptions, Read};
use grandstand_common::id::{Partition, RoomId};
use grandstand_common::layout::Layout;
use grandstand_common::record::{CLUSTER_KEY, ClusterRecord, WorkerRecord};
use grandstand_common::subject;
use grandstand_harness::client::Client;
use grandstand_harness::process::{Output, Process, Start};
use grandstand_harness::programs;
use grandstand_harness::rig::{Plan, Rig};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::flow::Flow;

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(5);

fn plan(workers: usize, edges: usize, partitions: u16) -> Plan {
    Plan {
        workers,
        edges,
        partitions,
        ..Plan::default()
    }
}

fn command(rig: &Rig, arguments: &[&str]) -> Start {
    let start = Start::grandstand("cluster").arg("repartition");
    let start = start.flag("--nats", rig.nats.url());
    arguments.iter().fold(start, |start, arg| start.arg(arg))
}

#[track_caller]
fn succeeds(output: &Output, words: &str) {
    assert_eq!(output.code, Some(0), "{}", output.text);
    assert!(output.text.contains(words), "{}", output.text);
}

async fn record(bus: &Bus) -> ClusterRecord {
    let entry = bus.get(Bucket::Cluster, CLUSTER_KEY).await.unwrap();
    serde_json::from_slice(&entry.unwrap().value.unwrap()).unwrap()
}

async fn until(bus: &Bus, what: &str, holds: impl Fn(&ClusterRecord) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds(&record(bus).await) {
        assert!(Instant::now() < deadline, "{what}: {:?}", record(bus).await);
        sleep(LOOK).await;
    }
}

/// The command as a process that the test may kill.
fn spawn(rig: &Rig, arguments: &[&str]) -> Child {
    Command::new(programs::grandstand().unwrap())
        .args(["cluster", "repartition", "--nats", &rig.nats.url()])
        .args(arguments)
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Puts a room in quarantine as its owner would, without telling the owner.
async fn quarantine(bus: &Bus, layout: Layout, room: &RoomId) {
    let mut workers = bus.watch(Bucket::Workers, "").await.unwrap();
    let build = loop {
        if let Read::Item(entry, _) = workers.next().await {
            let record: WorkerRecord = serde_json::from_slice(&entry.value.unwrap()).unwrap();
            break record.build;
        }
    };
    let value = json!({"epoch": 1, "build": build, "seq": 1, "code": "room_unavailable"});
    let key = subject::room_key(layout.partition_of(room), room);
    let put = bus.put_if(Bucket::Quarantine, &key, value.to_string().into(), 0);
    put.await.unwrap();
}

async fn streams_are_gone(bus: &Bus, layout: Layout) {
    let former = bus.with_layout(layout);
    for stream in 0..usize::from(layout.streams) {
        let gone = former.log_state(layout.partition(stream)).await;
        assert!(matches!(gone, Err(BusError::NoStream)), "{gone:?}");
    }
}

/// The command is killed, run again, undone and continued, while players play at two edges.
#[tokio::test]
async fn d33_rooms_move_to_other_partitions_while_players_play() {
    let rig = Rig::start(plan(2, 2, 16)).await.unwrap();
    let bus = Bus::inspect_nats(&rig.nats.url(), &BusOptions::default())
        .await
        .unwrap();
    let mut layout = bus.layout();
    assert_eq!(layout, Layout::new(16, 4));
    let mut rest = Client::connect(rig.door(0, "rob")).await;
    let at_rest: Vec<_> = (0..20).map(|i| format!("relay-rest{i}")).collect();
    for room in &at_rest {
        rest.join(room, json!({})).await;
        rest.input(room, json!(room)).await;
        rest.until_answered(room).await;
    }
    rest.drop_connection();
    let broken: RoomId = "relay-broken".parse().unwrap();
    quarantine(&bus, layout, &broken).await;
    let mut flow = Flow::start(6, |index, player| rig.door(index % 2, player)).await;
    flow.advance(20).await;

    // Killed as soon as it has begun, and continued.
    let child = spawn(&rig, &["64"]);
    until(&bus, "the move begins", |record| record.next.is_some()).await;
    kill(child);
    let other = command(&rig, &["32"]).output().await;
    assert_eq!(other.code, Some(64), "{}", other.text);
    assert!(
        other.text.contains("a move to 64 partitions"),
        "{}",
        other.text
    );
    succeeds(
        &command(&rig, &["64"]).output().await,
        "from 16 to 64 partitions",
    );
    flow.advance(20).await;
    streams_are_gone(&bus, layout).await;
    layout = layout.successor(64, 4);
    assert_eq!(record(&bus).await.layout, layout);
    succeeds(&command(&rig, &["64"]).output().await, "nothing to do");

    // Killed later, and undone.
    let child = spawn(&rig, &["5"]);
    until(&bus, "the move begins", |record| record.next.is_some()).await;
    sleep(Duration::from_millis(300)).await;
    kill(child);
    let is_moved = record(&bus).await.layout != layout;
    if !is_moved {
        succeeds(&command(&rig, &["--abort"]).output().await, "64 partitions");
        assert_eq!(record(&bus).await.next, None);
        flow.advance(20).await;
    }
    let again = command(&rig, &["--abort"]).output().await;
    assert_eq!(again.code, Some(64), "{}", again.text);

    // Fewer partitions than there were streams before.
    succeeds(&command(&rig, &["3"]).output().await, "to 3 partitions");
    flow.advance(20).await;
    let now = record(&bus).await;
    assert_eq!((now.layout.partitions, now.layout.streams), (3, 3));
    assert_eq!((now.next, now.previous), (None, None));
    streams_are_gone(&bus, layout).await;

    flow.end(rig.door(1, "late")).await;
    rest.reconnect(rig.address(1)).await;
    for room in &at_rest {
        let shown = |c: &Client| c.rooms[room].view["count"] == 1;
        rest.until("a room at rest shows its input", shown).await;
        rest.input(room, json!("more")).await;
        rest.until_answered(room).await;
    }
    let mut sue = Client::connect(rig.door(0, "sue")).await;
    sue.start_join("relay-broken", json!({})).await;
    let refused = json!({"room": "relay-broken", "code": "room_unavailable"});
    sue.expect("error", refused).await;
}

/// Nobody has released the partitions, so that the log has entries that no snapshot covers.
#[tokio::test]
async fn d33_entries_that_no_snapshot_covers_are_copied_from_the_logs_of_dead_workers() {
    let mut rig = Rig::start(plan(1, 1, 8)).await.unwrap();
    let bus = Bus::inspect_nats(&rig.nats.url(), &BusOptions::default())
        .await
        .unwrap();
    let mut alice = Client::connect(rig.door(0, "alice")).await;
    let rooms: Vec<_> = (0..10).map(|i| format!("relay-{i}")).collect();
    for room in &rooms {
        alice.join(room, json!({})).await;
        for number in 0..5 {
            alice.input(room, json!(number)).await;
        }
    }
    for room in &rooms {
        alice.until_answered(room).await;
    }
    rig.workers[0].kill9();
    for room in &rooms {
        alice.input(room, json!(5)).await;
    }
    let child = spawn(&rig, &["32"]);
    until(&bus, "the rooms are moved", |record| {
        record.layout.partitions == 32
    })
    .await;
    let start = rig.plan().worker(&rig.nats.url(), "worker-9");
    rig.workers.push(Process::start(start, false).await);
    until(&bus, "the former streams are deleted", |record| {
        record.previous.is_none()
    })
    .await;
    drop(child.wait_with_output().unwrap());
    alice
        .until("the notice of the end", |c| c.has_notice("recovered"))
        .await;
    assert!(alice.has_notice("degraded"));
    for room in &rooms {
        alice.until_answered(room).await;
        let shown = |c: &Client| c.rooms[room].view["count"] == 6;
        alice.until("every input shows once", shown).await;
        assert!(alice.rooms[room].rejected.is_empty());
        assert!(alice.rooms[room].left.is_none(), "{room}");
    }
    let partition = Partition(0);
    assert!(bus.log_state(partition).await.is_err());
}
