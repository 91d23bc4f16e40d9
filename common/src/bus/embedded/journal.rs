//! Reads the store's journals without changing them.
//!
//! The store cuts a journal at the first byte that it cannot read, and drops all that follows. This reader tells an
//! unfinished write at the end, which a crash leaves behind, from damage (D30). The format is that of fjall 3:
//!
//! | part of a batch | bytes, little endian |
//! | --- | --- |
//! | start | 1, number of items (4), sequence (8) |
//! | item | 2, type (1), compression (1), keyspace (8), key's length (2), value's (4), stored value's (4), key, value |
//! | clear | 4, keyspace (8) |
//! | end | 3, xxh3 of the items (8), `FJL` 3 |

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

use crate::bus::embedded::format::{COMMIT, number};

const CHUNK: usize = 64 << 10;
/// The most by which the sequence of a batch can be higher than that of the one before.
const MAX_STEP: u64 = 1 << 24;
const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const TRAILER: &[u8] = b"FJL\x03";

/// A journal as it is in its file.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) path: PathBuf,
    /// The end of the last whole batch.
    pub(super) whole: u64,
    /// The first byte that cannot be read, if there is one.
    pub(super) fault: Option<JournalDamage>,
}

/// The place in a journal that cannot be read, and the reason.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JournalDamage {
    pub(super) at: u64,
    pub(super) why: &'static str,
    /// Begin and end of whole batches that follow. A write that was not finished has none.
    pub(super) later: Vec<(u64, u64)>,
}

/// A whole batch.
#[derive(Debug)]
struct Batch {
    end: usize,
    sequence: u64,
    /// The number of our commit, if it is one.
    commit: Option<u64>,
}

impl Journal {
    /// Begin and end of all that can be read.
    pub(super) fn readable(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let later = self.fault.iter().flat_map(|fault| &fault.later);
        [(0, self.whole)].into_iter().chain(later.copied())
    }

    /// The file's name.
    pub(super) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn scan(path: PathBuf, last: &mut Last) -> io::Result<Self> {
        let bytes = read_used(&path)?;
        let mut journal = Self {
            path,
            whole: 0,
            fault: None,
        };
        let mut at = 0;
        while at < bytes.len() && journal.fault.is_none() {
            match batch(&bytes, at).and_then(|batch| last.follow(&batch).map(|()| batch)) {
                Ok(batch) => {
                    at = batch.end;
                    journal.whole = at as u64;
                }
                Err(why) => {
                    let at = at as u64;
                    let later = later(&bytes, journal.whole as usize);
                    journal.fault = Some(JournalDamage { at, why, later });
                }
            }
        }
        Ok(journal)
    }
}

/// Reads all journals of a store, oldest first. The last one is written to.
///
/// # Errors
/// If one cannot be read.
pub(super) fn scan(store: &Path) -> io::Result<Vec<Journal>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(store)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jnl")
            && let Some(id) = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse::<u64>().ok())
        {
            found.push((id, path));
        }
    }
    found.sort();
    let mut last = Last::default();
    found
        .into_iter()
        .map(|(_, path)| Journal::scan(path, &mut last))
        .collect()
}

/// The numbers of the batch before.
#[derive(Debug, Default)]
struct Last {
    sequence: Option<u64>,
    commit: Option<u64>,
}

impl Last {
    /// Checks that a batch follows the one before.
    fn follow(&mut self, batch: &Batch) -> Result<(), &'static str> {
        let follows = |last| batch.sequence > last && batch.sequence - last < MAX_STEP;
        if !self.sequence.is_none_or(follows) {
            return Err("its sequence does not follow the one before");
        }
        if let (Some(last), Some(commit)) = (self.commit, batch.commit)
            && commit != last + 1
        {
            return Err("its commit does not follow the one before");
        }
        self.sequence = Some(batch.sequence);
        self.commit = batch.commit.or(self.commit);
        Ok(())
    }
}

/// The bytes of a file, without the zeros at its end. Journals are allocated in advance.
fn read_used(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    let mut chunk = vec![0; CHUNK];
    let nothing = vec![0; CHUNK];
    let mut zeros = 0;
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        if chunk[..read] == nothing[..read] {
            zeros += read;
        } else {
            bytes.resize(bytes.len() + zeros, 0);
            bytes.extend_from_slice(&chunk[..read]);
            zeros = 0;
        }
    }
    let used = bytes.iter().rposition(|byte| *byte != 0);
    bytes.truncate(used.map_or(0, |last| last + 1));
    Ok(bytes)
}

/// Reads bytes in order.
struct Bytes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or("it is not complete")?;
        self.at += count;
        Ok(taken)
    }

    fn number(&mut self, bytes: usize) -> Result<u64, &'static str> {
        let taken = self.take(bytes)?;
        Ok(taken
            .iter()
            .rev()
            .fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }
}

/// Reads the batch that begins at `at`.
fn batch(bytes: &[u8], at: usize) -> Result<Batch, &'static str> {
    let mut reader = Bytes { bytes, at };
    if reader.number(1)? != u64::from(START) {
        return Err("there is no batch");
    }
    let items = reader.number(4)?;
    let sequence = reader.number(8)?;
    let begin = reader.at;
    let mut commit = None;
    for _ in 0..items {
        let tag = reader.number(1)?;
        if tag == u64::from(CLEAR) {
            reader.take(8)?;
            continue;
        }
        if tag != u64::from(ITEM) {
            return Err("it has other items than it says");
        }
        let kind = reader.number(1)?;
        let compression = reader.number(1)?;
        if kind > 2 || compression > 1 {
            return Err("it has an item of no known type");
        }
        reader.take(8)?;
        let key = reader.number(2)? as usize;
        let whole = reader.number(4)?;
        let stored = reader.number(4)? as usize;
        let key = reader.take(key)?;
        let value = reader.take(stored)?;
        if compression == 0 && whole != stored as u64 {
            return Err("it has an item with two lengths");
        }
        if key == COMMIT.as_bytes() {
            commit = number(value, 0);
        }
    }
    let mut hasher = Xxh3Default::new();
    hasher.update(&bytes[begin..reader.at]);
    if reader.number(1)? != u64::from(END) {
        return Err("it has other items than it says");
    }
    if reader.number(8)? != hasher.digest() || reader.take(4)? != TRAILER {
        return Err("its checksum does not match");
    }
    Ok(Batch {
        end: reader.at,
        sequence,
        commit,
    })
}

/// The whole batches from `from` on, wherever they begin.
fn later(bytes: &[u8], from: usize) -> Vec<(u64, u64)> {
    let mut at = from;
    let mut found = Vec::new();
    while let Some(rest) = bytes.get(at..)
        && let Some(start) = rest.iter().position(|byte| *byte == START)
    {
        let start = at + start;
        at = match batch(bytes, start) {
            Ok(batch) => {
                found.push((start as u64, batch.end as u64));
                batch.end
            }
            Err(_) => start + 1,
        };
    }
    found
}
