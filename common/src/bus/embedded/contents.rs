//! Reads all of a folder's records, and compares them with what the folder should hold (D30).

use std::sync::Arc;

use fjall::Keyspace;
use grandstand_types::id::Partition;
use xxhash_rust::xxh3::xxh3_64;

use crate::bus::embedded::disk::Disk;
use crate::bus::embedded::format::{COMMIT, Damaged, NO_ENTRY, number, parse_entry, parse_log_key};
use crate::bus::embedded::kv::{KeyRecord, Value};
use crate::bus::embedded::marks::{BucketMark, Marks, StreamMark, Tally, checksum};
use crate::bus::embedded::report::{Ranges, Report};
use crate::bus::embedded::state::table_names;
use crate::bus::options::BusOptions;

/// The contents of a folder.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) streams: Vec<StreamContents>,
    pub(super) buckets: Vec<BucketContents>,
    /// The latest time of an entry or a key.
    pub(super) latest_ms: u64,
    /// The marks of the last commit; `None` in folders of older versions, which have none.
    pub(super) marks: Option<Marks>,
}

/// The entries of a stream.
#[derive(Debug, Default)]
pub(super) struct StreamContents {
    /// The time at which the stream was created, if it is stored.
    pub(super) created_ms: Option<u64>,
    /// The last sequence that was stored or is marked as stored.
    pub(super) last: u64,
    /// The sequences, in order once all are read.
    pub(super) found: Vec<u64>,
    tally: Tally,
}

/// The keys of a bucket.
#[derive(Debug, Default)]
pub(super) struct BucketContents {
    name: String,
    /// The last revision that was stored or is marked as stored.
    pub(super) last: u64,
    pub(super) records: Vec<(Arc<str>, KeyRecord)>,
    tally: Tally,
}

/// Calls `each` with all records under a prefix. Behind a fault it reads from the other end.
pub(super) fn walk(
    keyspace: &Keyspace,
    prefix: &[u8],
    mut each: impl FnMut(&[u8], &[u8]),
) -> Result<(), fjall::Error> {
    let mut last = None;
    let mut fault = None;
    for entry in keyspace.prefix(prefix) {
        match entry.into_inner() {
            Ok((key, value)) => {
                each(&key, &value);
                last = Some(key);
            }
            Err(error) => {
                fault = Some(error);
                break;
            }
        }
    }
    let Some(fault) = fault else { return Ok(()) };
    for entry in keyspace.prefix(prefix).rev() {
        match entry.into_inner() {
            Ok((key, value)) if last.as_ref().is_none_or(|last| key > *last) => each(&key, &value),
            Ok(_) | Err(_) => break,
        }
    }
    Err(fault)
}

impl Contents {
    /// The contents of an empty folder.
    pub(super) fn empty(options: &BusOptions) -> Self {
        let mut contents = Self::default();
        let streams = usize::from(options.streams);
        contents
            .streams
            .resize_with(streams, StreamContents::default);
        let names = table_names(options).into_iter();
        contents.buckets.extend(names.map(|name| BucketContents {
            name,
            ..BucketContents::default()
        }));
        contents
    }

    /// Reads everything. Faults go to `report`.
    pub(super) fn read(disk: &Disk, options: &BusOptions, report: &mut Report) -> Self {
        let mut contents = Self::empty(options);
        contents.read_log(disk, options.partitions, report);
        for bucket in 0..contents.buckets.len() {
            contents.read_bucket(disk, bucket, report);
        }
        contents.read_marks(disk, report);
        contents
    }

