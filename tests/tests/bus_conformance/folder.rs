//! Rules of an embedded bus with a folder: it survives a kill, and the folder belongs to one process.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, BusOptions, ConnectError, Read};
use grandstand_common::clock::unix_ms;
use grandstand_common::exit::ExitError as _;
use grandstand_common::id::Partition;
use grandstand_harness::nats::TempDir;

use crate::rig::{append, entry, key, options, soon, text};

const P0: Partition = Partition(0);
/// Tells the child process where its folder is.
const CHILD_DIR: &str = "GRANDSTAND_TEST_BUS_DIR";

async fn open(dir: &Path) -> Bus {
    Bus::open_embedded(Some(dir), &options()).await.unwrap()
}

/// The child process: appends and puts until it is killed, and prints every ack.
#[tokio::test]
#[ignore = "the child process of other tests"]
async fn child() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else {
        return;
    };
    let bus = open(Path::new(&dir)).await;
    println!("\nopen");
    let mut revisions: HashMap<String, u64> = HashMap::new();
    for i in 0_u64.. {
        let mut receipts = Vec::new();
        for j in 0..10 {
            let payload = text(i * 10 + j);
            receipts.push(bus.append("in.0.room".to_owned(), payload).await.unwrap());
        }
        let name = format!("0.room-{}", i % 7);
        let expected = match revisions.get(&name) {
            Some(revision) => *revision,
            None => {
                let stored = bus.get(Bucket::Rooms(P0), &name).await.unwrap();
                stored.map_or(0, |entry| entry.revision)
            }
        };
        let put = bus
            .put_if(Bucket::Rooms(P0), &name, text(i), expected)
            .await
            .unwrap();
        revisions.insert(name.clone(), put);
        for (j, receipt) in receipts.into_iter().enumerate() {
            println!("log {} {}", receipt.await.unwrap(), i * 10 + j as u64);
        }
        println!("put {name} {put} {i}");
    }
}

fn start_child(dir: &Path) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["folder::child", "--exact", "--ignored", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert!(
        lines.any(|line| line == "open"),
        "the child opens the folder"
    );
    (child, lines)
}

