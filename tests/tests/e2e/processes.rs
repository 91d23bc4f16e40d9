//! Output and exit codes of processes that cannot work.

use std::net::TcpListener;

use grandstand_common::bus::{Bus, BusOptions};
use grandstand_harness::nats::{NatsServer, TempDir};
use grandstand_harness::ports::Port;
use grandstand_harness::process::{Output, Process, Start};
use grandstand_harness::site::{SECRET, Site, edge};

/// Checks the exit code, and that for each group one line contains all of its words.
#[track_caller]
fn check_output(output: &Output, code: i32, words: &[&[&str]]) {
    let Output { code: found, text } = output;
    assert_eq!(*found, Some(code), "{text}");
    for words in words {
        let says = |line: &str| words.iter().all(|word| line.contains(word));
        assert!(text.lines().any(says), "no line with {words:?} in:\n{text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

#[tokio::test]
async fn all_errors_of_a_configuration_are_reported_at_once() {
    let dir = TempDir::new("config");
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let wrong = "[edge]\nshards = \"many\"\nlitsen = \"0.0.0.0:1\"\n[limits]\nrooms = 0\n[auth]\nsecret = \"a secret of 32 bytes or more, for tests\"\n";
    let wrong = file("wrong.toml", wrong);
    let expected: &[&[&str]] = &[
        &["edge.shards", "wrong.toml:2"],
        &["edge.litsen", "wrong.toml:3", "edge.listen"],
        &["limits.rooms", "wrong.toml:5"],
    ];
    let edge = || Start::edge().flag("--config", &wrong);
    check_output(&edge().output().await, 78, expected);
    check_output(&edge().arg("--check").output().await, 78, expected);
    let lean = Start::program("grandstand-edge").flag("--config", &wrong);
    check_output(&lean.output().await, 78, expected);
    let by_flag = edge()
        .flag("--shards", "9999")
        .env("GRANDSTAND_EDGE_EDGE_DRAIN_MS", "soon");
    let expected: &[&[&str]] = &[
        &["edge.shards", "--shards"],
        &["edge.drain_ms", "GRANDSTAND_EDGE_EDGE_DRAIN_MS"],
    ];
    check_output(&by_flag.output().await, 78, expected);

    let worker = file(
        "worker.toml",
        "[rooms]\nring_bytes = 1\n[worker]\nname = \"a b\"\n",
    );
    let worker = Start::worker().flag("--config", worker);
    let expected: &[&[&str]] = &[
        &["rooms.ring_bytes", "worker.toml:2"],
        &["worker.name", "worker.toml:4"],
    ];
    check_output(&worker.arg("--check").output().await, 78, expected);

    let no_secret = Start::edge().arg("--check");
    check_output(&no_secret.output().await, 78, &[&["auth", "secret"]]);
    let right = file(
        "right.toml",
        "[auth]\nsecret = \"a secret of 32 bytes or more, for tests\"\n[edge]\nshards = 2\n",
    );
    let right = Start::edge().flag("--config", right);
    check_output(&right.arg("--check").output().await, 0, &[&["right.toml"]]);
    let missing = Start::edge().flag("--config", "/nowhere/edge.toml");
    check_output(&missing.output().await, 66, &[&["/nowhere/edge.toml"]]);
    let typo = Start::grandstand("dev").arg("--prot");
    check_output(&typo.output().await, 64, &[&["--prot"]]);
}

#[tokio::test]
async fn a_taken_port_is_reported() {
    let (taken, free) = (Port::take(), Port::take());
    let _holder = TcpListener::bind(taken.address()).unwrap();
    let (taken, free) = (taken.address().to_string(), free.address().to_string());
    let dev = |listen: &str, admin: &str| {
        let dev = Start::grandstand("dev");
        dev.flag("--listen", listen).flag("--admin", admin)
    };
    let output = dev(&taken, &free).output().await;
    check_output(&output, 98, &[&["--listen", &taken]]);
    let output = dev(&free, &taken).output().await;
    check_output(&output, 98, &[&["--admin", &taken]]);
    let edge = edge("nats://127.0.0.1:1")
        .flag("--listen", &taken)
        .flag("--admin", &free);
    check_output(&edge.output().await, 98, &[&["edge.listen", &taken]]);
    let worker = Start::worker().flag("--admin", &taken);
    check_output(&worker.output().await, 98, &[&["worker.admin", &taken]]);
}

#[tokio::test]
async fn an_unreachable_nats_is_reported() {
    let ports = [(); 3].map(|()| Port::take());
    let [nats, listen, admin] = ports.each_ref().map(|p| p.address().to_string());
    let url = format!("nats://{nats}");
    let worker = Start::worker().flag("--nats", &url).flag("--admin", &admin);
    let worker = worker.env("GRANDSTAND_WORKER_CLUSTER_CONNECT_TIMEOUT_S", 1);
    let words = ["NATS", nats.as_str(), "waited 1 s", "connect_timeout_s"];
    check_output(&worker.output().await, 69, &[&words]);
    let edge = edge(&url).flag("--listen", &listen).flag("--admin", &admin);
    let edge = edge.env("GRANDSTAND_EDGE_CLUSTER_CONNECT_TIMEOUT_S", 1);
    check_output(&edge.output().await, 69, &[&words]);
    let dev = Start::grandstand("dev").flag("--nats", &url);
    let dev = dev.flag("--listen", &listen).flag("--admin", &admin);
    check_output(&dev.output().await, 69, &[&["NATS", &nats]]);
}

#[tokio::test]
async fn a_process_takes_the_partitions_of_the_cluster_and_warns() {
    let nats = NatsServer::start().await;
    let worker = || Start::worker().flag("--nats", nats.url());
    let _first = Process::start(worker(), false).await;
    let warns = |process: &Process| {
        let words = ["WARN", "configured_partitions=8", "partitions=256"];
        let log = process.log_text();
        let has = |line: &str| words.iter().all(|word| line.contains(word));
        assert!(log.lines().any(has), "{log}");
    };
    let worker = worker().env("GRANDSTAND_WORKER_CLUSTER_PARTITIONS", 8);
    warns(&Process::start(worker, false).await);
    let edge = edge(&nats.url()).env("GRANDSTAND_EDGE_CLUSTER_PARTITIONS", 8);
    warns(&Process::start(edge, true).await);
}

#[tokio::test]
async fn a_folder_belongs_to_one_process() {
    let site = Site::on_disk().await;
    let ports = [(); 2].map(|()| Port::take());
    let [listen, admin] = ports.each_ref().map(|p| p.address().to_string());
    let folder = site.folder().display().to_string();
    let second = Start::grandstand("dev").flag("--data", &folder);
    let second = second.flag("--listen", &listen).flag("--admin", &admin);
    let output = second.output().await;
    assert_ne!(output.code, Some(0));
    assert!(output.text.contains(&folder), "{}", output.text);
    assert!(!output.text.contains("panicked"), "{}", output.text);
}

#[tokio::test]
async fn d30_a_damaged_folder_ends_dev_and_replay_with_65() {
    let dir = TempDir::new("damaged");
    let options = BusOptions::default();
    drop(
        Bus::open_embedded(Some(dir.path()), &options)
            .await
            .unwrap(),
    );
    std::fs::write(dir.path().join("store/version"), "FJL2").unwrap();
    let folder = dir.path().display().to_string();
    let expected: &[&[&str]] = &[&[&folder, "store/version", "lost: ", "--accept-loss"]];
    let ports = [(); 2].map(|()| Port::take());
    let [listen, admin] = ports.each_ref().map(|p| p.address().to_string());
    let dev = Start::grandstand("dev").flag("--data", &folder);
    let dev = dev.flag("--listen", &listen).flag("--admin", &admin);
    check_output(&dev.output().await, 65, expected);
    let replay = Start::grandstand("replay").arg("relay-1");
    check_output(&replay.flag("--data", &folder).output().await, 65, expected);
}

#[tokio::test]
async fn tokens_made_on_the_command_line_are_good() {
    use grandstand_harness::client::{Client, ClientOptions};
    let site = Site::embedded().await;
    let made = Start::grandstand("token")
        .flag("--secret", SECRET)
        .flag("--user", "alice")
        .flag("--room", "relay-*=player");
    let made = made.output().await;
    assert_eq!(made.code, Some(0), "{}", made.text);
    let token = made.text.trim();
    let mut client = Client::connect(ClientOptions::new(site.address(0)).token(token)).await;
    client.join("relay-1", serde_json::json!({})).await;
}