    fn read_log(&mut self, disk: &Disk, partitions: u16, report: &mut Report) {
        let all = disk.log().range(log_end(partitions)..).next();
        if let Some(Ok(key)) = all.map(|entry| entry.key()) {
            let why = "belongs to a partition that does not exist";
            report.fault(Damaged::new("log", &key, why));
        }
        for partition in (0..partitions).map(Partition) {
            let stream = &mut self.streams[disk.stream_of(partition)];
            let latest_ms = &mut self.latest_ms;
            let walked = walk(disk.log(), &partition.0.to_be_bytes(), |key, value| {
                let seq = match parse_log_key(key) {
                    Ok((_, seq)) => seq,
                    Err(damaged) => return report.fault(damaged),
                };
                let Some((time_ms, ..)) = parse_entry(value) else {
                    return report.fault(Damaged::new("log", key, NO_ENTRY));
                };
                *latest_ms = time_ms.max(*latest_ms);
                stream.last = seq.max(stream.last);
                stream.found.push(seq);
                stream.tally.add(checksum(key, value));
            });
            if let Err(error) = walked {
                report.fault(format_args!(
                    "in \"log\" some entries cannot be read: {error}"
                ));
            }
        }
        for stream in &mut self.streams {
            stream.found.sort_unstable();
        }
    }

    fn read_bucket(&mut self, disk: &Disk, bucket: usize, report: &mut Report) {
        let prefix = disk.bucket_key(bucket, "");
        let latest_ms = &mut self.latest_ms;
        let contents = &mut self.buckets[bucket];
        let walked = walk(disk.index(), &prefix, |key, found| {
            match read_key(disk, &key[prefix.len()..], key, found) {
                Ok((name, record)) => {
                    *latest_ms = record.time_ms.max(*latest_ms);
                    contents.last = record.revision.max(contents.last);
                    contents.tally.add(record.checksum);
                    contents.records.push((name, record));
                }
                Err(fault) => report.fault(fault),
            }
        });
        if let Err(error) = walked {
            report.fault(format_args!(
                "in \"index\" some keys cannot be read: {error}"
            ));
        }
    }

    fn read_marks(&mut self, disk: &Disk, report: &mut Report) {
        let mut marks = Marks::default();
        let mut mark = |name: &str| match disk.meta().get(name) {
            Ok(found) => found,
            Err(error) => {
                report.fault(format_args!("in \"meta\" {name:?} cannot be read: {error}"));
                None
            }
        };
        let commit = mark(COMMIT).and_then(|found| number(&found, 0));
        let mut faults = Vec::new();
        for (stream, contents) in self.streams.iter_mut().enumerate() {
            let name = format!("stream.{stream}");
            let found = mark(&name);
            let at = |i| number(found.as_deref()?, i);
            contents.created_ms = at(0);
            contents.last = contents.last.max(at(1).unwrap_or(0));
            let wanted = if commit.is_some() { 4 } else { 2 };
            if found.is_some() && at(wanted - 1).is_none() {
                faults.push(Damaged::new("meta", name.as_bytes(), "is not numbers"));
            } else if found.is_none() && (commit.is_some() || !contents.found.is_empty()) {
                let why = "is missing, but there are entries of that stream";
                faults.push(Damaged::new("meta", name.as_bytes(), why));
            }
            marks.streams.push(StreamMark {
                created_ms: at(0).unwrap_or(0),
                last: at(1).unwrap_or(0),
                entries: tally(at(2), at(3)),
            });
        }
        for (bucket, contents) in self.buckets.iter_mut().enumerate() {
            let name = disk.bucket_mark(bucket);
            let found = mark(&name);
            let at = |i| number(found.as_deref()?, i);
            contents.last = contents.last.max(at(0).unwrap_or(0));
            let wanted = if commit.is_some() { 3 } else { 1 };
            if found.is_some() && at(wanted - 1).is_none() {
                faults.push(Damaged::new("meta", name.as_bytes(), "is not numbers"));
            }
            marks.buckets.push(BucketMark {
                last: at(0).unwrap_or(0),
                keys: tally(at(1), at(2)),
            });
        }
        faults.into_iter().for_each(|fault| report.fault(fault));
        if let Some(commit) = commit {
            marks.commit = commit;
            self.marks = Some(marks);
        }
    }

