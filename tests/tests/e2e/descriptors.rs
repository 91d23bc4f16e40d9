//! A process without free file descriptors.

use std::time::Duration;

use grandstand_harness::client::{Client, ClientOptions};
use grandstand_harness::process::{Process, Start};
use grandstand_harness::site::{SECRET, everywhere, token};
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
    drop((clients, idle));

    let token = token("alice", 60, &everywhere());
    let mut alice = Client::connect(ClientOptions::new(process.address()).token(&token)).await;
    alice.settle().await;
}