#[tokio::test]
async fn acked_entries_survive_a_kill() {
    let dir = TempDir::new("killed");
    let mut log: HashMap<u64, String> = HashMap::new();
    let mut put: Option<(String, u64, String)> = None;
    let (mut child, lines) = start_child(dir.path());
    let mut lines = lines.peekable();
    while log.len() < 500 {
        read_line(&lines.next().unwrap(), &mut log, &mut put);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The last line may be incomplete.
    let rest: Vec<_> = lines.collect();
    for line in rest.iter().take(rest.len().saturating_sub(1)) {
        read_line(line, &mut log, &mut put);
    }

    let bus = open(dir.path()).await;
    let last = bus.log_state(P0).await.unwrap().last;
    assert!(last >= *log.keys().max().unwrap());
    let mut reader = bus.read_log(P0, 1).await.unwrap();
    for seq in 1..=last {
        let (entry, pending) = entry(&mut reader).await;
        assert_eq!((entry.seq, entry.subject.as_str()), (seq, "in.0.room"));
        if let Some(payload) = log.get(&seq) {
            assert_eq!(entry.payload, text(payload));
        }
        assert_eq!(pending == 0, seq == last);
    }
    let (name, revision, value) = put.unwrap();
    let got = bus.get(Bucket::Rooms(P0), &name).await.unwrap().unwrap();
    // A later value may be stored whose ack was not printed.
    assert!(got.revision >= revision);
    if got.revision == revision {
        assert_eq!(got.value, Some(text(value)));
    }
    // New entries follow the last one.
    assert_eq!(append(&bus, "in.0.room", "next").await, last + 1);
    let next = bus
        .put_if(Bucket::Rooms(P0), &name, text("next"), got.revision)
        .await
        .unwrap();
    assert!(next > got.revision);
}

/// The folder must open after each kill, and hold all that was acked.
#[tokio::test]
async fn d30_a_kill_at_any_moment_is_no_damage() {
    let dir = TempDir::new("killed-often");
    let mut acked = 0;
    for round in 0..5 {
        let (mut child, lines) = start_child(dir.path());
        let mut appended = lines.filter(|line| line.starts_with("log "));
        let last = appended.nth(round * 37).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let seq: u64 = last.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(seq > acked, "{seq} follows {acked}");
        acked = seq;
        let bus = open(dir.path()).await;
        assert!(bus.log_state(P0).await.unwrap().last >= acked);
    }
}

fn read_line(line: &str, log: &mut HashMap<u64, String>, put: &mut Option<(String, u64, String)>) {
    let words: Vec<_> = line.split(' ').collect();
    match words[..] {
        ["log", seq, payload] => {
            log.insert(seq.parse().unwrap(), payload.to_owned());
        }
        ["put", name, revision, value] => {
            *put = Some((name.to_owned(), revision.parse().unwrap(), value.to_owned()));
        }
        _ => panic!("{line:?}"),
    }
}

#[tokio::test]
async fn a_folder_in_use_is_refused_and_free_after_a_kill() {
    let dir = TempDir::new("locked");
    let (mut child, _lines) = start_child(dir.path());
    let refused = Bus::open_embedded(Some(dir.path()), &options())
        .await
        .unwrap_err();
    assert!(matches!(refused, ConnectError::Locked { .. }), "{refused}");
    assert!(refused.to_string().contains(&*dir.path().to_string_lossy()));
    child.kill().unwrap();
    child.wait().unwrap();
    open(dir.path()).await;
}

#[tokio::test]
async fn a_folder_is_free_once_the_last_handle_is_dropped() {
    let dir = TempDir::new("reopened");
    let bus = open(dir.path()).await;
    let receipt = bus.append("in.0.room".to_owned(), text("a")).await.unwrap();
    let put = bus
        .start_put_if(Bucket::Leases, "0", text("b"), 0)
        .await
        .unwrap();
    drop(bus);
    assert_eq!(
        soon("the ack", receipt).await,
        Ok(1),
        "an accepted entry is stored"
    );
    let revision = soon("the answer", put).await.unwrap();
    let bus = open(dir.path()).await;
    let got = bus.get(Bucket::Leases, "0").await.unwrap().unwrap();
    assert_eq!((got.value, got.revision), (Some(text("b")), revision));
    let mut watch = bus.watch(Bucket::Leases, "").await.unwrap();
    assert_eq!(key(&mut watch).await.0.value, Some(text("b")));
}

#[tokio::test]
async fn markers_and_revisions_outlive_a_restart() {
    let dir = TempDir::new("markers");
    let bus = open(dir.path()).await;
    let hour = Duration::from_secs(3600);
    let a = bus.put_if(Bucket::Workers, "a", text(1), 0).await.unwrap();
    let a = bus.delete_if(Bucket::Workers, "a", a, hour).await.unwrap();
    let b = bus.put_if(Bucket::Workers, "b", text(1), 0).await.unwrap();
    let b = bus
        .delete_if(Bucket::Workers, "b", b, Duration::from_secs(1))
        .await
        .unwrap();
    drop(bus);
    let bus = open(dir.path()).await;
    let got = bus.get(Bucket::Workers, "a").await.unwrap().unwrap();
    assert_eq!((got.value, got.revision), (None, a));
    soon("the marker's expiry", async {
        while bus.get(Bucket::Workers, "b").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let again = bus.put_if(Bucket::Workers, "b", text(2), 0).await.unwrap();
    assert!(again > b, "revisions continue after a restart");
}

#[tokio::test]
async fn a_folder_keeps_its_partitions_whatever_is_configured() {
    let dir = TempDir::new("layout");
    drop(open(dir.path()).await);
    let other = BusOptions {
        partitions: 8,
        ..options()
    };
    let bus = Bus::open_embedded(Some(dir.path()), &other).await.unwrap();
    assert_eq!(bus.layout().partitions, options().partitions);
}

#[tokio::test]
async fn entries_that_left_memory_are_read_from_the_folder() {
    let dir = TempDir::new("small");
    let small = BusOptions {
        log_memory: 4096,
        ..options()
    };
    let bus = Bus::open_embedded(Some(dir.path()), &small).await.unwrap();
    let mut receipts = Vec::new();
    for i in 1..=1000 {
        receipts.push(
            bus.append(format!("in.{}.room", i % 2 * 2), text(i))
                .await
                .unwrap(),
        );
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
    for from in [1, 999] {
        let mut reader = bus.read_log(P0, from).await.unwrap();
        let evens: Vec<u64> = (from..=1000).filter(|i| i % 2 == 0).collect();
        for seq in &evens {
            let (entry, pending) = entry(&mut reader).await;
            assert_eq!((entry.seq, entry.payload), (*seq, text(seq)));
            assert_eq!(pending == 0, *seq == 1000);
        }
    }
    assert_eq!(bus.log_state(P0).await.unwrap().first, 1);
}

#[tokio::test]
async fn the_folder_forgets_old_entries_and_tells_readers_that_are_behind() {
    let dir = TempDir::new("old");
    let short = BusOptions {
        log_max_age: Duration::from_secs(1),
        ..options()
    };
    let bus = Bus::open_embedded(Some(dir.path()), &short).await.unwrap();
    append(&bus, "in.0.room", 1).await;
    let mut behind = bus.read_log(P0, 1).await.unwrap();
    soon("the entry's expiry", async {
        while bus.log_state(P0).await.unwrap().first == 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(soon("the loss", behind.next()).await, Read::Lost);
    let mut reopened = bus.read_log(P0, 1).await.unwrap();
    append(&bus, "in.0.room", 2).await;
    assert_eq!(entry(&mut reopened).await.0.seq, 2);
}

#[tokio::test]
async fn inspecting_a_folder_changes_nothing() {
    let dir = TempDir::new("look");
    let nothing = dir.path().join("nothing");
    let error = Bus::inspect_folder(&nothing, &options()).await.unwrap_err();
    assert!(
        matches!(error, ConnectError::NothingThere { .. }),
        "{error}"
    );
    assert_eq!(error.exit().code(), 66);
    assert!(!nothing.exists(), "inspecting creates nothing");

    let short = BusOptions {
        log_max_age: Duration::from_secs(1),
        ..options()
    };
    let bus = Bus::open_embedded(Some(dir.path()), &short).await.unwrap();
    let written_ms = unix_ms();
    append(&bus, "in.0.room", 1).await;
    bus.put_if(Bucket::Rooms(P0), "0.room", text("a"), 0)
        .await
        .unwrap();
    let locked = Bus::inspect_folder(dir.path(), &options()).await;
    let locked = locked.unwrap_err();
    assert!(matches!(locked, ConnectError::Locked { .. }), "{locked}");
    drop(bus);
    soon("the entry's age", async {
        while unix_ms() < written_ms + 1_500 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let bus = Bus::inspect_folder(dir.path(), &BusOptions::default()).await;
    let bus = bus.unwrap();
    assert_eq!(
        bus.layout().partitions,
        4,
        "the partitions that the folder was created with"
    );
    let mut reader = bus.read_log(P0, 1).await.unwrap();
    assert_eq!(entry(&mut reader).await.0.payload, text(1));
    let stored = bus.get(Bucket::Rooms(P0), "0.room").await.unwrap();
    assert_eq!(stored.unwrap().value, Some(text("a")));
}
