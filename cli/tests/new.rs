//! `grandstand new` writes a program that can be played.

#![allow(clippy::unwrap_used)]

mod server;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;

use server::Server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_grandstand");

/// A temporary folder, deleted when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("grandstand-new-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn new(folder: &Path, name: &str) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(["new", name]).current_dir(folder);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Builds the program as its author would, but offline, and with the features of the tests: with those of `cargo run` in the
/// checkout, an author finds most packages built, and so does this test with those of the tests.
fn build(project: &Path, name: &str) -> PathBuf {
    let profile = Path::new(PROGRAM).parent().unwrap();
    let manifest = project.join("Cargo.toml");
    let written = std::fs::read_to_string(&manifest).unwrap();
    let (before, after) = written.split_once("\" }").unwrap();
    assert!(before.contains("grandstand = { path = \""), "{written}");
    let full = format!("{before}\", features = [\"full\"] }}{after}");
    std::fs::write(&manifest, full).unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--offline"]).current_dir(project);
    // Cargo tells tests about their package. The build scripts of dependencies would run again for it.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"]
            .iter()
            .any(|of| name.starts_with(of))
        {
            command.env_remove(name);
        }
    }
    let built = command.output().unwrap();
    let said = text(&built.stderr);
    assert!(
        built.status.success() && !said.contains("warning"),
        "{said}"
    );
    let is_shared = |package: &str| !said.contains(&format!("Compiling {package} v"));
    assert!(
        ["tokio", "bytes", "rustls"].into_iter().all(is_shared),
        "{said}"
    );
    profile.join(name)
}

#[tokio::test]
async fn the_written_program_can_be_played() {
    let folder = Folder::new("played");
    let name = "grandstand_new_test";
    let written = new(&folder.0, name);
    assert!(written.status.success(), "{}", text(&written.stderr));
    assert!(text(&written.stdout).contains("cargo run -- dev"));
    let program = build(&folder.0.join(name), name);

    let server = Server::start(&program, &[]);
    let room = format!("{name}-1");
    let mut alice = server.join("alice", &room).await;
    alice.next("joined").await;
    let mut bob = server.join("bob", &room).await;
    bob.next("joined").await;
    let input = |seq: u32| json!({"type": "input", "room": room, "seq": seq, "data": 3});
    bob.send(input(1)).await;
    assert_eq!(bob.next("reject").await["code"], "not_your_turn");
    for (turn, count) in (3..=21).step_by(3).enumerate() {
        let seq = turn as u32 / 2 + 1;
        let player = match turn % 2 {
            0 => &mut alice,
            _ => &mut bob,
        };
        // The number of Bob's rejected input is used.
        player.send(input(seq + (turn % 2) as u32)).await;
        loop {
            let update = player.next("update").await;
            if update["data"]["count"] == count {
                break;
            }
        }
    }
    alice.send(input(5)).await;
    assert_eq!(alice.next("reject").await["code"], "finished");
}

#[test]
fn an_unusable_name_is_reported_and_nothing_is_written() {
    let folder = Folder::new("unusable");
    std::fs::create_dir(folder.0.join("chess")).unwrap();
    for (name, part) in [
        ("chess", "chess exists"),
        ("My-Game", "small letter"),
        ("memory", "reserved"),
        ("match", "reserved"),
    ] {
        let output = new(&folder.0, name);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{stderr}");
        assert!(stderr.contains(part), "{stderr}");
    }
    let left = std::fs::read_dir(&folder.0).unwrap().count();
    assert_eq!(left, 1, "nothing is written");
}
