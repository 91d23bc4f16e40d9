//! The second record of what the folder holds: two copies beside the store, written in turn.
//!
//! A copy is written after its commit is durable and before the commit is acked. Therefore the store never has less than
//! the newer copy says, wherever the process or the machine stops; if it does, something was lost (D30). A crash in the
//! middle of a write breaks one copy and leaves the other. Copies reach the disk once a second and at the end; after a
//! power cut they may be older than the store, which is no damage.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use crate::bus::embedded::format::number;
use crate::bus::embedded::marks::{BucketMark, Marks, StreamMark, Tally};

/// The files of the copies.
pub(super) const COPIES: [&str; 2] = ["durable.a", "durable.b"];
/// The begin of a copy, with the version of its format.
const MAGIC: &[u8; 8] = b"GSDUR\0\0\x01";
/// The numbers before those of streams and buckets.
const HEADER: usize = 5;
/// The most bytes that are read of a copy.
const MAX_BYTES: u64 = 4 << 20;

/// A copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copy {
    /// The number of the write. The copy with the higher one is the newer one.
    turn: u64,
    /// The time of the log.
    pub(super) time_ms: u64,
    pub(super) marks: Marks,
}

/// The copies of a folder.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// The newer of the copies that can be read.
    pub(super) newest: Option<Copy>,
    /// Whether there is any copy, readable or not.
    pub(super) exist: bool,
    /// The names of copies that cannot be read.
    pub(super) broken: Vec<&'static str>,
}

/// The open copies.
#[derive(Debug)]
pub(super) struct Record {
    files: [File; 2],
    turn: u64,
    /// The commit of the last write.
    written: u64,
    /// Whether there are writes that may not have reached the disk.
    unsynced: bool,
}

impl Copy {
    fn encode(turn: u64, time_ms: u64, marks: &Marks) -> Vec<u8> {
        let counts = [marks.streams.len() as u64, marks.buckets.len() as u64];
        let header = [turn, time_ms, marks.commit, counts[0], counts[1]];
        let streams = marks.streams.iter().flat_map(|stream| {
            let StreamMark {
                created_ms,
                last,
                entries,
            } = *stream;
            [created_ms, last, entries.count, entries.sum]
        });
        let buckets = marks
            .buckets
            .iter()
            .flat_map(|bucket| [bucket.last, bucket.keys.count, bucket.keys.sum]);
        let mut bytes = MAGIC.to_vec();
        let numbers = header.into_iter().chain(streams).chain(buckets);
        bytes.extend(numbers.flat_map(u64::to_be_bytes));
        bytes.extend(xxh3_64(&bytes).to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let numbers = bytes.strip_prefix(MAGIC)?;
        let streams = number(numbers, 3)?;
        let buckets = number(numbers, 4)?;
        let count = streams
            .checked_mul(4)?
            .checked_add(buckets.checked_mul(3)?)?;
        let count = HEADER.checked_add(usize::try_from(count).ok()?)?;
        let end = MAGIC.len().checked_add(count.checked_mul(8)?)?;
        let checksum = u64::from_be_bytes(bytes.get(end..)?.try_into().ok()?);
        if checksum != xxh3_64(&bytes[..end]) {
            return None;
        }
        let at = |i: usize| number(numbers, i);
        let tally = |i| {
            Some(Tally {
                count: at(i)?,
                sum: at(i + 1)?,
            })
        };
        let buckets_at = HEADER + streams as usize * 4;
        let stream = |i: usize| {
            Some(StreamMark {
                created_ms: at(i)?,
                last: at(i + 1)?,
                entries: tally(i + 2)?,
            })
        };
        let bucket = |i: usize| {
            Some(BucketMark {
                last: at(i)?,
                keys: tally(i + 1)?,
            })
        };
        let marks = Marks {
            commit: at(2)?,
            streams: (HEADER..buckets_at)
                .step_by(4)
                .map(stream)
                .collect::<Option<_>>()?,
            buckets: (buckets_at..count)
                .step_by(3)
                .map(bucket)
                .collect::<Option<_>>()?,
        };
        Some(Self {
            turn: at(0)?,
            time_ms: at(1)?,
            marks,
        })
    }
}

impl Copies {
    /// Reads the copies in `dir`.
    ///
    /// # Errors
    /// If a file is there and cannot be read.
    pub(super) fn read(dir: &Path) -> io::Result<Self> {
        let mut copies = Self::default();
        for name in COPIES {
            let mut bytes = Vec::new();
            match File::open(dir.join(name)) {
                Ok(file) => {
                    copies.exist = true;
                    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            match Copy::decode(&bytes) {
                None => copies.broken.push(name),
                Some(copy) => {
                    let newest = copies.newest.take().filter(|other| other.turn > copy.turn);
                    copies.newest = newest.or(Some(copy));
                }
            }
        }
        Ok(copies)
    }
}

impl Record {
    /// Creates the copies in `dir`. Each is there as a whole or not at all.
    ///
    /// # Errors
    /// If a copy cannot be written.
    pub(super) fn create(dir: &Path, marks: &Marks, time_ms: u64) -> io::Result<()> {
        for (turn, name) in COPIES.into_iter().enumerate() {
            let new = dir.join("durable.new");
            let bytes = Copy::encode(turn as u64, time_ms, marks);
            let mut file = File::create(&new)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(new, dir.join(name))?;
        }
        File::open(dir)?.sync_all()
    }

    /// Opens the copies in `dir`, and writes both durably, the one that is not `newest` first.
    ///
    /// # Errors
    /// If a copy cannot be written.
    pub(super) fn open(
        dir: &Path,
        newest: Option<&Copy>,
        marks: &Marks,
        time_ms: u64,
    ) -> io::Result<Self> {
        let open = |name| {
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).write(true);
            options.open(dir.join(name))
        };
        let mut record = Self {
            files: [open(COPIES[0])?, open(COPIES[1])?],
            turn: newest.map_or(0, |copy| copy.turn),
            written: 0,
            unsynced: false,
        };
        for _ in COPIES {
            record.write(marks, time_ms)?;
            let length = Copy::encode(0, 0, marks).len() as u64;
            record.files[(record.turn % 2) as usize].set_len(length)?;
            record.unsynced = true;
            record.sync()?;
        }
        File::open(dir)?.sync_all()?;
        Ok(record)
    }

    /// Writes the copy whose turn it is.
    pub(super) fn write(&mut self, marks: &Marks, time_ms: u64) -> io::Result<()> {
        let turn = self.turn + 1;
        let bytes = Copy::encode(turn, time_ms, marks);
        let file = &self.files[(turn % 2) as usize];
        file.write_all_at(&bytes, 0)?;
        if marks.commit != self.written {
            self.unsynced = true;
        }
        (self.turn, self.written) = (turn, marks.commit);
        Ok(())
    }

    /// Waits until the writes of commits have reached the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.unsynced) {
            for file in &self.files {
                file.sync_data()?;
            }
        }
        Ok(())
    }
}
