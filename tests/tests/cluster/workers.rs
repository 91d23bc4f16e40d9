//! Workers join, leave, die and stall while games are played.

use std::time::Duration;

use grandstand_harness::client::Client;
use grandstand_harness::process::PATIENCE;
use grandstand_harness::rig::{Plan, Rig};
use grandstand_tests::play::play;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::flow::Flow;
use crate::owners::{self, watch_checkpoints};

const PARTITIONS: u16 = 32;
const STREAMS: u16 = 4;

/// Through all changes of workers no acked input is lost or applied twice, every client sees increasing epochs, and a
/// game is played to its end.
#[tokio::test]
async fn games_continue_while_workers_join_leave_and_die() {
    let plan = Plan {
        partitions: PARTITIONS,
        ..Plan::default()
    };
    let mut rig = Rig::start(plan).await.unwrap();
    let bus = rig.bus().await.unwrap();
    let watching = watch_checkpoints(&bus, STREAMS);
    let mut flow = Flow::start(12, |edge, name| rig.client_options(edge, name)).await;
    let mut players = Vec::new();
    for (edge, name) in ["alice", "bob"].into_iter().enumerate() {
        let mut player = Client::connect(rig.client_options(edge, name)).await;
        let slow = json!({"params": {"hide_ms": 1200}});
        player.join("memory-1", slow).await;
        players.push(tokio::spawn(play(player, name, "memory-1")));
    }
    flow.advance(20).await;

    // A worker joins and gets its share.
    let joined = rig.add_worker().await.unwrap();
    assert_eq!(joined, 3);
    let all =
        |of: &dyn Fn(&str) -> usize| (0..4).map(|w| of(&format!("worker-{w}"))).sum::<usize>();
    owners::until(&bus, PARTITIONS, "the new worker has its share", |of| {
        of("worker-3") > 0 && all(of) == usize::from(PARTITIONS)
    })
    .await;
    flow.advance(20).await;

    // A worker leaves and hands its share over.
    rig.workers[0].term();
    assert!(rig.workers[0].ended().await.success());
    owners::until(
        &bus,
        PARTITIONS,
        "the leaving worker has no partition",
        |of| of("worker-0") == 0,
    )
    .await;
    flow.advance(20).await;

    // A worker is killed.
    let killed = Instant::now();
    rig.workers[1].kill9();
    owners::until(&bus, PARTITIONS, "the dead worker has no partition", |of| {
        of("worker-1") == 0
    })
    .await;
    println!(
        "kill -9: all partitions have owners after {:?}",
        killed.elapsed()
    );
    flow.advance(20).await;

    // A worker stalls, and the last one takes over all partitions. Messages that the stalled worker had in flight have
    // no effect after it resumes.
    let stalled = Instant::now();
    rig.workers[2].pause();
    owners::until(
        &bus,
        PARTITIONS,
        "the stalled worker has no partition",
        |of| of("worker-3") == usize::from(PARTITIONS),
    )
    .await;
    println!(
        "SIGSTOP: all partitions have owners after {:?}",
        stalled.elapsed()
    );
    flow.advance(20).await;
    rig.workers[2].resume();
    let deadline = Instant::now() + PATIENCE;
    let found_dead = "grandstand_worker_found_dead_total";
    while rig.workers[2].metric(found_dead).await.unwrap_or(0.0) < 1.0 {
        assert!(
            Instant::now() < deadline,
            "the worker learns that it was declared dead"
        );
        sleep(Duration::from_millis(20)).await;
    }
    owners::until(
        &bus,
        PARTITIONS,
        "the stalled worker takes a share again",
        |of| of("worker-2") > 0,
    )
    .await;
    flow.advance(20).await;

    let mut views = Vec::new();
    for player in players {
        let player = tokio::time::timeout(PATIENCE, player).await;
        let player = player.expect("the game ends").unwrap();
        views.push(player.rooms["memory-1"].view.clone());
    }
    assert_eq!(views[0], views[1]);
    assert_eq!(views[0]["phase"], "over");
    flow.end(rig.client_options(0, "lily")).await;
    for watching in watching {
        assert!(!watching.is_finished(), "a checkpoint's epoch decreased");
    }
}
