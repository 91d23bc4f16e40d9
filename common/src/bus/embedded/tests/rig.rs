//! Folders to damage, and what they should hold.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use grandstand_types::id::Partition;
use tokio::runtime::Runtime;
use xxhash_rust::xxh3::xxh3_64;

use super::Folder;
use crate::bus::connect_error::ConnectError;
use crate::bus::embedded::client::Embedded;
use crate::bus::embedded::open::open_folder;
use crate::bus::embedded::store::StoreHandle;
use crate::bus::options::BusOptions;
use crate::bus::{Bucket, Bus, LogEntry, Read};

/// The wall clock of tests.
pub(super) const WALL_MS: u64 = 1_800_000_000_000;
const PARTITIONS: u16 = 4;

pub(super) fn options() -> BusOptions {
    BusOptions {
        streams: 2,
        partitions: PARTITIONS,
        // Everything is read from the folder.
        log_memory: 0,
        ..BusOptions::default()
    }
}

/// Everything that readers see of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) log: Vec<LogEntry>,
    pub(super) keys: BTreeMap<String, (u64, Option<Bytes>)>,
}

pub(super) fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().unwrap()
}

pub(super) fn open(dir: &Path) -> Result<Bus, ConnectError> {
    open_with(dir, &options())
}

pub(super) fn open_with(dir: &Path, options: &BusOptions) -> Result<Bus, ConnectError> {
    open_folder(dir, options, WALL_MS).map(bus)
}

pub(super) fn bus(store: StoreHandle) -> Bus {
    Bus::Embedded(Embedded::from_store(store))
}

/// Appends entries to all partitions, and writes, overwrites and deletes keys.
pub(super) async fn fill(bus: &Bus, round: u64) {
    let mut receipts = Vec::new();
    for i in 0..20 {
        let subject = format!("in.{}.room", i % u64::from(PARTITIONS));
        let payload = format!("{round} {i} ").repeat(3 + i as usize);
        receipts.push(bus.append(subject, payload.into()).await.unwrap());
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
    for i in 0..6 {
        let (bucket, key) = (
            Bucket::Rooms(Partition(i % 2)),
            format!("{}.room-{i}", i % 2),
        );
        let before = bus.get(bucket, &key).await.unwrap();
        let revision = before.map_or(0, |entry| entry.revision);
        let hour = std::time::Duration::from_secs(3600);
        if i == 5 && revision > 0 {
            bus.delete_if(bucket, &key, revision, hour).await.unwrap();
        } else {
            let value = format!("{round} {i} ").repeat(20 + 100 * usize::from(i));
            bus.put_if(bucket, &key, value.into(), revision)
                .await
                .unwrap();
        }
    }
}

/// Moves everything from the journal to tables.
pub(super) fn flush(bus: &Bus) {
    let Bus::Embedded(embedded) = bus else {
        panic!("it is embedded");
    };
    let disk = embedded.shared().disk.as_ref().unwrap();
    for keyspace in [disk.log(), disk.index(), disk.values(), disk.meta()] {
        keyspace.rotate_memtable_and_wait().unwrap();
    }
}

/// A folder with tables and a journal, and what it holds.
pub(super) fn filled(name: &str) -> (Folder, Seen) {
    let folder = Folder::new(name);
    let runtime = runtime();
    for round in 0..3 {
        let bus = open(&folder.0).unwrap();
        runtime.block_on(fill(&bus, round));
        if round < 2 {
            flush(&bus);
        }
    }
    let bus = open(&folder.0).unwrap();
    runtime.block_on(fill(&bus, 3));
    let seen = runtime.block_on(see(&bus));
    assert_eq!(seen.log.len(), 80);
    (folder, seen)
}

/// Reads everything.
pub(super) async fn see(bus: &Bus) -> Seen {
    let mut log = Vec::new();
    for partition in bus.layout().all_partitions() {
        let mut reader = bus.read_log(partition, 1).await.unwrap();
        while let Some(Read::Item(entry, _)) = reader.try_next() {
            log.push(entry);
        }
    }
    let mut keys = BTreeMap::new();
    for bucket in [0, 1].map(|p| Bucket::Rooms(Partition(p))) {
        let mut reader = bus.watch(bucket, "").await.unwrap();
        while let Some(Read::Item(entry, _)) = reader.try_next() {
            keys.insert(entry.key, (entry.revision, entry.value));
        }
    }
    Seen { log, keys }
}

/// All files below a folder, in order.
pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found.sort();
    found
}

/// A hash of every file below a folder.
pub(super) fn hashes(dir: &Path) -> Vec<(PathBuf, u64)> {
    let hash = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        (path, xxh3_64(&bytes))
    };
    files(dir).into_iter().map(hash).collect()
}

pub(super) fn copied(from: &Path, name: &str) -> Folder {
    let to = Folder::new(name);
    copy(from, &to.0);
    to
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to)
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Writes bytes into a file.
pub(super) fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

/// The newest journal.
pub(super) fn journal(dir: &Path) -> PathBuf {
    let journals = files(&dir.join("store"));
    let mut journals = journals.into_iter().rev();
    journals
        .find(|path| path.extension().is_some_and(|e| e == "jnl"))
        .unwrap()
}

/// Damages the commit with the last entry of [`filled`]. Other commits follow it.
pub(super) fn damage_an_entry(dir: &Path) {
    let path = journal(dir);
    let bytes = std::fs::read(&path).unwrap();
    let payload = b"3 19 3 19 ";
    let mut windows = bytes.windows(payload.len());
    let at = windows.position(|window| window == payload).unwrap();
    overwrite(&path, at as u64, b"X");
}
