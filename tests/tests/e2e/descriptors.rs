//! A process without free file descriptors.

use std::time::Duration;

use grandstand_harness::client::{Client, ClientOptions};
use grandstand_harness::process::{Process, Start};
use grandstand_harness::site::{SECRET, everywhere, token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The limit: a sixteenth of it, but at least eight, are kept for what is not a client.
const LIMIT: u32 = 96;
const KEPT: usize = 8;

async fn connect(address: std::net::SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        sockets.push(TcpStream::connect(address).await.unwrap());
    }
    sockets
}

/// Connects, waits, asks, and returns the answer.
async fn ask_slowly(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    let read = tokio::time::timeout(Duration::from_secs(2), read).await;
    assert!(matches!(read, Ok(Ok(_))), "{read:?}");
    answer
}

fn open_files(process: &Process) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", process.pid()));
    files.unwrap().count()
}

#[tokio::test]
async fn d28_health_answers_when_descriptors_are_out() {
    let start = Start::grandstand("dev")
        .flag("--shards", 1)
        .flag("--secret", SECRET)
        .open_files(LIMIT);
    let process = Process::start(start, true).await;
    let healthy = Some((200, "alive\n".to_owned()));
    let clients = connect(process.address(), 200).await;
    let failures = "grandstand_edge_accept_failures_total";
    while process.metric(failures).await.is_none_or(|n| n < 1.0) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(open_files(&process) < LIMIT as usize, "some are kept");
    assert_eq!(process.health().await, healthy);

    // Take what is kept as well: from here on the admin port lives on its own reserve.
    let idle = connect(process.admin(), KEPT + 1).await;
    while open_files(&process) < LIMIT as usize {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..20 {
        assert_eq!(process.health().await, healthy);
    }

    // Take the reserve too. A request that comes later than its connection is answered all the same: only a further
    // connection takes its place, not a look for one.
    let slow = connect(process.admin(), 20).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..5 {
        let asked = ask_slowly(process.admin(), "/health").await;
        assert!(asked.starts_with("HTTP/1.1 200"), "{asked:?}");
    }
    drop((clients, idle, slow));

    let token = token("alice", 60, &everywhere());
    let mut alice = Client::connect(ClientOptions::new(process.address()).token(&token)).await;
    alice.settle().await;
}
