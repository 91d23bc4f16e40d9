//! Calls of games, while the processes die that have to do with them.

use grandstand_common::envelope::Role;
use grandstand_harness::client::{Client, ClientOptions};
use grandstand_harness::nats::{NatsServer, TempDir};
use grandstand_harness::process::{Process, Start};
use grandstand_harness::rig::Plan;
use grandstand_harness::site::token;
use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{Outlet, until};

const ROOM: &str = "caller-1";

async fn answers(client: &mut Client, count: usize) -> Vec<Value> {
    let has_all = |client: &Client| {
        let answers = client.rooms[ROOM].view["answers"].as_array();
        answers.is_some_and(|answers| answers.len() >= count)
    };
    client.until("the answers are there", has_all).await;
    let answers = client.rooms[ROOM].view["answers"].as_array();
    answers.unwrap().clone()
}

#[tokio::test]
async fn d38_a_call_gets_one_answer_whichever_process_dies() {
    let mut nats = NatsServer::start().await;
    let receiver = Receiver::start().await;
    let plan = Plan {
        partitions: 8,
        ..Plan::default()
    };
    let worker = Start::program("grandstand-versions")
        .arg("worker")
        .flag("--nats", nats.url())
        .flag("--log", "info")
        .env("GRANDSTAND_WORKER_CLUSTER_PARTITIONS", plan.partitions);
    let mut worker = Process::start(worker, false).await;
    let edge = Process::start(plan.edge(&nats.url(), "edge"), true).await;
    let outlet = Outlet::new()
        .endpoint(&receiver, "/held", "timeout_ms = 60000")
        .endpoint(&receiver, "/ok", "")
        .endpoint(&receiver, "/empty", "")
        .endpoint(&receiver, "/missing", "")
        .endpoint(&receiver, "/text", "")
        .endpoint(&receiver, "/huge", "")
        .endpoint(&receiver, "/hang", "");
    let mut outlet = Process::start(outlet.start(&nats.url()), false).await;
    let token = token("alice", 600, &[(ROOM, Role::Player)]);
    let options = ClientOptions::new(edge.address()).token(&token);
    let mut alice = Client::connect(options).await;
    alice.join(ROOM, json!({})).await;
    let call =
        |endpoint: &str, timeout_ms: u64| json!({"endpoint": endpoint, "timeout_ms": timeout_ms});

    alice.input(ROOM, call("held", 120_000)).await;
    receiver.until("/held", 1).await;
    // Each of them dies between the call and the answer.
    outlet.kill9();
    outlet.ended().await;
    outlet.restart().await;
    receiver.until("/held", 2).await;
    worker.kill9();
    worker.ended().await;
    worker.restart().await;
    nats.restart().await;
    receiver.open();
    assert_eq!(answers(&mut alice, 1).await, [json!([1, {"paid": 7}])]);
    let held = receiver.of("/held");
    assert!(
        held.iter().all(|request| request.id() == held[0].id()),
        "{held:?}"
    );

    for (endpoint, timeout_ms) in [
        ("ok", 60_000),
        ("empty", 60_000),
        ("missing", 60_000),
        ("text", 60_000),
        ("huge", 60_000),
        ("nowhere", 60_000),
        ("hang", 300),
    ] {
        alice.input(ROOM, call(endpoint, timeout_ms)).await;
    }
    let mut all = answers(&mut alice, 8).await;
    all.sort_by_key(|answer| answer[0].as_u64());
    let wanted = [
        json!([1, {"paid": 7}]),
        json!([2, {"paid": 7}]),
        json!([3, null]),
        json!([4, "Status(404)"]),
        json!([5, "BadAnswer"]),
        json!([6, "BadAnswer"]),
        json!([7, "NoEndpoint"]),
        json!([8, "Timeout"]),
    ];
    assert_eq!(all, wanted);
    let answered = "grandstand_outlet_calls_total{endpoint=\"ok\",outcome=\"answered\"}";
    until(&outlet, answered, |count| count == 1.0).await;
}

#[tokio::test]
async fn dev_answers_a_call_after_a_kill() {
    let receiver = Receiver::start().await;
    let outlet = Outlet::new().endpoint(&receiver, "/held", "timeout_ms = 60000");
    let data = TempDir::new("outlet-dev");
    let start = Start::program("grandstand-versions")
        .arg("dev")
        .flag("--data", data.path().display())
        .flag("--outlet", outlet.file().display());
    let mut dev = Process::start(start, true).await;
    let options = ClientOptions {
        query: "user=alice".to_owned(),
        ..ClientOptions::new(dev.address())
    };
    let mut alice = Client::connect(options).await;
    alice.join(ROOM, json!({})).await;
    let call = json!({"endpoint": "held", "timeout_ms": 120_000});
    alice.input(ROOM, call).await;
    receiver.until("/held", 1).await;
    dev.kill9();
    dev.ended().await;
    dev.restart().await;
    alice.reconnect_here().await;
    receiver.until("/held", 2).await;
    receiver.open();
    assert_eq!(answers(&mut alice, 1).await, [json!([1, {"paid": 7}])]);
    dev.term();
    assert_eq!(dev.ended().await.code(), Some(0), "{}", dev.log_tail());
}
