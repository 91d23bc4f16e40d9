//! Folders that an older version of this program made have no marks and no record.

use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use grandstand_types::id::Partition;

use super::Folder;
use super::rig::{self, WALL_MS};
use crate::bus::LogEntry;
use crate::bus::embedded::format::{LAYOUT, encode_entry, log_key, numbers};
use crate::bus::embedded::record::COPIES;
use crate::exit::ExitError as _;

/// Writes a folder as the version before wrote it: one entry and one key.
fn older(name: &str) -> Folder {
    let folder = Folder::new(name);
    let db = Database::builder(folder.0.join("store")).open().unwrap();
    let keyspace = |name| db.keyspace(name, KeyspaceCreateOptions::default).unwrap();
    let entry = LogEntry {
        seq: 7,
        time_ms: WALL_MS,
        subject: "in.0.room".to_owned(),
        payload: "old".into(),
    };
    let log = keyspace("log");
    log.insert(log_key(Partition(0), 7), encode_entry(&entry))
        .unwrap();
    let key = b"rooms_0\x000.room";
    let index = numbers([3, WALL_MS, 0]);
    keyspace("index").insert(key, index).unwrap();
    keyspace("value").insert(key, "value").unwrap();
    let meta = keyspace("meta");
    meta.insert(LAYOUT, numbers([2, 4])).unwrap();
    meta.insert("stream.0", numbers([WALL_MS, 7])).unwrap();
    meta.insert("stream.1", numbers([WALL_MS, 0])).unwrap();
    meta.insert("bucket.rooms_0", numbers([3])).unwrap();
    db.persist(PersistMode::SyncAll).unwrap();
    folder
}

#[test]
fn a_folder_of_an_older_version_is_opened_and_counted() {
    let folder = older("older");
    let runtime = rig::runtime();
    for _ in 0..2 {
        let bus = rig::open(&folder.0).unwrap();
        let seen = runtime.block_on(rig::see(&bus));
        assert_eq!((seen.log.len(), seen.log[0].seq), (1, 7));
        assert_eq!(seen.keys["0.room"], (3, Some("value".into())));
    }
    let bus = rig::open(&folder.0).unwrap();
    runtime.block_on(rig::fill(&bus, 0));
    let seen = runtime.block_on(rig::see(&bus));
    drop(bus);
    let bus = rig::open(&folder.0).unwrap();
    assert_eq!(runtime.block_on(rig::see(&bus)), seen);
    drop(bus);
    // Now it has a record, and misses it.
    for copy in COPIES {
        std::fs::remove_file(folder.0.join(copy)).unwrap();
    }
    assert_eq!(rig::open(&folder.0).unwrap_err().exit().code(), 65);
}

#[test]
fn a_crash_while_an_older_folder_is_counted_is_no_damage() {
    let folder = older("older-crashed");
    let before = rig::copied(&folder.0, "older-before");
    drop(rig::open(&folder.0).unwrap());
    // The record was written, and the marks were not.
    for copy in COPIES {
        std::fs::copy(folder.0.join(copy), before.0.join(copy)).unwrap();
    }
    let bus = rig::open(&before.0).unwrap();
    assert_eq!(rig::runtime().block_on(rig::see(&bus)).log.len(), 1);
}
