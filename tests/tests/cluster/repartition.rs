//! Rooms are moved to another number of partitions, while players play and without any worker.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, BusError, BusOptions, Read};
use grandstand_common::id::{Partition, RoomId};
use grandstand_common::layout::Layout;
use grandstand_common::record::{CLUSTER_KEY, ClusterRecord, Lease, WorkerRecord};
use grandstand_common::subject;
use grandstand_common::wire::Entry;
use grandstand_harness::client::Client;
use grandstand_harness::process::{Output, Process, Start};
use grandstand_harness::programs;
use grandstand_harness::rig::{Plan, Rig};
use prost::Message as _;
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
    let start = if arguments.contains(&"--abort") {
        start
    } else {
        start.flag("--keep-s", 0)
    };
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

/// Waits until the rooms are in this many partitions.
async fn until_moved(bus: &Bus, partitions: u16) {
    until(bus, "the rooms are moved", |record| {
        record.layout.partitions == partitions
    })
    .await;
}

/// Starts a cluster, and connects to its bus without changing anything.
async fn start(plan: Plan) -> (Rig, Bus) {
    let rig = Rig::start(plan).await.unwrap();
    let bus = Bus::inspect_nats(&rig.nats.url(), &BusOptions::default())
        .await
        .unwrap();
    (rig, bus)
}

/// The command as a process that the test may kill.
fn spawn(rig: &Rig, arguments: &[&str]) -> Child {
    Command::new(programs::grandstand().unwrap())
        .args(["cluster", "repartition", "--nats", &rig.nats.url()])
        .args(["--keep-s", "0"])
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
    let (rig, bus) = start(plan(2, 2, 16)).await;
    let mut layout = bus.layout();
    assert_eq!(layout, Layout::new(16, 4));
    let mut rest = Client::connect(rig.client_options(0, "rob")).await;
    let at_rest: Vec<_> = (0..20).map(|i| format!("relay-rest{i}")).collect();
    for room in &at_rest {
        rest.join(room, json!({})).await;
        rest.input(room, json!(room)).await;
        rest.until_answered(room).await;
    }
    rest.drop_connection();
    let broken: RoomId = "relay-broken".parse().unwrap();
    quarantine(&bus, layout, &broken).await;
    let mut flow = Flow::start(6, |index, player| rig.client_options(index % 2, player)).await;
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

    flow.end(rig.client_options(1, "late")).await;
    rest.reconnect(rig.address(1)).await;
    for room in &at_rest {
        let shown = |c: &Client| c.rooms[room].view["count"] == 1;
        rest.until("a room at rest shows its input", shown).await;
        rest.input(room, json!("more")).await;
        rest.until_answered(room).await;
    }
    let mut sue = Client::connect(rig.client_options(0, "sue")).await;
    sue.start_join("relay-broken", json!({})).await;
    let refused = json!({"room": "relay-broken", "code": "room_unavailable"});
    sue.expect("error", refused).await;
}

/// Nobody has released the partitions, so that the log has entries that no snapshot covers.
#[tokio::test]
async fn d33_entries_that_no_snapshot_covers_are_copied_from_the_logs_of_dead_workers() {
    let (mut rig, bus) = start(plan(1, 1, 8)).await;
    let mut alice = Client::connect(rig.client_options(0, "alice")).await;
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
    until_moved(&bus, 32).await;
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

/// The move itself may be a moment old when the power fails, and NATS writes to its disks once in a while only.
#[tokio::test]
async fn d33_the_former_streams_stay_until_the_copies_are_on_disk() {
    let (rig, bus) = start(plan(1, 1, 8)).await;
    let mut alice = Client::connect(rig.client_options(0, "alice")).await;
    alice.join("relay-1", json!({})).await;
    let former = bus.layout();
    let nats = rig.nats.url();
    let child = Command::new(programs::grandstand().unwrap())
        .args(["cluster", "repartition", "32", "--nats", &nats])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until_moved(&bus, 32).await;
    alice.input("relay-1", json!(1)).await;
    alice.until_answered("relay-1").await;
    sleep(Duration::from_secs(2)).await;
    kill(child);
    for index in 0..usize::from(former.streams) {
        let partition = former.partition(index);
        let kept = bus.with_layout(former).log_state(partition).await;
        assert!(kept.is_ok(), "{kept:?}");
    }
    succeeds(&command(&rig, &["32"]).output().await, "nothing to do");
    streams_are_gone(&bus, former).await;
}

#[tokio::test]
async fn d33_entries_at_which_loops_got_stuck_are_carried_along() {
    let rig = Rig::start(plan(0, 0, 8)).await.unwrap();
    let bus = rig.bus().await.unwrap();
    let room: RoomId = "relay-1".parse().unwrap();
    let partition = bus.layout().partition_of(&room);
    let mut places = Vec::new();
    for n in 0..3 {
        let entry = Entry {
            n,
            ..Entry::default()
        };
        let subject = subject::log(partition, &room);
        let sent = bus.append(subject, entry.encode_to_vec().into()).await;
        places.push(sent.unwrap().await.unwrap());
    }
    let mut reader = bus.read_log(partition, places[1]).await.unwrap();
    let Read::Item(stored, _) = reader.next().await else {
        panic!("the log has it");
    };
    let stuck =
        |seq: u64, time_ms: u64| json!({"room": room, "seq": seq, "time_ms": time_ms, "times": 2});
    let lease = json!({
        "worker": null, "epoch": 5, "ready": false,
        "stuck": [stuck(places[1], stored.time_ms), stuck(0, 0), stuck(places[2], 1)],
    });
    let key = partition.to_string();
    let put = bus.put_if(Bucket::Leases, &key, lease.to_string().into(), 0);
    put.await.unwrap();
    let child = spawn(&rig, &["32"]);
    until_moved(&bus, 32).await;
    kill(child);
    let moved = bus.layout().successor(32, 4);
    let now = moved.partition_of(&room);
    let key = now.to_string();
    let lease = bus.get(Bucket::Leases, &key).await.unwrap().unwrap();
    let lease: Lease = serde_json::from_slice(&lease.value.unwrap()).unwrap();
    let found: Vec<_> = lease
        .stuck
        .iter()
        .map(|s| (s.seq, s.time_ms, s.times))
        .collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0], (0, 0, 2), "a call outside of entries");
    let (seq, time_ms, times) = found[1];
    assert_eq!((time_ms, times), (stored.time_ms, 2));
    let bus = bus.with_layout(moved);
    let mut reader = bus.read_log(now, seq).await.unwrap();
    let Read::Item(copied, _) = reader.next().await else {
        panic!("the next log has it");
    };
    let copied = Entry::decode(copied.payload).unwrap();
    assert_eq!((copied.n, copied.logged_ms), (1, stored.time_ms));
}

