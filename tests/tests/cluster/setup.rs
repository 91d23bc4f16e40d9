//! Existing streams and processes that do not match the configuration.

use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, BusOptions};
use grandstand_common::record::{ClusterRecord, GameVersions, WorkerRecord, WorkerState};
use grandstand_common::wire::BUS_PROTOCOL;
use grandstand_harness::nats::NatsServer;
use grandstand_harness::ports::Port;
use grandstand_harness::process::{Output, Process, Start};
use grandstand_harness::site::edge;
use serde_json::{Value, json};

const SECONDS: u64 = 1_000_000_000;

async fn api(bus: &Bus, verb: &str, stream: &str, request: Value) -> Value {
    let subject = format!("$JS.API.STREAM.{verb}.{stream}");
    let answer = bus.request(subject, request.to_string().into(), Duration::from_secs(10));
    let answer: Value = serde_json::from_slice(&answer.await.unwrap()).unwrap();
    assert_eq!(answer["error"], Value::Null, "{verb} {stream}: {answer}");
    answer
}

/// Checks the exit code, and that one line contains all of these words.
fn refuses(output: &Output, words: &[&str]) {
    let Output { code, text } = output;
    assert_eq!(*code, Some(78), "{text}");
    let mut lines = text.lines();
    let says = |line: &str| words.iter().all(|word| line.contains(word));
    assert!(lines.any(says), "no line with {words:?} in:\n{text}");
    assert!(!text.contains("panicked"), "{text}");
}

struct Tried {
    nats: NatsServer,
    admin: Port,
    listen: Port,
}

impl Tried {
    async fn new() -> Self {
        Self {
            nats: NatsServer::start().await,
            admin: Port::take(),
            listen: Port::take(),
        }
    }

    fn worker(&self) -> Start {
        let worker = Start::worker().flag("--nats", self.nats.url());
        worker.flag("--admin", self.admin.address())
    }

    fn edge(&self) -> Start {
        let edge = edge(&self.nats.url()).flag("--admin", self.admin.address());
        edge.flag("--listen", self.listen.address())
    }
}

#[tokio::test]
async fn a_wrong_setting_of_a_stream_is_reported_with_the_wanted_value_and_the_fix() {
    let tried = Tried::new().await;
    let url = tried.nats.url();
    let wrong: [(&str, Value, &[&str]); 13] = [
        (
            "IN_0",
            json!({"retention": "workqueue"}),
            &["retention WorkQueue", "Limits", "nats stream rm IN_0"],
        ),
        (
            "IN_1",
            json!({"storage": "memory"}),
            &["storage Memory", "File", "cluster.memory_storage"],
        ),
        (
            "IN_0",
            json!({"discard": "old"}),
            &[
                "discard policy Old",
                "New",
                "nats stream edit IN_0 --discard=new",
            ],
        ),
        (
            "IN_3",
            json!({"max_age": 60 * SECONDS}),
            &[
                "max_age 60s",
                "3600s",
                "required: `nats stream edit IN_3 --max-age=3600s`",
            ],
        ),
        (
            "IN_3",
            json!({"max_age": 900 * SECONDS}),
            &["max_age 900s", "3600s", "cluster.log_max_age_s to 900"],
        ),
        (
            "IN_0",
            json!({"max_msgs_per_subject": 9}),
            &[
                "max_msgs_per_subject",
                "9",
                "-1",
                "--max-msgs-per-subject=-1",
            ],
        ),
        (
            "IN_0",
            json!({"max_msgs": 9}),
            &["max_msgs 9", "--max-msgs=-1"],
        ),
        ("IN_0", json!({"no_ack": true}), &["no_ack true", "false"]),
        (
            "IN_2",
            json!({"subjects": ["inputs.>"]}),
            &["subjects inputs.>", "in.2.*"],
        ),
        (
            "KV_rooms_0",
            json!({"max_msgs_per_subject": 5}),
            &["history", "5", "--max-msgs-per-subject=1"],
        ),
        (
            "KV_leases",
            json!({"max_age": 60 * SECONDS}),
            &["max_age 60s", "--max-age=0"],
        ),
        (
            "KV_workers",
            json!({"allow_msg_ttl": false}),
            &["allow_msg_ttl false", "--allow-msg-ttl"],
        ),
        (
            "KV_rooms_1",
            json!({"retention": "interest"}),
            &["retention Interest", "Limits"],
        ),
    ];
    for (stream, change, words) in wrong {
        // A process creates the streams that are missing.
        let bus = Bus::connect_nats(&url, &BusOptions::default())
            .await
            .unwrap();
        let mut config = api(&bus, "INFO", stream, json!({})).await["config"].take();
        config["duplicate_window"] = json!(SECONDS);
        for (key, value) in change.as_object().unwrap() {
            config[key] = value.clone();
        }
        api(&bus, "DELETE", stream, json!({})).await;
        api(&bus, "CREATE", stream, config).await;
        let words: Vec<_> = [stream].into_iter().chain(words.iter().copied()).collect();
        refuses(&tried.worker().output().await, &words);
        if stream == "IN_0" {
            refuses(&tried.edge().output().await, &words);
        }
        api(&bus, "DELETE", stream, json!({})).await;
    }
    // With correct streams:
    let _worker = Process::start(tried.worker_on_own_ports(), false).await;
}