    /// The marks that fit what was found.
    pub(super) fn tallied(&self, commit: u64, now_ms: u64) -> Marks {
        let stream = |stream: &StreamContents| StreamMark {
            created_ms: stream.created_ms.unwrap_or(now_ms),
            last: stream.last,
            entries: stream.tally,
        };
        let bucket = |bucket: &BucketContents| BucketMark {
            last: bucket.last,
            keys: bucket.tally,
        };
        Marks {
            commit,
            streams: self.streams.iter().map(stream).collect(),
            buckets: self.buckets.iter().map(bucket).collect(),
        }
    }

    /// Reports what is missing or other than in `wanted`.
    pub(super) fn compare(&self, wanted: &Marks, report: &mut Report) {
        let mut differ = false;
        for (i, (found, wanted)) in self.streams.iter().zip(&wanted.streams).enumerate() {
            let count = wanted.entries.count;
            if found.tally == wanted.entries && found.last >= wanted.last {
                continue;
            }
            differ = true;
            let missing = Ranges::missing(&found.found, wanted.last);
            let gone = count.saturating_sub(found.tally.count);
            report.lost(if missing.is_empty() || gone == 0 {
                format!("entries of stream {i} that are not those that were stored")
            } else {
                format!("{gone} of the {count} entries of stream {i}, sequences {missing}")
            });
        }
        for (found, wanted) in self.buckets.iter().zip(&wanted.buckets) {
            if found.tally == wanted.keys && found.last >= wanted.last {
                continue;
            }
            differ = true;
            let name = &found.name;
            let count = wanted.keys.count;
            let last = found.last;
            let gone = count.saturating_sub(found.tally.count);
            report.lost(match wanted.last > last {
                true if gone == 0 => format!(
                    "the changes {} to {} of the bucket {name}",
                    last + 1,
                    wanted.last
                ),
                true => format!(
                    "{gone} of the {count} keys of the bucket {name}, and its changes {} to {}",
                    last + 1,
                    wanted.last
                ),
                false => {
                    format!("{gone} of the {count} keys of the bucket {name}, or their values")
                }
            });
        }
        if differ && !report.has_faults() {
            report.fault("the store does not hold what it should");
        }
    }
}

/// The first key after those of all partitions.
fn log_end(partitions: u16) -> [u8; 2] {
    partitions.to_be_bytes()
}

fn tally(count: Option<u64>, sum: Option<u64>) -> Tally {
    Tally {
        count: count.unwrap_or(0),
        sum: sum.unwrap_or(0),
    }
}

/// Reads a record of `index`, and checks that its value is there and whole.
fn read_key(
    disk: &Disk,
    name: &[u8],
    key: &[u8],
    found: &[u8],
) -> Result<(Arc<str>, KeyRecord), Damaged> {
    let damaged = |why| Damaged::new("index", key, why);
    let name = std::str::from_utf8(name).map_err(|_| damaged("has a key that is not text"))?;
    let (Some(revision), Some(time_ms), Some(until)) =
        (number(found, 0), number(found, 1), number(found, 2))
    else {
        return Err(damaged("is not three numbers"));
    };
    // Markers have no checksum, and those of older folders have no fourth number.
    let value = if until > 0 && number(found, 3).unwrap_or(0) == 0 {
        Value::Marker
    } else {
        match disk.values().get(key) {
            Ok(None) => return Err(damaged("has no value")),
            Err(_) => return Err(damaged("has a value that cannot be read")),
            Ok(Some(value)) if number(found, 3).is_some_and(|sum| sum != xxh3_64(&value)) => {
                return Err(damaged("has another value than was stored"));
            }
            Ok(Some(_)) => Value::OnDisk,
        }
    };
    let record = KeyRecord {
        revision,
        time_ms,
        value,
        expires_ms: until,
        checksum: checksum(key, found),
    };
    Ok((name.into(), record))
}
