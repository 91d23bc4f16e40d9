//! An edge drains; NATS fails.

use std::time::Duration;

use grandstand_harness::client::Client;
use grandstand_harness::process::{Process, get};
use grandstand_harness::site::Site;
use serde_json::json;

on! {
    on_nats: nats_is_restarted_and_the_game_goes_on, nats_stalls_and_the_game_goes_on;
    embedded: the_admin_port_answers;
    quickly_drained: an_edge_ends_in_good_order;
    never_drained: an_edge_accepts_clients_until_the_balancer_has_taken_it_out,
        a_worker_that_is_told_twice_ends_at_once;
}

const ROOM: &str = "relay-1";

async fn an_edge_ends_in_good_order(mut site: Site) {
    let mut alice = site.client(0, "alice").await;
    let mut bob = site.client(0, "bob").await;
    let mut carol = site.client(1, "carol").await;
    for client in [&mut alice, &mut bob, &mut carol] {
        client.join(ROOM, json!({})).await;
    }
    site.edges[0].term();
    for client in [&mut alice, &mut bob] {
        let notice = client.expect("notice", json!({"code": "draining"})).await;
        let wait = notice["reconnect_in_ms"].as_u64().unwrap();
        assert!(wait <= 1000, "{notice}");
    }
    // Open connections keep working while alice moves as `draining` asks, opening the new connection first.
    bob.input(ROOM, json!("still here")).await;
    bob.until_answered(ROOM).await;
    let mut moved = site.client(1, "alice").await;
    moved.join(ROOM, json!({})).await;
    alice.expect("left", json!({"code": "replaced"})).await;
    assert_eq!(alice.until_closed().await, 4009);
    assert_eq!(bob.until_closed().await, 1012);
    let ready = get(site.edges[0].admin(), "/ready?format=text").await;
    assert!(ready.is_none_or(|(status, _)| status == 503));
    assert!(site.edges[0].ended().await.success());
    moved.input(ROOM, json!("here now")).await;
    moved.until_answered(ROOM).await;
    let both = |c: &Client| c.rooms[ROOM].view["count"] == 2;
    carol.until("both inputs show for carol", both).await;
}

async fn an_edge_accepts_clients_until_the_balancer_has_taken_it_out(mut site: Site) {
    site.edges[0].term();
    unready(&site.edges[0]).await;
    let mut alice = site.client(0, "alice").await;
    alice.join(ROOM, json!({})).await;
    alice.input(ROOM, json!(1)).await;
    alice.until_answered(ROOM).await;
    assert!(!alice.has_notice("draining"));
    // The second signal does not wait for anything.
    site.edges[0].term();
    assert!(site.edges[0].ended().await.success());
    // Whether a close frame still goes out is left open.
    assert!(matches!(alice.until_closed().await, 1006 | 1012));
}

async fn a_worker_that_is_told_twice_ends_at_once(mut site: Site) {
    let mut alice = site.client(0, "alice").await;
    alice.join(ROOM, json!({})).await;
    // The partitions cannot be released.
    site.nats.as_ref().unwrap().pause();
    let worker = site.worker.as_mut().unwrap();
    worker.term();
    unready(worker).await;
    worker.term();
    assert!(worker.ended().await.success());
}

/// Waits until a process says that it ends.
async fn unready(process: &Process) {
    while !get(process.admin(), "/ready?format=text")
        .await
        .unwrap()
        .1
        .contains("draining")
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn nats_is_restarted_and_the_game_goes_on(mut site: Site) {
    let mut alice = site.client(0, "alice").await;
    let mut bob = site.client(1, "bob").await;
    let mut sue = site.client(1, "sue").await;
    alice.join(ROOM, json!({})).await;
    bob.join(ROOM, json!({})).await;
    sue.join(ROOM, json!({"role": "spectator"})).await;
    alice.input(ROOM, json!(1)).await;
    alice.until_answered(ROOM).await;

    site.nats.as_mut().unwrap().kill9();
    for client in [&mut alice, &mut bob, &mut sue] {
        client
            .until("clients are notified of the outage", |c| {
                c.has_notice("degraded")
            })
            .await;
    }
    for number in 2..=4 {
        alice.input(ROOM, json!(number)).await;
        bob.input(ROOM, json!(number)).await;
    }
    let mut late = site.client(0, "lily").await;
    late.until("a new client is notified of the outage", |c| {
        c.has_notice("degraded")
    })
    .await;
    late.start_join(ROOM, json!({"role": "spectator"})).await;
    site.nats.as_mut().unwrap().restart().await;
    for client in [&mut alice, &mut bob, &mut sue, &mut late] {
        client
            .until("all inputs show", |c| {
                c.has_notice("recovered") && c.rooms[ROOM].view["count"] == 7
            })
            .await;
    }
    alice.until_answered(ROOM).await;
    bob.until_answered(ROOM).await;
    for (client, acked) in [(&alice, 4), (&bob, 3)] {
        assert_eq!(client.rooms[ROOM].acked, acked);
        assert_eq!(client.closed, None);
    }
}

async fn nats_stalls_and_the_game_goes_on(site: Site) {
    let mut alice = site.client(0, "alice").await;
    let mut bob = site.client(1, "bob").await;
    alice.join(ROOM, json!({})).await;
    bob.join(ROOM, json!({})).await;
    let (nats, worker) = (site.nats.as_ref().unwrap(), site.worker.as_ref().unwrap());
    nats.pause();
    for number in 1..=5 {
        alice.input(ROOM, json!(number)).await;
        bob.input(ROOM, json!(number)).await;
    }
    // Without renewals the worker suspends itself. Later it finds its leases unchanged.
    while get(worker.admin(), "/ready?format=text").await.unwrap().0 == 200 {
        alice.settle().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    nats.resume();
    for client in [&mut alice, &mut bob] {
        client.until_answered(ROOM).await;
        let all = |c: &Client| c.rooms[ROOM].view["count"] == 10;
        client.until("all inputs show", all).await;
        assert_eq!(client.rooms[ROOM].acked, 5);
        assert_eq!(client.closed, None);
    }
}

async fn the_admin_port_answers(site: Site) {
    let admin = site.edges[0].admin();
    for path in ["/health", "/ready", "/startup"] {
        assert_eq!(get(admin, path).await.map(|(status, _)| status), Some(200));
    }
    let mut alice = site.client(0, "alice").await;
    alice.join(ROOM, json!({})).await;
    let (status, metrics) = get(admin, "/metrics").await.unwrap();
    assert_eq!(status, 200);
    assert!(metrics.contains("grandstand_edge_connections"), "{metrics}");
    assert_eq!(get(admin, "/nothing").await.unwrap().0, 404);
    let (status, page) = get(site.address(0), "/").await.unwrap();
    assert!(status == 200 && page.contains("<html"), "{status}: {page}");
    assert_eq!(get(site.address(0), "/v1/ws").await.unwrap().0, 426);
    assert_eq!(get(site.address(0), "/nothing").await.unwrap().0, 404);
}
