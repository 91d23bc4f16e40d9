//! A crash at any point does not look like damage (D30).

use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::Folder;
use super::rig::{self, Seen, overwrite};
use crate::bus::embedded::record::COPIES;

fn seen(dir: &Path) -> Seen {
    let bus = rig::open(dir).unwrap_or_else(|error| panic!("{error}"));
    rig::runtime().block_on(rig::see(&bus))
}

/// A folder before and after one more commit.
fn one_commit_apart(name: &str) -> (Folder, Folder, Seen) {
    let (before, held) = rig::filled(&format!("{name}-before"));
    let after = rig::copied(&before.0, &format!("{name}-after"));
    let bus = rig::open(&after.0).unwrap();
    rig::runtime().block_on(async {
        let payload = "more ".repeat(600);
        let receipt = bus.append("in.1.room".to_owned(), payload.into()).await;
        receipt.unwrap().await.unwrap();
    });
    drop(bus);
    (before, after, held)
}

#[test]
fn d30_a_write_that_was_not_finished_is_no_damage() {
    let (before, after, held) = one_commit_apart("unfinished");
    let whole = std::fs::read(rig::journal(&after.0)).unwrap();
    let from = std::fs::metadata(rig::journal(&before.0)).unwrap().len() as usize;
    assert!(from < whole.len());
    let mut rng = StdRng::seed_from_u64(1);
    let points = (from..whole.len()).step_by(151).chain([whole.len() - 1]);
    for (i, point) in points.enumerate() {
        let crashed = rig::copied(&after.0, "unfinished-crashed");
        // The commit was neither recorded nor acked.
        for copy in COPIES {
            std::fs::copy(before.0.join(copy), crashed.0.join(copy)).unwrap();
        }
        let journal = rig::journal(&crashed.0);
        let tail = whole.len() - point;
        match i % 3 {
            0 => {
                let file = std::fs::File::options().write(true).open(journal);
                file.unwrap().set_len(point as u64).unwrap();
            }
            // The file was longer than what was written.
            1 => overwrite(&journal, point as u64, &vec![0; tail + 4096]),
            // Pages reach the disk in any order.
            _ => {
                for page in (from..whole.len())
                    .step_by(64)
                    .filter(|_| rng.random_bool(0.5))
                {
                    let end = (page + 64).min(whole.len());
                    overwrite(&journal, page as u64, &vec![0; end - page]);
                }
                overwrite(&journal, point as u64, &[0]);
            }
        }
        let found = seen(&crashed.0);
        // All of it reached the disk, or nothing counts.
        assert!(found.log.len() - held.log.len() <= 1);
        assert_eq!(found.keys, held.keys);
        let kept = found.log.iter().filter(|entry| held.log.contains(entry));
        assert_eq!(kept.count(), held.log.len());
        // Again, now that the tail is cut.
        assert_eq!(seen(&crashed.0), found);
    }
}

#[test]
fn d30_a_record_that_is_behind_or_torn_is_no_damage() {
    let (before, after, _) = one_commit_apart("torn");
    let held = seen(&after.0);
    let older = COPIES.map(|copy| std::fs::read(before.0.join(copy)).unwrap());
    // The record had not reached the disk when the power went.
    let behind = rig::copied(&after.0, "torn-behind");
    for (copy, bytes) in COPIES.iter().zip(&older) {
        std::fs::write(behind.0.join(copy), bytes).unwrap();
    }
    assert_eq!(seen(&behind.0), held);
    for (copy, old) in COPIES.iter().zip(&older) {
        let new = std::fs::read(after.0.join(copy)).unwrap();
        for point in (0..new.len()).step_by(23) {
            let crashed = rig::copied(&after.0, "torn-crashed");
            let torn = [&new[..point], &old[point..]].concat();
            std::fs::write(crashed.0.join(copy), torn).unwrap();
            assert_eq!(seen(&crashed.0), held, "{copy} at {point}");
        }
    }
}

#[test]
fn d30_a_crash_while_a_folder_is_created_is_no_damage() {
    let folder = Folder::new("creating");
    let empty = Seen {
        log: Vec::new(),
        keys: Default::default(),
    };
    drop(rig::open(&folder.0).unwrap());
    let marks = crate::bus::embedded::marks::Marks::empty(2, 6, rig::WALL_MS);
    // The parts that the crash left behind.
    for left in 0..8 {
        let crashed = rig::copied(&folder.0, "creating-crashed");
        crate::bus::embedded::record::Record::create(&crashed.0, &marks, 1).unwrap();
        if left & 1 == 0 {
            std::fs::remove_file(crashed.0.join(COPIES[1])).unwrap();
        }
        if left & 2 == 0 {
            std::fs::remove_file(crashed.0.join("store/version")).unwrap();
        }
        if left & 4 == 0 {
            std::fs::remove_dir_all(crashed.0.join("store")).unwrap();
        }
        assert_eq!(seen(&crashed.0), empty, "{left}");
    }
}
