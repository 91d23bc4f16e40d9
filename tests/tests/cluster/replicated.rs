//! A cluster of three NATS servers loses its leaders.

use std::time::Duration;

use grandstand_common::bus::{Bus, BusOptions};
use grandstand_harness::client::ClientOptions;
use grandstand_harness::nats_cluster::NatsCluster;
use grandstand_harness::process::Process;
use grandstand_harness::rig::Plan;
use grandstand_harness::site::{everywhere, token};
use tokio::time::{Instant, sleep};

use crate::flow::Flow;
use crate::owners::{self, watch_checkpoints};

const PARTITIONS: u16 = 8;
const STREAMS: u16 = 2;
/// The most time for servers and processes to connect to each other.
const PATIENCE: Duration = Duration::from_secs(60);

fn plan() -> Plan {
    let mut plan = Plan {
        partitions: PARTITIONS,
        ..Plan::default()
    };
    for program in ["WORKER", "EDGE"] {
        let name = |key: &str| format!("GRANDSTAND_{program}_CLUSTER_{key}");
        plan = plan
            .env(&name("REPLICAS"), 3)
            .env(&name("STREAMS"), STREAMS);
    }
    plan
}

async fn soon<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Clients notice only a pause: connections stay open, every acked input is there once, and no process is restarted.
#[tokio::test]
async fn games_continue_when_nats_loses_its_leaders() {
    let mut nats = NatsCluster::start().await.unwrap();
    let plan = plan();
    let options = BusOptions {
        partitions: PARTITIONS,
        streams: STREAMS,
        replicas: 3,
        ..BusOptions::default()
    };
    let bus = Bus::connect_nats(&nats.urls(0), &options).await.unwrap();
    let (mut workers, mut edges) = (Vec::new(), Vec::new());
    for index in 0..2 {
        let worker = plan.worker(&nats.urls(index), &format!("worker-{index}"));
        workers.push(Process::launch(worker, false).unwrap());
        let edge = plan.edge(&nats.urls(index + 1), &format!("edge-{index}"));
        edges.push(Process::launch(edge, true).unwrap());
    }
    for process in workers.iter_mut().chain(&mut edges) {
        process.try_ready(PATIENCE).await.unwrap();
    }
    let watching = watch_checkpoints(&bus, STREAMS);
    let addresses: Vec<_> = edges.iter().map(Process::address).collect();
    let options = |edge: usize, name: &str| {
        ClientOptions::new(addresses[edge % addresses.len()]).token(&token(
            name,
            3600,
            &everywhere(),
        ))
    };
    let mut flow = Flow::start(4, options).await;
    flow.advance(20).await;
    for worker in &workers {
        soon("a second observer (D17)", async || {
            let metric = worker.metric("grandstand_worker_second_observer").await;
            metric.filter(|there| *there == 1.0)
        })
        .await;
    }

    let leader = soon("IN_0 has a leader", async || {
        nats.leader(&bus, "IN_0").await
    })
    .await;
    let killed = Instant::now();
    nats.kill9(leader);
    flow.advance(10).await;
    println!(
        "the leader of IN_0 is killed: every room continues after {:?}",
        killed.elapsed()
    );
    nats.restart(leader).await.unwrap();

    let meta = soon("there is a meta leader", async || nats.meta_leader().await).await;
    let killed = Instant::now();
    nats.kill9(meta);
    flow.advance(10).await;
    println!(
        "the meta leader is killed: every room continues after {:?}",
        killed.elapsed()
    );
    nats.restart(meta).await.unwrap();

    // A worker's death is detected as fast as before.
    let killed = Instant::now();
    workers[0].kill9();
    owners::until(
        &bus,
        PARTITIONS,
        "the other worker has all partitions",
        |of| of("worker-1") == usize::from(PARTITIONS),
    )
    .await;
    println!(
        "kill -9 of a worker: all partitions have owners after {:?}",
        killed.elapsed()
    );
    flow.advance(20).await;
    flow.end(options(0, "lily")).await;
    for process in workers[1..].iter_mut().chain(&mut edges) {
        assert!(process.status().is_none(), "no process ended");
    }
    for watching in watching {
        assert!(!watching.is_finished(), "a checkpoint's epoch decreased");
    }
}
