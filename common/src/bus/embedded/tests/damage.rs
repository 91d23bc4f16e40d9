//! Damage is seen, and looking destroys nothing (D30).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::Folder;
use super::rig::{self, Seen, files, hashes, overwrite};
use crate::bus::Bus;
use crate::bus::embedded::journal;
use crate::exit::ExitError as _;

/// Damages of one seed each.
const SEEDS: u64 = 500;

/// Damages a file of `dir`, and returns what was done.
fn damage(dir: &Path, seed: u64) -> String {
    let mut rng = StdRng::seed_from_u64(seed);
    let files = files(dir);
    let path = &files[rng.random_range(0..files.len())];
    let length = std::fs::metadata(path).unwrap().len();
    let name = path.strip_prefix(dir).unwrap().display();
    let at = rng.random_range(0..length.max(1));
    match seed % 8 {
        _ if length == 0 => {
            std::fs::remove_file(path).unwrap();
            format!("{name}: removed")
        }
        0..4 => {
            let bit = rng.random_range(0..8);
            let mut bytes = std::fs::read(path).unwrap();
            bytes[at as usize] ^= 1 << bit;
            overwrite(path, 0, &bytes);
            format!("{name}: bit {bit} of byte {at} of {length}")
        }
        4 | 5 => {
            let hole = rng.random_range(1..=(length - at).min(4096));
            overwrite(path, at, &vec![0; hole as usize]);
            format!("{name}: {hole} zeros at byte {at} of {length}")
        }
        6 => {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_len(at).unwrap();
            format!("{name}: cut from {length} bytes to {at}")
        }
        _ => {
            std::fs::remove_file(path).unwrap();
            format!("{name}: removed, {length} bytes")
        }
    }
}

/// Whether opening the damaged folder is refused with the right words. Otherwise it must hold everything.
fn is_seen(folder: &Folder, before: &Seen, what: &str) -> bool {
    let hashed = hashes(&folder.0);
    match rig::open(&folder.0) {
        Ok(bus) => {
            let seen = rig::runtime().block_on(rig::see(&bus));
            assert!(seen == *before, "{what}: opened, and holds something else");
            false
        }
        Err(error) => {
            assert_eq!(error.exit().code(), 65, "{what}: {error}");
            let said = error.to_string();
            assert!(
                said.contains("lost: ") && said.contains("--accept-loss"),
                "{said}"
            );
            let after = hashes(&folder.0);
            let lock = |(path, _): &(PathBuf, u64)| !path.ends_with("lock");
            let [hashed, after] = [hashed, after].map(|all| all.into_iter().filter(lock));
            assert!(hashed.eq(after), "{what}: looking changed something");
            true
        }
    }
}

#[test]
fn d30_no_flip_hole_or_truncation_of_any_file_is_silent() {
    let (folder, before) = rig::filled("flips");
    let seeds = std::env::var("GRANDSTAND_TEST_SEEDS").ok();
    let seeds = seeds.map_or(0..SEEDS, |seeds| {
        let (from, to) = seeds.split_once("..").unwrap();
        from.parse().unwrap()..to.parse().unwrap()
    });
    let next = AtomicU64::new(seeds.start);
    let seen = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let copy = rig::copied(&folder.0, &format!("flips-{seed}"));
                    let what = damage(&copy.0, seed);
                    if is_seen(&copy, &before, &format!("seed {seed}: {what}")) {
                        seen.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let (seen, all) = (seen.into_inner(), seeds.end - seeds.start);
    assert!(seen * 4 > all, "only {seen} of {all} damages were refused");
}

#[test]
fn d30_every_byte_of_a_batch_s_header_counts() {
    let (folder, before) = rig::filled("header");
    let journals = journal::scan(&folder.0.join("store")).unwrap();
    assert!(journals.iter().all(|journal| journal.fault.is_none()));
    let path = rig::journal(&folder.0);
    let bytes = std::fs::read(&path).unwrap();
    // A trailer ends a batch, and the next one begins after it: tag, number of items, sequence.
    let ends = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, bytes)| bytes == b"FJL\x03");
    let starts: Vec<_> = ends
        .map(|(at, _)| at + 4)
        .filter(|at| *at < bytes.len())
        .collect();
    let middle = starts[starts.len() / 2];
    for (at, byte) in bytes.iter().enumerate().skip(middle).take(13) {
        let copy = rig::copied(&folder.0, "header-flipped");
        overwrite(&rig::journal(&copy.0), at as u64, &[byte ^ 0x10]);
        assert!(is_seen(&copy, &before, &format!("byte {at}")), "byte {at}");
    }
}

