//! The examples of README.md run as printed.
//!
//! Only ports differ, because tests run side by side: `127.0.0.1:8080` in an example means the edge's port here.
//! `cargo` does not build again; its stand-in takes the program that was built with the tests.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use grandstand_harness::client::{ClientOptions, PATIENCE};
use grandstand_harness::nats::TempDir;
use grandstand_harness::ports::Port;
use grandstand_harness::programs;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

const README: &str = include_str!("../../README.md");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// The address of clients in the examples.
const PRINTED: &str = "127.0.0.1:8080";

/// The fenced examples in a language.
fn examples(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let blocks = README.split(fence.as_str()).skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    blocks.collect()
}

/// The one example in a language that has these words.
fn example(language: &str, words: &str) -> &'static str {
    let mut found = examples(language);
    found.retain(|block| block.contains(words));
    assert_eq!(found.len(), 1, "examples in {language} with `{words}`");
    found[0]
}

/// A checkout whose programs are built, with its own ports.
struct Checkout {
    dir: TempDir,
    edge: Port,
    edge_admin: Port,
    worker_admin: Port,
    nats: Port,
}

impl Checkout {
    fn new() -> Self {
        let new = Self {
            dir: TempDir::new("readme"),
            edge: Port::take(),
            edge_admin: Port::take(),
            worker_admin: Port::take(),
            nats: Port::take(),
        };
        let folder = new.dir.path();
        std::fs::create_dir_all(folder.join("target")).unwrap();
        std::fs::create_dir(folder.join("bin")).unwrap();
        symlink(Path::new(ROOT).join("config"), folder.join("config")).unwrap();
        symlink(programs::bin_dir(), folder.join("target/debug")).unwrap();
        let (edge, admin) = (new.edge.address(), new.edge_admin.address());
        new.stand_in(
            "cargo",
            &format!(
                "case \"$*\" in\n\
                 build) ;;\n\
                 'run -- dev') exec target/debug/grandstand dev --listen {edge} --admin {admin} ;;\n\
                 *) echo \"cargo $*: not expected\" >&2; exit 64 ;;\n\
                 esac\n"
            ),
        );
        let nats = programs::find_nats().unwrap_or_else(|e| panic!("{e}"));
        let port = new.nats.address().port();
        let nats = nats.display();
        new.stand_in("nats-server", &format!("exec {nats} -p {port} \"$@\"\n"));
        new
    }

    /// Puts a script into the shell's path.
    fn stand_in(&self, name: &str, script: &str) {
        let path = self.dir.path().join("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    fn address(&self) -> SocketAddr {
        self.edge.address()
    }

    /// A shell that runs a script in the checkout.
    fn shell(&self, script: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = self.dir.path().join("bin");
        let nats = format!("nats://{}", self.nats.address());
        let mut shell = Command::new("bash");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GRANDSTAND_") {
                shell.env_remove(name);
            }
        }
        shell
            .args(["-c", script])
            .current_dir(self.dir.path())
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("GRANDSTAND_EDGE_EDGE_LISTEN", self.address().to_string())
            .env(
                "GRANDSTAND_EDGE_EDGE_ADMIN",
                self.edge_admin.address().to_string(),
            )
            .env("GRANDSTAND_EDGE_CLUSTER_URL", &nats)
            .env(
                "GRANDSTAND_WORKER_WORKER_ADMIN",
                self.worker_admin.address().to_string(),
            )
            .env("GRANDSTAND_WORKER_CLUSTER_URL", &nats)
            .stdin(Stdio::null())
            .process_group(0);
        shell
    }

    /// Starts a script that runs until it is killed.
    fn start(&self, script: &str) -> Running {
        let log = self.dir.path().join("log");
        let file = std::fs::File::create(&log).unwrap();
        let mut shell = self.shell(script);
        shell.stdout(file.try_clone().unwrap()).stderr(file);
        Running(shell.spawn().unwrap())
    }

    /// Runs a script to its end and returns its output.
    fn output(&self, script: &str) -> String {
        let output = self.shell(script).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

/// A shell and everything that it started, killed when dropped.
struct Running(Child);

impl Running {
    fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.0.wait();
    }
}

/// Whether a message is the printed one; `…` stands for any value.
fn is_printed(printed: &Value, message: &Value) -> bool {
    match (printed, message) {
        (Value::String(any), _) if any == "…" => true,
        (Value::Object(a), Value::Object(b)) => {
            let same = |(key, value): (&String, &Value)| {
                b.get(key).is_some_and(|other| is_printed(value, other))
            };
            a.len() == b.len() && a.iter().all(same)
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_printed(a, b))
        }
        _ => printed == message,
    }
}

