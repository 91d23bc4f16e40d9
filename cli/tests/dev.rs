//! `grandstand dev` as a process: its errors, its end, and rooms that outlive it.

#![allow(clippy::unwrap_used)]

mod server;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use futures_util::StreamExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use server::{PATIENCE, Server, dev};

const PROGRAM: &str = env!("CARGO_BIN_EXE_grandstand");

fn start(args: &[&str]) -> Server {
    Server::start(PROGRAM, args)
}

/// Runs `dev`, which must fail, and returns its exit code and stderr.
fn fails(args: &[&str]) -> (i32, String) {
    let output = dev(PROGRAM).args(args).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), stderr)
}

/// A temporary folder, deleted when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("grandstand-dev-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn path(&self) -> &str {
        Path::to_str(&self.0).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

#[tokio::test]
async fn rooms_survive_a_kill() {
    let folder = Folder::new("kill");
    let server = start(&["--data", folder.path()]);
    let mut alice = server.join("alice", "relay-1").await;
    assert_eq!(alice.next("joined").await["last_seq"], 0);
    for seq in 1..=40 {
        let input = json!({"type": "input", "room": "relay-1", "seq": seq, "data": seq});
        alice.send(input).await;
    }
    while alice.next("ack").await["seq"] != 40 {}
    drop(server);

    let server = start(&["--data", folder.path()]);
    let mut alice = server.join("alice", "relay-1").await;
    assert_eq!(alice.next("joined").await["last_seq"], 40);
    assert_eq!(alice.next("snapshot").await["data"]["count"], 40);
}

#[tokio::test]
async fn d18_a_folder_is_locked_by_one_process() {
    let folder = Folder::new("locked");
    let server = start(&["--data", folder.path()]);
    let any = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let other = [&any[..], &["--data", folder.path()]].concat();
    let (code, stderr) = fails(&other);
    assert_eq!((code, stderr.lines().count()), (69, 1), "{stderr}");
    assert!(stderr.contains(folder.path()), "{stderr}");
    assert!(stderr.contains("in use by another process"), "{stderr}");
    // The process that holds the lock is not disturbed.
    let mut alice = server.join("alice", "relay-1").await;
    assert_eq!(alice.next("joined").await["last_seq"], 0);
    // A kill releases the lock.
    drop(server);
    let server = start(&["--data", folder.path()]);
    let mut alice = server.join("alice", "relay-1").await;
    alice.next("joined").await;
}

#[tokio::test]
async fn sigterm_ends_it_after_a_notice_to_clients() {
    let mut server = start(&[]);
    let mut alice = server.join("alice", "memory-1").await;
    alice.next("joined").await;
    let pid = server.child.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(sent.unwrap().success());
    assert_eq!(alice.next("notice").await["code"], "draining");
    let closed = loop {
        match alice.0.next().await.unwrap().unwrap() {
            Message::Close(frame) => break frame.unwrap().code,
            _ => continue,
        }
    };
    assert_eq!(u16::from(closed), 1012);
    let ended = tokio::task::spawn_blocking(move || server.child.wait().unwrap());
    let status = tokio::time::timeout(PATIENCE, ended).await.unwrap();
    assert_eq!(status.unwrap().code(), Some(0));
}

#[test]
fn an_error_is_one_line_and_an_exit_code() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let free = "127.0.0.1:0";
    let file = PROGRAM;
    for (args, code, part) in [
        (&["--listen", &taken, "--admin", free][..], 98, "--listen"),
        (&["--listen", free, "--admin", &taken], 98, "--admin"),
        (&["--nats", "nats://127.0.0.1:1"], 69, "nats://127.0.0.1:1"),
        (&["--nats", "a:b"], 78, "a:b"),
        (&["--data", file], 78, file),
        (&["--shards", "5000"], 78, "--shards"),
        (&["--log", "grandstand=loud"], 64, "loud"),
    ] {
        let (found, stderr) = fails(args);
        assert_eq!(
            (found, stderr.lines().count()),
            (code, 1),
            "{args:?}: {stderr}"
        );
        assert!(
            stderr.starts_with("grandstand: ") && stderr.contains(part),
            "{stderr}"
        );
    }
}

#[cfg(feature = "archive")]
#[tokio::test]
async fn results_are_kept_in_the_folder() {
    let folder = Folder::new("archive");
    for _ in 0..2 {
        let server = start(&["--archive", "--data", folder.path()]);
        let file = format!("{}/results.sqlite", folder.path());
        let asks = Command::new(PROGRAM)
            .args(["leaderboard", "top", "--board", "memory", "--sqlite", &file])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&asks.stdout);
        assert!(text.contains("players: 0"), "{text}");
        drop(server);
    }
}