/// While the command waits for a worker that stands still, another process undoes the move: the command ends, and takes
/// nothing.
#[tokio::test]
async fn d33_a_move_that_another_process_undoes_ends() {
    let (rig, bus) = start(plan(1, 1, 8)).await;
    let mut alice = Client::connect(rig.client_options(0, "alice")).await;
    alice.join("relay-1", json!({})).await;
    rig.workers[0].pause();
    let running = command(&rig, &["32"]);
    let moving = tokio::spawn(async move { running.output().await });
    until(&bus, "the move begins", |record| record.next.is_some()).await;
    succeeds(&command(&rig, &["--abort"]).output().await, "8 partitions");
    let ended = moving.await.unwrap();
    assert_eq!(ended.code, Some(69), "{}", ended.text);
    assert!(ended.text.contains("record has changed"), "{}", ended.text);
    rig.workers[0].resume();
    alice.input("relay-1", json!(1)).await;
    alice.until_answered("relay-1").await;
    assert_eq!(record(&bus).await.layout, bus.layout());
}

/// NATS comes back with a backup from before a move, and then with one from its midst, while everything runs.
#[tokio::test]
async fn d33_a_backup_from_before_or_within_a_move_is_taken() {
    let (mut rig, bus) = start(plan(1, 1, 8)).await;
    let mut alice = Client::connect(rig.client_options(0, "alice")).await;
    alice.join("relay-1", json!({})).await;
    alice.input("relay-1", json!("kept")).await;
    alice.until_answered("relay-1").await;
    let before = rig.nats.backup();
    // A worker that stands still for a moment, so that the move is in its midst.
    rig.workers[0].pause();
    let running = command(&rig, &["32"]);
    let moving = tokio::spawn(async move { running.output().await });
    until(&bus, "the move begins", |record| record.next.is_some()).await;
    let within = rig.nats.backup();
    rig.workers[0].resume();
    succeeds(&moving.await.unwrap(), "from 8 to 32 partitions");
    // The second one is from before alice joined again.
    for (backup, told) in [(before, 1), (within, 0)] {
        alice.input("relay-1", json!("lost")).await;
        alice.until_answered("relay-1").await;
        rig.nats.restart_from(&backup).await;
        let deadline = Instant::now() + PATIENCE;
        while bus.get(Bucket::Cluster, CLUSTER_KEY).await.is_err() {
            assert!(Instant::now() < deadline, "the bus connects again");
            sleep(LOOK).await;
        }
        if record(&bus).await.next.is_some() {
            succeeds(
                &command(&rig, &["32"]).output().await,
                "from 8 to 32 partitions",
            );
        }
        let is_out = |c: &Client| !c.rooms["relay-1"].is_shown();
        alice
            .until("the client is told to join again", is_out)
            .await;
        assert_eq!(alice.rooms["relay-1"].rolled_back, Some(told));
        alice.join("relay-1", json!({})).await;
        let shown = |c: &Client| c.rooms["relay-1"].view["count"] == 1;
        alice.until("the room goes on from the backup", shown).await;
    }
    alice.input("relay-1", json!("again")).await;
    alice.until_answered("relay-1").await;
    assert_eq!(alice.rooms["relay-1"].view["count"], 2);
    assert_eq!(alice.closed, None);
}
