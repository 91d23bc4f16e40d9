//! Going on without what is lost, and a full disk (D30).

use grandstand_types::id::Partition;

use super::Folder;
use super::rig::{self, Seen, hashes};
use crate::bus::connect_error::StoreFailure;
use crate::bus::embedded::accept;
use crate::bus::embedded::format::{DiskError, LAYOUT};
use crate::bus::options::BusOptions;
use crate::bus::{Bucket, Bus};
use crate::exit::ExitError as _;

fn accepting() -> BusOptions {
    BusOptions {
        accept_loss: true,
        ..rig::options()
    }
}

/// A folder with a damaged journal, and what it held.
fn damaged(name: &str) -> (Folder, Seen) {
    let (folder, before) = rig::filled(name);
    rig::damage_an_entry(&folder.0);
    (folder, before)
}

#[test]
fn d30_going_on_keeps_what_can_be_read_and_the_damaged_files() {
    let (folder, before) = damaged("accepted");
    let hashed = hashes(&folder.0.join("store"));
    let error = rig::open(&folder.0).unwrap_err().to_string();
    assert!(error.contains("later changes"), "{error}");
    assert!(
        error.contains("of the 40 entries of stream 1, sequences "),
        "{error}"
    );
    let bus = rig::open_with(&folder.0, &accepting()).unwrap();
    let runtime = rig::runtime();
    let seen = runtime.block_on(rig::see(&bus));
    assert!((60..80).contains(&seen.log.len()), "{}", seen.log.len());
    assert_eq!(seen.keys, before.keys, "later changes are kept");
    assert!(seen.log.iter().all(|entry| before.log.contains(entry)));
    runtime.block_on(async {
        // No sequence and no revision is given twice.
        let receipt = bus.append("in.0.room".to_owned(), "new".into());
        let last = before
            .log
            .iter()
            .filter(|entry| entry.subject == "in.0.room");
        let last = last.map(|entry| entry.seq).max().unwrap();
        assert!(receipt.await.unwrap().await.unwrap() > last);
        let bucket = Bucket::Rooms(Partition(0));
        let put = bus.put_if(bucket, "0.new", "new".into(), 0).await.unwrap();
        let last = before.keys.values().map(|(revision, _)| *revision).max();
        assert!(put >= last.unwrap(), "{put}");
    });
    let held = runtime.block_on(rig::see(&bus));
    drop(bus);
    let kept = folder.0.join("damaged-1");
    let names = |all: Vec<(std::path::PathBuf, u64)>, dir: &std::path::Path| -> Vec<_> {
        let inside = all.into_iter().map(|(path, hash)| {
            let path = path.strip_prefix(dir).unwrap().to_owned();
            (path, hash)
        });
        inside.collect()
    };
    assert_eq!(
        names(hashes(&kept.join("store")), &kept),
        names(hashed, &folder.0),
        "the damaged files are kept as they were"
    );
    let bus = rig::open(&folder.0).unwrap();
    assert_eq!(runtime.block_on(rig::see(&bus)), held);
}

#[test]
fn d30_a_crash_while_loss_is_accepted_is_made_up_for() {
    let (folder, _) = damaged("accepting");
    let whole = rig::copied(&folder.0, "accepting-whole");
    let bus = rig::open_with(&whole.0, &accepting()).unwrap();
    let held = rig::runtime().block_on(rig::see(&bus));
    drop(bus);
    // After how many of the moves the crash came.
    for moves in 0..4 {
        let crashed = rig::copied(&folder.0, "accepting-crashed");
        std::fs::create_dir(crashed.0.join("accepted")).unwrap();
        std::fs::create_dir(crashed.0.join("damaged-1")).unwrap();
        for (i, name) in ["store", "durable.a", "durable.b"].into_iter().enumerate() {
            let new = crashed.0.join("accepted").join(name);
            std::fs::rename(rig::copied(&whole.0, "accepting-new").0.join(name), &new).unwrap();
            let old = crashed.0.join(name);
            if i < moves {
                std::fs::rename(&old, crashed.0.join("damaged-1").join(name)).unwrap();
            }
            if i + 1 < moves {
                std::fs::rename(new, old).unwrap();
            }
        }
        std::fs::write(crashed.0.join("accepted/complete"), "damaged-1").unwrap();
        let bus = rig::open(&crashed.0).unwrap_or_else(|error| panic!("{moves}: {error}"));
        assert_eq!(rig::runtime().block_on(rig::see(&bus)), held, "{moves}");
        assert!(crashed.0.join("damaged-1/durable.b").exists());
    }
    // A crash before everything was written undoes it.
    std::fs::create_dir(folder.0.join("accepted")).unwrap();
    assert_eq!(rig::open(&folder.0).unwrap_err().exit().code(), 65);
    assert!(!folder.0.join("accepted").exists());
    accept::finish(&folder.0).unwrap();
}

#[tokio::test]
async fn d30_a_full_disk_is_said_so_and_has_its_own_exit_code() {
    let folder = Folder::new("full");
    let bus = rig::open(&folder.0).unwrap();
    let Bus::Embedded(embedded) = &bus else {
        panic!("it is embedded");
    };
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let error = std::io::Write::write(&mut full.unwrap(), b"x").unwrap_err();
    let shared = embedded.shared();
    shared.fail(&mut shared.state.lock(), &DiskError::Record(error));
    let failure = bus.store_failed().await;
    assert!(matches!(failure, StoreFailure::Full { .. }), "{failure}");
    assert_eq!(failure.exit().code(), 74);
    let said = failure.to_string();
    assert!(
        said.contains("is full") && said.contains("free space"),
        "{said}"
    );
    assert!(
        bus.append("in.0.room".to_owned(), "x".into())
            .await
            .is_err()
    );
    let io = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let opening = crate::bus::ConnectError::folder(&folder.0, io);
    assert_eq!(opening.exit().code(), 74, "{opening}");
}

/// Opens with another number of partitions configured than the folder has.
#[test]
fn d30_a_lost_layout_is_taken_from_the_record_and_the_leases() {
    let (folder, before) = rig::filled("lost-layout");
    let runtime = rig::runtime();
    let bus = rig::open(&folder.0).unwrap();
    runtime.block_on(async {
        for partition in bus.layout().all_partitions() {
            let key = partition.to_string();
            let put = bus.put_if(Bucket::Leases, &key, "{}".into(), 0).await;
            put.unwrap();
        }
    });
    let Bus::Embedded(embedded) = &bus else {
        panic!("it is embedded");
    };
    let disk = embedded.shared().disk.as_ref().unwrap();
    disk.meta().remove(LAYOUT).unwrap();
    drop(bus);
    let other = BusOptions {
        partitions: 64,
        streams: 4,
        ..rig::options()
    };
    let error = rig::open_with(&folder.0, &other).unwrap_err().to_string();
    assert!(error.contains("the leases show 4 partitions"), "{error}");
    let accepting = BusOptions {
        accept_loss: true,
        ..other
    };
    let bus = rig::open_with(&folder.0, &accepting).unwrap();
    assert_eq!((bus.layout().partitions, bus.layout().streams), (4, 2));
    assert_eq!(runtime.block_on(rig::see(&bus)), before);
}
