//! The examples of docs/http.md run as printed. Only the port differs, because tests run side by side.

#![allow(clippy::unwrap_used)]

use std::process::Stdio;

use grandstand_harness::nats::TempDir;
use grandstand_harness::process::{Process, Start};
use grandstand_harness::programs;
use grandstand_harness::site::SECRET;
use tokio::process::Command;

const DOCUMENT: &str = include_str!("../../docs/http.md");

/// The address of clients in the examples.
const PRINTED: &str = "127.0.0.1:8080";

/// The lines that start the server, which the test does in its own way.
const STARTS: &str = "grandstand dev --archive";

/// All examples for a shell, in order.
fn examples() -> Vec<&'static str> {
    let blocks = DOCUMENT.split("```sh\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    blocks.collect()
}

#[tokio::test]
async fn the_examples_run_as_printed() {
    let (started, others): (Vec<&str>, Vec<&str>) = examples()
        .into_iter()
        .partition(|example| example.contains(STARTS));
    assert_eq!((started.len(), others.len()), (1, 8), "{others:?}");
    let start = Start::grandstand("dev")
        .flag("--shards", 2)
        .flag("--secret", SECRET)
        .arg("--archive");
    let dev = Process::start(start, true).await;
    let folder = TempDir::new("http-examples");
    std::fs::create_dir_all(folder.path()).unwrap();
    let script = others.concat();
    let script = script.replace(PRINTED, &dev.address().to_string());
    let path = std::env::var("PATH").unwrap_or_default();
    let script = format!("trap 'kill $(jobs -p)' EXIT\n{script}");
    let output = Command::new("timeout")
        .args(["30", "bash", "-euc", &script])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", programs::bin_dir().display()))
        .env("GRANDSTAND_SECRET", SECRET)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    for part in [
        r#"{"type":"ack","room":"relay-1","seq":1}"#,
        r#""type":"snapshot","room":"relay-1""#,
        r#""count":1"#,
        "HTTP/1.1 304 Not Modified",
        r#"{"type":"rooms","rooms":[{"room":"relay-1","#,
        r#"{"type":"accepted","room":"relay-7"}"#,
        r#"{"type":"accepted","room":"relay-1","id":"order-17"}"#,
        r#"{"type":"accepted","room":"relay-1"}"#,
        r#""state":"matched""#,
        "no_such_board",
        r#""type":"token""#,
    ] {
        assert!(said.contains(part), "{part}:\n{said}\n{errors}");
    }
}
