//! Outages of NATS, for all processes or for one.

use std::time::Duration;

use grandstand_harness::client::Client;
use grandstand_harness::process::{PATIENCE, Process};
use grandstand_harness::proxy::Proxy;
use grandstand_harness::rig::{Plan, Rig};
use tokio::time::{Instant, sleep};

use crate::flow::Flow;
use crate::owners::{self, watch_checkpoints};

const PARTITIONS: u16 = 32;
const STREAMS: u16 = 4;

fn plan(workers: usize, edges: usize) -> Plan {
    Plan {
        workers,
        edges,
        partitions: PARTITIONS,
        ..Plan::default()
    }
}

/// Waits until `/ready` of a process has this value.
async fn until_ready(process: &Process, ready: bool) {
    let deadline = Instant::now() + PATIENCE;
    while process.is_ready().await != ready {
        assert!(Instant::now() < deadline, "ready: {ready}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn games_continue_after_nats_stalls_for_ten_seconds() {
    let rig = Rig::start(plan(2, 2)).await.unwrap();
    let mut flow = Flow::start(6, |edge, name| rig.client_options(edge, name)).await;
    flow.advance(20).await;
    rig.nats.pause();
    sleep(Duration::from_secs(10)).await;
    rig.nats.resume();
    flow.advance(20).await;
    for client in flow.end(rig.client_options(0, "lily")).await {
        assert!(
            client.has_notice("degraded"),
            "clients are notified of the outage"
        );
        assert!(
            client.has_notice("recovered"),
            "clients are notified of the recovery"
        );
    }
}

#[tokio::test]
async fn an_edge_is_cut_off_from_nats_and_heals() {
    let mut rig = Rig::start(plan(1, 1)).await.unwrap();
    let proxy = Proxy::start(rig.nats.address()).await;
    let start = rig.plan().edge(&proxy.url(), "edge-1");
    rig.edges.push(Process::start(start, true).await);
    let mut flow = Flow::start(4, |edge, name| rig.client_options(edge, name)).await;
    let mut sue = Client::connect(rig.client_options(1, "sue")).await;
    let mut bob = Client::connect(rig.client_options(0, "bob")).await;
    flow.advance(20).await;
    let told = |client: &Client, code: &str| {
        let notices = client.log.iter();
        notices
            .filter(|m| m["type"] == "notice" && m["code"] == code)
            .count()
    };
    for (round, swallow) in [false, true].into_iter().enumerate() {
        if swallow {
            proxy.swallow();
        } else {
            proxy.cut();
        }
        let cut = Instant::now();
        sue.until("sue is notified of the outage", |c| {
            told(c, "degraded") > round
        })
        .await;
        println!("swallow: {swallow}: notified after {:?}", cut.elapsed());
        proxy.heal();
        sue.until("sue is notified of the recovery", |c| {
            told(c, "recovered") > round
        })
        .await;
        flow.advance(20).await;
    }
    flow.end(rig.client_options(0, "lily")).await;
    // The other edge was not affected.
    bob.settle().await;
    assert_eq!(told(&bob, "degraded"), 0);
    assert_eq!((sue.closed, bob.closed), (None, None));
}

#[tokio::test]
async fn a_worker_is_cut_off_from_nats_and_others_take_over() {
    let mut rig = Rig::start(plan(2, 2)).await.unwrap();
    let proxy = Proxy::start(rig.nats.address()).await;
    let start = rig.plan().worker(&proxy.url(), "worker-2");
    rig.workers.push(Process::start(start, false).await);
    let bus = rig.bus().await.unwrap();
    let watching = watch_checkpoints(&bus, STREAMS);
    let has = |some: bool| move |of: &dyn Fn(&str) -> usize| (of("worker-2") > 0) == some;
    owners::until(&bus, PARTITIONS, "the worker has its share", has(true)).await;
    let mut flow = Flow::start(8, |edge, name| rig.client_options(edge, name)).await;
    flow.advance(20).await;
    for (round, swallow) in [false, true].into_iter().enumerate() {
        if swallow {
            proxy.swallow();
        } else {
            proxy.cut();
        }
        let cut = Instant::now();
        // The worker suspends itself, and the others declare it dead.
        until_ready(&rig.workers[2], false).await;
        let suspended = cut.elapsed();
        owners::until(&bus, PARTITIONS, "other workers have its share", has(false)).await;
        println!(
            "swallow: {swallow}: suspended after {suspended:?}, taken over after {:?}",
            cut.elapsed()
        );
        flow.advance(20).await;
        proxy.heal();
        let deadline = Instant::now() + PATIENCE;
        let dead = "grandstand_worker_found_dead_total";
        while rig.workers[2].metric(dead).await.unwrap_or(0.0) <= round as f64 {
            assert!(
                Instant::now() < deadline,
                "the worker learns that it was declared dead"
            );
            sleep(Duration::from_millis(20)).await;
        }
        owners::until(
            &bus,
            PARTITIONS,
            "the worker has its share again",
            has(true),
        )
        .await;
        flow.advance(20).await;
    }
    flow.end(rig.client_options(0, "lily")).await;
    for watching in watching {
        assert!(!watching.is_finished(), "a checkpoint's epoch decreased");
    }
}
