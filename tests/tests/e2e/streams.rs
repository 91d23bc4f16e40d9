//! Standard streams that fail, block or are closed end no process and stall none (D28).

use std::fs::OpenOptions;
use std::io::{ErrorKind, PipeWriter, Write as _, pipe};
use std::os::fd::OwnedFd;

use grandstand_harness::process::{Process, Start};
use grandstand_harness::site::{SECRET, Site};
use serde_json::json;

fn dev(log: &str) -> Start {
    let dev = Start::grandstand("dev").flag("--shards", 1);
    dev.flag("--secret", SECRET).flag("--log", log)
}

/// Plays while the log fails, then ends the process in order.
async fn plays(start: Start) -> f64 {
    let process = Process::start(start, true).await;
    let mut site = Site::new(vec![process], None, None);
    for index in 0..3 {
        let room = "relay-log";
        let mut client = site.client(0, &format!("player-{index}")).await;
        client.join(room, json!({})).await;
        client.input(room, json!({"say": index})).await;
        client.until_answered(room).await;
    }
    let dropped = "grandstand_log_lines_dropped_total";
    let dropped = site.edges[0].metric(dropped).await.unwrap();
    site.edges[0].term();
    assert_eq!(site.edges[0].ended().await.code(), Some(0));
    dropped
}

fn full_device() -> OwnedFd {
    let file = OpenOptions::new().write(true).open("/dev/full");
    file.unwrap().into()
}

fn closed_pipe() -> OwnedFd {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A pipe that accepts nothing more, because its reader does not read.
fn full_pipe() -> (std::io::PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
    rustix::fs::fcntl_setfl(&writer, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    loop {
        match writer.write(&[b'x'; 4096]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    rustix::fs::fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

#[tokio::test]
async fn d28_a_full_device_as_log_ends_nothing() {
    let dropped = plays(dev("info").stderr(full_device())).await;
    assert!(dropped > 0.0, "they are counted");
    plays(dev("info").stdout(full_device()).stderr(full_device())).await;
}

#[tokio::test]
async fn d28_a_closed_pipe_as_log_ends_nothing() {
    let dropped = plays(dev("info").stderr(closed_pipe())).await;
    assert!(dropped > 0.0, "they are counted");
    plays(dev("info").stdout(closed_pipe()).stderr(closed_pipe())).await;
}

#[tokio::test]
async fn d28_a_reader_that_stops_reading_stalls_nothing() {
    let (_reader, writer) = full_pipe();
    let other = writer.try_clone().unwrap();
    let dropped = plays(dev("trace").stdout(writer).stderr(other)).await;
    // Trace lines of a short game need not fill the queue.
    assert!(dropped >= 0.0);
}

#[tokio::test]
async fn d28_a_reader_that_goes_away_later_ends_nothing() {
    let (reader, writer) = pipe().unwrap();
    let process = Process::start(dev("debug").stderr(writer), true).await;
    let mut site = Site::new(vec![process], None, None);
    drop(reader);
    let mut client = site.client(0, "alice").await;
    client.join("relay-log", json!({})).await;
    client.settle().await;
    site.edges[0].term();
    assert_eq!(site.edges[0].ended().await.code(), Some(0));
}

#[tokio::test]
async fn d28_commands_that_print_survive_a_closed_pipe() {
    for start in [
        Start::edge()
            .arg("--check")
            .env("GRANDSTAND_EDGE_AUTH_SECRET", SECRET),
        Start::worker().arg("--check"),
    ] {
        let output = start.stdout(closed_pipe()).output().await;
        assert_eq!(output.code, Some(0), "{}", output.text);
    }
    let wrong = Start::edge().arg("--check").flag("--shards", 9999);
    let output = wrong
        .stdout(closed_pipe())
        .stderr(closed_pipe())
        .output()
        .await;
    assert_eq!(output.code, Some(78), "{}", output.text);
    let wrong = Start::edge().flag("--shards", 9999);
    let output = wrong.stderr(full_device()).output().await;
    assert_eq!(output.code, Some(78), "{}", output.text);
}
