//! Permissions that NATS takes away while everything runs, and gives back (D27, D31).

use std::time::Duration;

use grandstand_harness::admin::until_ready_is;
use grandstand_harness::client::{Client, ClientOptions};
use grandstand_harness::nats::NatsServer;
use grandstand_harness::process::Process;
use grandstand_harness::site::{everywhere, token};
use serde_json::json;
use tokio::time::sleep;

use super::permissions::{everybody, permissions, rig, shipped, start, without};

/// The permissions that are taken away in each run of the tests. `GRANDSTAND_PERMISSIONS=all` takes all.
const USUAL: [(&str, &str, &str); 2] = [
    ("worker", "publish on", "edge.*"),
    ("worker", "subscribe to", "_INBOX.worker.>"),
];

#[tokio::test]
async fn d27_each_permission_may_be_taken_away_and_given_back() {
    let all = std::env::var("GRANDSTAND_PERMISSIONS").is_ok_and(|which| which == "all");
    let granted = shipped().join("\n");
    let nats = NatsServer::start_configured(&granted).await;
    let worker = Process::start(start(&nats, "worker"), false).await;
    let edge = Process::start(start(&nats, "edge"), true).await;
    let options = |player: &str| {
        ClientOptions::new(edge.address()).token(&token(player, 24 * 3600, &everywhere()))
    };
    for (line, user, verb, subject) in permissions() {
        // The right to create and change streams is needed only when one is missing.
        let creates = subject.contains("CREATE.*") || subject.contains("UPDATE");
        let is_tried = (user == "edge" || user == "worker") && !creates;
        if !is_tried || !(all || USUAL.contains(&(user, verb, &subject))) {
            continue;
        }
        println!("{user}: {verb} {subject}");
        let old = format!("relay-{line}");
        let new = format!("memory-{line}");
        let mut alice = Client::connect(options("alice")).await;
        let mut bob = Client::connect(options("bob")).await;
        alice.join(&old, json!({})).await;
        bob.join(&old, json!({})).await;
        alice.input(&old, json!(1)).await;
        alice.until_answered(&old).await;

        nats.reload(&without(line)).await;
        alice.input(&old, json!(2)).await;
        let mut carol = Client::connect(options("carol")).await;
        carol.start_join(&new, json!({})).await;
        let process = if user == "edge" { &edge } else { &worker };
        let text = until_ready_is(process, 503).await;
        alice
            .until("an answer or a word about it", |c| {
                let room = &c.rooms[&old];
                room.unanswered() == 0 || room.busy > 0 || c.has_notice("degraded")
            })
            .await;
        carol
            .until("an answer or a word about it", |c| {
                c.rooms[&new].is_shown() || c.has("error", &new)
            })
            .await;

        nats.reload(&granted).await;
        for process in [&edge, &worker] {
            until_ready_is(process, 200).await;
        }
        let log = process.log_text();
        let says = format!("does not permit this process to {verb} ");
        assert!(log.contains(&says), "{user} {verb} {subject}: {text} {log}");
        alice.until_answered(&old).await;
        bob.input(&old, json!(3)).await;
        bob.until_answered(&old).await;
        for client in [&mut alice, &mut bob] {
            client
                .until("all inputs show", |c| c.rooms[&old].view["count"] == 3)
                .await;
        }
        carol
            .until("the new room shows", |c| c.rooms[&new].is_shown())
            .await;
    }
}

/// The worker cannot ask an edge whether it lives.
#[tokio::test]
async fn d27_an_edge_that_nobody_may_ask_is_not_taken_for_dead() {
    let rig = rig().await;
    let mut alice = Client::connect(rig.client_options(0, "alice")).await;
    alice.join("relay-1", json!({})).await;
    let denied = everybody("publish: { deny: \"process.*.alive\" }");
    rig.nats.reload(&denied).await;
    until_ready_is(&rig.workers[0], 503).await;
    // An edge that does not answer counts as dead after one second.
    sleep(Duration::from_secs(2)).await;
    alice.input("relay-1", json!(1)).await;
    alice.until_answered("relay-1").await;
    rig.nats.reload(&everybody("publish: \">\"")).await;
    until_ready_is(&rig.workers[0], 200).await;
    alice.input("relay-1", json!(2)).await;
    alice
        .until("all inputs show", |c| c.rooms["relay-1"].view["count"] == 2)
        .await;
    let log = rig.workers[0].log_text();
    assert!(!log.contains("an edge is gone"), "{log}");
}