impl Tried {
    fn worker_on_own_ports(&self) -> Start {
        Start::worker().flag("--nats", self.nats.url())
    }
}

#[tokio::test]
async fn missing_replicas_are_reported() {
    let tried = Tried::new().await;
    let three = |start: Start| {
        let start = start.env("GRANDSTAND_WORKER_CLUSTER_REPLICAS", 3);
        start.env("GRANDSTAND_EDGE_CLUSTER_REPLICAS", 3)
    };
    let words = ["cluster.replicas is 3", "not a cluster", "set it to 1"];
    refuses(&three(tried.worker()).output().await, &words);
    let options = BusOptions::default();
    let _bus = Bus::connect_nats(&tried.nats.url(), &options)
        .await
        .unwrap();
    let words = [
        "KV_cluster",
        "replicas 1",
        "3 is required",
        "set cluster.replicas to 1",
    ];
    refuses(&three(tried.worker()).output().await, &words);
    refuses(&three(tried.edge()).output().await, &words);
}

#[tokio::test]
async fn another_bus_protocol_is_refused_and_another_build_is_accepted() {
    let tried = Tried::new().await;
    let _first = Process::start(tried.worker_on_own_ports(), false).await;
    let (url, options) = (tried.nats.url(), BusOptions::default());
    let bus = Bus::connect_nats(&url, &options).await.unwrap();
    // A worker of another build that leaves the cluster.
    let other = WorkerRecord {
        state: WorkerState::Leaving,
        beat: 1,
        build: "another".to_owned(),
        follows_layout: false,
        games: GameVersions::new(),
    };
    let other = serde_json::to_vec(&other).unwrap().into();
    let put = bus
        .put_if(Bucket::Workers, "other-00000000", other, 0)
        .await;
    put.unwrap();
    let _second = Process::start(tried.worker_on_own_ports(), false).await;

    let theirs = bus.get(Bucket::Cluster, "settings").await.unwrap().unwrap();
    let record: ClusterRecord = serde_json::from_slice(&theirs.value.unwrap()).unwrap();
    let newer = ClusterRecord {
        bus_protocol: BUS_PROTOCOL + 1,
        ..record
    };
    let newer = serde_json::to_vec(&newer).unwrap().into();
    let put = bus.put_if(Bucket::Cluster, "settings", newer, theirs.revision);
    put.await.unwrap();
    let own = format!("bus protocol {BUS_PROTOCOL}");
    let words = [own.as_str(), "the cluster 2", "run a build"];
    refuses(&tried.worker().output().await, &words);
    refuses(&tried.edge().output().await, &words);
}