fn printed(line: &str) -> Value {
    let json = line.replace("{…}", "\"…\"");
    serde_json::from_str(&json).unwrap_or_else(|e| panic!("{line}: {e}"))
}

/// Connects as soon as the server listens, and holds the printed conversation with it.
async fn converse(checkout: &Checkout, running: &mut Running, query: &str) {
    let options = ClientOptions {
        query: query.to_owned(),
        ..ClientOptions::new(checkout.address())
    };
    let deadline = Instant::now() + PATIENCE;
    let mut socket = loop {
        match options.try_open().await {
            Ok(socket) => break socket,
            Err(error) => {
                let ended = running.has_ended();
                let log = || checkout.log();
                assert!(
                    !ended && Instant::now() < deadline,
                    "{error}; ended: {ended}\n{}",
                    log()
                );
                sleep(Duration::from_millis(50)).await;
            }
        }
    };
    let mut waiting: Vec<Value> = Vec::new();
    let conversation = example("text", "\"type\":\"welcome\"");
    for line in conversation.lines().chain(["> "]) {
        match line.split_at(2) {
            ("< ", message) => waiting.push(printed(message)),
            ("> ", message) => {
                while !waiting.is_empty() {
                    let frame = timeout(PATIENCE, socket.next()).await;
                    let frame = frame.unwrap_or_else(|_| panic!("none of {waiting:?} arrives"));
                    let text = frame.unwrap().unwrap().into_text().unwrap();
                    let message: Value = serde_json::from_str(&text).unwrap();
                    let found = waiting.iter().position(|line| is_printed(line, &message));
                    // Presence is sent again whenever it may have changed.
                    if found.is_none() && message["type"] == "presence" {
                        continue;
                    }
                    let found = found.unwrap_or_else(|| panic!("{message} is not in {waiting:?}"));
                    waiting.remove(found);
                }
                if !message.is_empty() {
                    socket.send(Message::text(message)).await.unwrap();
                }
            }
            _ => panic!("{line} is neither sent nor received"),
        }
    }
}

#[tokio::test]
async fn one_command_starts_a_server_that_holds_the_printed_conversation() {
    let start = example("sh", "cargo run -- dev");
    let start = start.lines().next().unwrap();
    let by_hand = example("sh", "python -m websockets");
    let (_, query) = by_hand
        .trim()
        .trim_end_matches('\'')
        .split_once('?')
        .unwrap();
    assert!(
        by_hand.contains(&format!("'ws://{PRINTED}/v1/ws?")),
        "{by_hand}"
    );

    let checkout = Checkout::new();
    let mut running = checkout.start(start);
    converse(&checkout, &mut running, query).await;
}

#[tokio::test]
async fn edge_worker_and_nats_start_as_printed() {
    let start = example("sh", "nats-server");
    let token = example("sh", "grandstand token");
    let connect = format!("ws://{PRINTED}/v1/ws?token=TOKEN");
    assert!(README.contains(&connect), "{connect}");
    let exports = start.lines().filter(|line| line.starts_with("export "));
    let exports: Vec<&str> = exports.collect();

    let checkout = Checkout::new();
    let mut running = checkout.start(start);
    let token = checkout.output(&format!("{}\n{token}", exports.join("\n")));
    converse(&checkout, &mut running, &format!("token={}", token.trim())).await;
}

/// `cargo build` builds the default members; the examples use nothing else.
#[test]
fn examples_use_what_their_build_builds() {
    let manifest = std::fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    assert!(
        manifest.contains("default-members = [\"cli\"]"),
        "{manifest}"
    );
    for block in examples("sh") {
        for (_, rest) in block
            .match_indices("target/debug/")
            .map(|(at, p)| block.split_at(at + p.len()))
        {
            let program = rest.split_whitespace().next();
            assert_eq!(program, Some("grandstand"), "{block}");
        }
    }
    assert!(Path::new(ROOT).join("tests/run").is_file());
}

#[test]
fn no_example_is_left_out() {
    let commands = [
        "cargo run -- dev",
        "python -m websockets",
        "nats-server",
        "grandstand token",
    ];
    for block in examples("sh") {
        assert!(
            commands.iter().any(|c| block.contains(c)),
            "no test runs {block}"
        );
    }
}
