//! A program's `dev` as a process, and its clients.

// Each test program uses a part of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// The time that a client waits for a message.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// `PROGRAM dev`.
pub(crate) fn dev(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.arg("dev").env_remove("GRANDSTAND_SECRET");
    command
}

/// A running server, killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    /// The host and port for clients.
    pub(crate) address: String,
    /// The host and port of the admin port.
    pub(crate) admin: String,
    /// The host and port for clients with TLS; empty without.
    pub(crate) tls: String,
}

impl Server {
    /// Starts the server on free ports and waits until it is ready.
    pub(crate) fn start(program: impl AsRef<Path>, args: &[&str]) -> Self {
        let mut command = dev(program);
        command.args(args);
        Self::spawn(command)
    }

    /// Starts `dev` with what it has on free ports and waits until it is ready.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let lines = lines.map_while(Result::ok);
        let text: Vec<_> = lines.take_while(|line| !line.starts_with("end ")).collect();
        let of = |mark: &str| {
            text.iter().find_map(|line| {
                let (_, rest) = line.split_once(mark)?;
                Some(rest.split_once('/')?.0.to_owned())
            })
        };
        Self {
            child,
            address: of("'ws://").expect("the server prints its address"),
            admin: of("health   http://").expect("the server prints its admin port"),
            tls: of("TLS      wss://").unwrap_or_default(),
        }
    }

    /// Connects a player and sends its `join` for a room.
    pub(crate) async fn join(&self, user: &str, room: &str) -> Client {
        let url = format!("ws://{}/v1/ws?user={user}", self.address);
        let (socket, _) = connect_async(url).await.unwrap();
        let mut client = Client(socket);
        client.send(json!({"type": "join", "room": room})).await;
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) struct Client(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub(crate) async fn send(&mut self, message: Value) {
        let text = Message::text(message.to_string());
        self.0.send(text).await.unwrap();
    }

    /// Waits for the next message of a type.
    pub(crate) async fn next(&mut self, kind: &str) -> Value {
        let next = async {
            loop {
                let message = self.0.next().await.unwrap().unwrap();
                let Message::Text(text) = message else {
                    continue;
                };
                let value: Value = serde_json::from_str(&text).unwrap();
                if value["type"] == kind {
                    return value;
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect(kind)
    }
}
