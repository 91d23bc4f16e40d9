//! Continues without the data that a damaged folder has lost, if the operator accepts that (D30).
//!
//! All readable records are written to a new store in the folder `accepted`. Then the damaged files move to a folder of
//! their own, and the new ones take their places. If the process crashes in between, the next start finishes the move.
//! Sequences and revisions continue after the lost ones, so that none is used twice.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use grandstand_types::id::Partition;

use crate::bus::embedded::contents::walk;
use crate::bus::embedded::disk::Disk;
use crate::bus::embedded::examine::{Examined, STORE};
use crate::bus::embedded::format::{parse_entry, parse_log_key};
use crate::bus::embedded::kv::Value;
use crate::bus::embedded::marks::{Marks, checksum};
use crate::bus::embedded::record::{COPIES, Record};

const ACCEPTED: &str = "accepted";
/// In `accepted`: says that it is complete, and names the folder for the damaged files.
const COMPLETE: &str = "complete";

/// Returns a name that no file or folder in `dir` has.
fn free_name(dir: &Path) -> String {
    let mut number = 1;
    loop {
        let name = format!("damaged-{number}");
        if !dir.join(&name).exists() {
            return name;
        }
        number += 1;
    }
}

/// Replaces the store of `dir` by what can be read of it, and returns the folder with the damaged files.
///
/// # Errors
/// If the new store cannot be written. The folder is as it was then.
pub(super) fn accept(dir: &Path, found: &Examined, time_ms: u64) -> fjall::Result<PathBuf> {
    let accepted = dir.join(ACCEPTED);
    discard(&accepted)?;
    std::fs::create_dir(&accepted)?;
    let marks = rebuild(found, &accepted.join(STORE), time_ms)?;
    Record::create(&accepted, &marks, time_ms)?;
    let aside = free_name(dir);
    std::fs::create_dir(dir.join(&aside))?;
    let complete = accepted.join(COMPLETE);
    std::fs::write(&complete, &aside)?;
    for path in [&complete, &accepted, dir] {
        File::open(path)?.sync_all()?;
    }
    finish(dir)?;
    Ok(dir.join(aside))
}

/// Finishes what [`accept`] began before a crash, or undoes it.
///
/// # Errors
/// If a file cannot be moved.
pub(super) fn finish(dir: &Path) -> io::Result<()> {
    let accepted = dir.join(ACCEPTED);
    let aside = match std::fs::read_to_string(accepted.join(COMPLETE)) {
        Ok(aside) => dir.join(aside),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return discard(&accepted),
        Err(error) => return Err(error),
    };
    for name in [STORE, COPIES[0], COPIES[1]] {
        let new = accepted.join(name);
        let old = dir.join(name);
        let kept = aside.join(name);
        if !new.exists() {
            continue;
        }
        if old.exists() && !kept.exists() {
            std::fs::rename(&old, kept)?;
        }
        std::fs::rename(new, old)?;
    }
    for path in [dir, &aside] {
        File::open(path)?.sync_all()?;
    }
    discard(&accepted)
}

/// Removes a folder that may not be there.
fn discard(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Writes what could be read to a new store in `into`, and returns its marks.
///
/// # Errors
/// If the new store cannot be written.
pub(super) fn rebuild(found: &Examined, into: &Path, time_ms: u64) -> fjall::Result<Marks> {
    let options = &found.options;
    let new = Disk::open(into, 2)?.arranged(options);
    let contents = &found.contents;
    let mut marks = Marks::empty(contents.streams.len(), contents.buckets.len(), time_ms);
    let wanted = found.wanted().cloned().unwrap_or_default();
    marks.commit = wanted.commit + 1;
    for (i, mark) in marks.streams.iter_mut().enumerate() {
        let found = &contents.streams[i];
        let wanted = wanted.streams.get(i);
        let created_ms = wanted.map(|mark| mark.created_ms).or(found.created_ms);
        mark.created_ms = created_ms.unwrap_or(time_ms);
        mark.last = found.last.max(wanted.map_or(0, |mark| mark.last));
    }
    for (i, mark) in marks.buckets.iter_mut().enumerate() {
        let wanted = wanted.buckets.get(i).map_or(0, |mark| mark.last);
        mark.last = contents.buckets[i].last.max(wanted);
    }
    if let Some(old) = &found.disk {
        copy_log(old, &new, options.partitions, &mut marks)?;
        copy_buckets(old, &new, found, &mut marks)?;
    }
    new.begin(&marks, options.partitions)?;
    Ok(marks)
}

fn copy_log(old: &Disk, new: &Disk, partitions: u16, marks: &mut Marks) -> fjall::Result<()> {
    for partition in (0..partitions).map(Partition) {
        let tally = &mut marks.streams[new.stream_of(partition)].entries;
        let mut failed = None;
        // Unreadable entries were reported.
        let _ = walk(old.log(), &partition.0.to_be_bytes(), |key, value| {
            if failed.is_none() && parse_log_key(key).is_ok() && parse_entry(value).is_some() {
                tally.add(checksum(key, value));
                failed = new.log().insert(key, value).err();
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(())
}

fn copy_buckets(old: &Disk, new: &Disk, found: &Examined, marks: &mut Marks) -> fjall::Result<()> {
    for (bucket, contents) in found.contents.buckets.iter().enumerate() {
        for (name, record) in &contents.records {
            let key = old.bucket_key(bucket, name);
            let Ok(Some(index)) = old.index().get(&key) else {
                continue;
            };
            if record.value == Value::OnDisk {
                let Ok(Some(value)) = old.values().get(&key) else {
                    continue;
                };
                new.values().insert(key.clone(), value)?;
            }
            marks.buckets[bucket].keys.add(checksum(&key, &index));
            new.index().insert(key, index)?;
        }
    }
    Ok(())
}