#[test]
fn d30_a_missing_part_is_named() {
    let (folder, _) = rig::filled("missing");
    type Removed = (&'static str, &'static str);
    let removed: [Removed; 6] = [
        ("store", "the folder store is missing"),
        ("store/keyspaces/0", "the keyspace \"log\" is missing"),
        (
            "store/keyspaces/1/current",
            "store/keyspaces/1/current cannot be read",
        ),
        ("store/keyspaces/2", "is missing"),
        ("store/version", "store/version cannot be read"),
        ("durable.*", "durable.a and durable.b, are missing"),
    ];
    for (part, named) in removed {
        let copy = rig::copied(&folder.0, "missing-part");
        for path in match part {
            "durable.*" => vec![copy.0.join("durable.a"), copy.0.join("durable.b")],
            part => vec![copy.0.join(part)],
        } {
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap()
            } else {
                std::fs::remove_file(path).unwrap()
            }
        }
        let error = rig::open(&copy.0).unwrap_err();
        assert_eq!(error.exit().code(), 65, "{part}: {error}");
        assert!(error.to_string().contains(named), "{part}: {error}");
    }
}

#[test]
fn d30_looking_changes_no_byte() {
    let (folder, before) = rig::filled("looked-at");
    let runtime = rig::runtime();
    runtime.block_on(look(&folder, before));
}

async fn look(folder: &Folder, before: Seen) {
    let options = rig::options();
    let hashed = hashes(&folder.0);
    let bus = Bus::inspect_folder(&folder.0, &options).await.unwrap();
    assert_eq!(rig::see(&bus).await, before);
    let refused = bus.append("in.0.room".to_owned(), "x".into()).await;
    assert!(refused.is_err(), "it is open for reading only");
    drop(bus);
    assert_eq!(hashes(&folder.0), hashed);

    rig::damage_an_entry(&folder.0);
    let hashed = hashes(&folder.0);
    let error = Bus::inspect_folder(&folder.0, &options).await.unwrap_err();
    assert_eq!(error.exit().code(), 65, "{error}");
    assert_eq!(hashes(&folder.0), hashed);
    let accept = crate::bus::BusOptions {
        accept_loss: true,
        ..options
    };
    let bus = Bus::inspect_folder(&folder.0, &accept).await.unwrap();
    let seen = rig::see(&bus).await;
    assert!((60..80).contains(&seen.log.len()), "{}", seen.log.len());
    drop(bus);
    assert_eq!(hashes(&folder.0), hashed);
}

#[test]
fn d30_a_journal_that_ends_at_any_border_of_its_batches_is_seen() {
    let (folder, before) = rig::filled("borders");
    let bytes = std::fs::read(rig::journal(&folder.0)).unwrap();
    let ends = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, bytes)| bytes == b"FJL\x03");
    let ends: Vec<_> = ends.map(|(at, _)| at + 4).collect();
    let last = *ends.last().unwrap();
    assert!(ends.len() > 10, "{} batches", ends.len());
    for end in [0].into_iter().chain(ends) {
        let copy = rig::copied(&folder.0, "borders-cut");
        let file = std::fs::File::options()
            .write(true)
            .open(rig::journal(&copy.0));
        file.unwrap().set_len(end as u64).unwrap();
        let what = format!("cut at {end} of {last}");
        assert_eq!(is_seen(&copy, &before, &what), end < last, "{what}");
    }
}

#[test]
fn d30_files_that_are_swapped_or_put_back_are_seen() {
    let (folder, _) = rig::filled("swapped");
    let older = rig::copied(&folder.0, "swapped-older");
    let runtime = rig::runtime();
    let bus = rig::open(&folder.0).unwrap();
    runtime.block_on(rig::fill(&bus, 4));
    rig::flush(&bus);
    runtime.block_on(rig::fill(&bus, 5));
    let before = runtime.block_on(rig::see(&bus));
    drop(bus);
    let name = |path: &Path| path.strip_prefix(&folder.0).unwrap().to_owned();
    let names: Vec<_> = files(&folder.0).iter().map(|path| name(path)).collect();
    let read = |dir: &Path, name: &Path| std::fs::read(dir.join(name)).unwrap_or_default();
    let mut tried = 0;
    for (i, one) in names.iter().enumerate() {
        let was = read(&older.0, one);
        if !was.is_empty() && was != read(&folder.0, one) {
            let copy = rig::copied(&folder.0, "swapped-back");
            std::fs::write(copy.0.join(one), was).unwrap();
            is_seen(&copy, &before, &format!("an older {}", one.display()));
            tried += 1;
        }
        for other in &names[i + 1..] {
            if read(&folder.0, one) == read(&folder.0, other) {
                continue;
            }
            let copy = rig::copied(&folder.0, "swapped-pair");
            std::fs::write(copy.0.join(one), read(&folder.0, other)).unwrap();
            std::fs::write(copy.0.join(other), read(&folder.0, one)).unwrap();
            let what = format!("{} and {}", one.display(), other.display());
            is_seen(&copy, &before, &format!("swapped {what}"));
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
    // The whole store of a backup, without its record.
    let copy = rig::copied(&folder.0, "swapped-store");
    std::fs::remove_dir_all(copy.0.join("store")).unwrap();
    std::fs::rename(older.0.join("store"), copy.0.join("store")).unwrap();
    assert!(is_seen(&copy, &before, "an older store"));
}
