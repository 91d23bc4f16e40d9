//! Looks at a folder without changing it: is everything there that was acked?

use std::fmt;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use grandstand_types::layout::Layout;

use crate::bus::connect_error::ConnectError;
use crate::bus::embedded::contents::{Contents, walk};
use crate::bus::embedded::copy::CopyFolder;
use crate::bus::embedded::disk::Disk;
use crate::bus::embedded::journal::{self, Journal, JournalDamage};
use crate::bus::embedded::marks::Marks;
use crate::bus::embedded::record::Copies;
use crate::bus::embedded::report::Report;
use crate::bus::embedded::tables::{self, TREES, TreeFaults};
use crate::bus::options::{BusOptions, bucket_name};
use crate::bus::types::Bucket;

/// The folder of the store in the data folder.
pub(super) const STORE: &str = "store";
const VERSION: &[u8] = b"FJL\x03";

/// The findings of an examination.
#[derive(Debug)]
pub(super) struct Examined {
    pub(super) report: Report,
    pub(super) record: Copies,
    pub(super) contents: Contents,
    /// With the streams and partitions of the store.
    pub(super) options: BusOptions,
    /// The store as it can be read, if it can be read at all. Dropped before its folder.
    pub(super) disk: Option<Disk>,
    pub(super) copy: Option<CopyFolder>,
    /// Journals that end in a write that was not finished, and where it begins.
    pub(super) unfinished: Vec<(PathBuf, u64)>,
}

/// The input of an examination.
#[derive(Debug, Clone, Copy)]
pub(super) struct Examination<'a> {
    /// The data folder.
    pub(super) dir: &'a Path,
    pub(super) options: &'a BusOptions,
    /// The path of the working copy.
    pub(super) copy_at: &'a Path,
}

impl Examination<'_> {
    /// The folder whose disk has the working copy, for messages.
    fn disk_of_copy(&self) -> &Path {
        self.copy_at.parent().unwrap_or(self.dir)
    }

    /// Examines the folder.
    ///
    /// # Errors
    /// If it cannot be read, or the store was made with other settings. Damage is no error here.
    pub(super) fn examine(&self, record: Copies) -> Result<Examined, ConnectError> {
        let store = self.dir.join(STORE);
        let mut found = Examined {
            report: Report::default(),
            contents: Contents::empty(self.options),
            options: self.options.clone(),
            record,
            disk: None,
            copy: None,
            unfinished: Vec::new(),
        };
        if !store.is_dir() {
            found.report.fault("the folder store is missing");
            found.compare();
            return Ok(found);
        }
        let failed = |cause| ConnectError::folder(self.dir, cause);
        let journals = journal::scan(&store).map_err(failed)?;
        let trees = found.check_files(&store, &journals);
        let without = trees.iter().filter(|tree| !tree.can_open);
        let without: Vec<_> = without.map(|tree| tree.id).collect();
        let copy = CopyFolder::new(&store, self.copy_at.to_owned(), &journals, &without);
        match copy {
            Ok(copy) => {
                found.read(&copy, self)?;
                found.copy = Some(copy);
            }
            // Missing files were reported above.
            Err(error) if error.kind() == io::ErrorKind::NotFound && found.report.has_faults() => {}
            Err(error) => return Err(ConnectError::folder(self.disk_of_copy(), error)),
        }
        found.judge_end(&journals);
        found.compare();
        Ok(found)
    }
}

impl Examined {
    fn check_files(&mut self, store: &Path, journals: &[Journal]) -> Vec<TreeFaults> {
        let report = &mut self.report;
        match std::fs::read(store.join("version")) {
            Ok(version) if version == VERSION => {}
            Ok(_) => report.fault("store/version is not that of a store"),
            Err(error) => report.fault(format_args!("store/version cannot be read: {error}")),
        }
        if journals.is_empty() {
            report.fault("the journal, store/*.jnl, is missing");
        }
        for (i, journal) in journals.iter().enumerate() {
            if let Some(fault) = &journal.fault
                && (!fault.later.is_empty() || i + 1 < journals.len())
            {
                report.fault(Broken { journal, fault });
            }
        }
        match tables::check(store) {
            Ok(trees) => {
                let faults = trees.iter().flat_map(|tree| &tree.faults);
                faults.for_each(|fault| report.fault(fault));
                trees
            }
            Err(error) => {
                report.fault(format_args!("store/{TREES} cannot be read: {error}"));
                Vec::new()
            }
        }
    }

    /// Opens the copy and reads it.
    fn read(
        &mut self,
        copy: &CopyFolder,
        examination: &Examination<'_>,
    ) -> Result<(), ConnectError> {
        // The store may panic at what it does not expect.
        let opened = catch_unwind(|| {
            let disk = Disk::open(copy.path(), 0)?;
            let layout = disk.layout()?;
            Ok((disk, layout))
        });
        let (disk, layout) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(fjall::Error::Io(error))) if error.kind() == io::ErrorKind::StorageFull => {
                return Err(ConnectError::folder(examination.disk_of_copy(), error));
            }
            Ok(Err(error)) => {
                self.report
                    .fault(format_args!("the store cannot be opened: {error}"));
                return Ok(());
            }
            Err(_) => {
                self.report.fault("the store cannot be opened: it panics");
                return Ok(());
            }
        };
        for name in disk.made() {
            self.report
                .fault(format_args!("the keyspace {name:?} is missing"));
        }
        self.take_layout(&disk, layout);
        let disk = disk.arranged(&self.options);
        let report = &mut self.report;
        let options = &self.options;
        let read = catch_unwind(AssertUnwindSafe(|| Contents::read(&disk, options, report)));
        match read {
            Ok(contents) => self.contents = contents,
            Err(_) => report.fault("the store cannot be read: it panics"),
        }
        self.disk = Some(disk);
        Ok(())
    }

    /// Takes the numbers of streams and partitions from the store, which keeps them, whatever is configured. If they are
    /// lost, the record and the leases show them: other numbers would put rooms into other partitions.
    fn take_layout(&mut self, disk: &Disk, stored: Option<(u64, u64)>) {
        let number = |n| u16::try_from(n).unwrap_or(u16::MAX);
        let stored = stored.map(|(streams, partitions)| (number(streams), number(partitions)));
        let layout = stored.map(|(streams, partitions)| Layout::new(partitions, streams));
        let layout = match layout.filter(Layout::is_valid) {
            Some(layout) => Some(layout),
            None => {
                let how = if stored.is_some() { "wrong" } else { "missing" };
                let layout = self.shown_layout(disk);
                let shown = match layout {
                    Some(Layout { partitions, .. }) => {
                        format!("the leases show {partitions} partitions")
                    }
                    None => {
                        let configured = self.options.partitions;
                        format!(
                            "nothing else shows the number of partitions; {configured} are configured"
                        )
                    }
                };
                self.report.fault(format_args!(
                    "in \"meta\" the record under \"layout\" is {how} ({shown})"
                ));
                layout
            }
        };
        if let Some(layout) = layout {
            self.options.streams = layout.streams;
            self.options.partitions = layout.partitions;
            self.contents = Contents::empty(&self.options);
        }
    }

    /// The layout as other records show it: the record beside the store has the streams, and each partition has a lease.
    fn shown_layout(&self, disk: &Disk) -> Option<Layout> {
        let record = self.record.newest.as_ref()?;
        let streams = u16::try_from(record.marks.streams.len()).ok()?;
        let bucket = bucket_name(&Layout::new(1, 1), Bucket::Leases);
        let prefix = [bucket.as_bytes(), &[0]].concat();
        let mut highest = None;
        // Keys that cannot be read are reported later.
        let _ = walk(disk.index(), &prefix, |key, _| {
            let name = std::str::from_utf8(&key[prefix.len()..]).ok();
            let partition = name.and_then(|name| name.parse::<u16>().ok());
            highest = highest.max(partition);
        });
        let layout = Layout::new(highest?.checked_add(1)?, streams);
        layout.is_valid().then_some(layout)
    }

    /// Tells a write that was not finished, which was never acked, from damage at the end of the last journal.
    fn judge_end(&mut self, journals: &[Journal]) {
        let Some(journal) = journals.last() else {
            return;
        };
        let Some(fault) = journal
            .fault
            .as_ref()
            .filter(|fault| fault.later.is_empty())
        else {
            return;
        };
        let acked = self.record.newest.as_ref();
        let acked = acked.map_or(0, |copy| copy.marks.commit);
        let stored = self.contents.marks.as_ref();
        if stored.map_or(0, |marks| marks.commit) >= acked {
            self.unfinished.push((journal.path.clone(), journal.whole))
        } else {
            self.report.fault(Broken { journal, fault })
        }
    }

    /// Compares what was found with the marks of the last commit and with the record.
    fn compare(&mut self) {
        let contents = &self.contents;
        let report = &mut self.report;
        let stored = contents.marks.as_ref();
        match (&self.record.newest, stored) {
            (None, _) if self.record.exist => {
                report.fault("both copies of the record, durable.a and durable.b, are damaged");
            }
            (None, Some(_)) => {
                report.fault("both copies of the record, durable.a and durable.b, are missing");
            }
            (Some(copy), None) if copy.marks.commit > 1 => {
                report.fault("the store has no commit");
            }
            (Some(copy), Some(stored)) if copy.marks.commit > stored.commit => {
                let acked = copy.marks.commit;
                let stored = stored.commit;
                report.fault(format_args!(
                    "the store ends with commit {stored}, but commit {acked} was acked"
                ));
            }
            (Some(copy), Some(stored))
                if copy.marks.commit == stored.commit && !copy.marks.agrees(stored) =>
            {
                report.fault("the store's last commit is another than the record's");
            }
            _ => {}
        }
        let copy = self.record.newest.as_ref().map(|copy| &copy.marks);
        if let Some(wanted) = later(copy, stored) {
            contents.compare(wanted, report);
        }
    }

    /// The marks that the folder should match: the later one of the record's newer copy and the store's own marks.
    pub(super) fn wanted(&self) -> Option<&Marks> {
        let copy = self.record.newest.as_ref().map(|copy| &copy.marks);
        later(copy, self.contents.marks.as_ref())
    }
}

fn later<'a>(copy: Option<&'a Marks>, stored: Option<&'a Marks>) -> Option<&'a Marks> {
    let copy = copy.filter(|copy| stored.is_none_or(|stored| copy.commit >= stored.commit));
    copy.or(stored)
}

/// A damaged journal, as text.
struct Broken<'a> {
    journal: &'a Journal,
    fault: &'a JournalDamage,
}

impl fmt::Display for Broken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.journal.name();
        let JournalDamage { at, why, later } = self.fault;
        write!(f, "store/{name} cannot be read from byte {at} on ({why})")?;
        match later.len() {
            0 => Ok(()),
            1 => f.write_str(", with one later change"),
            later => write!(f, ", with {later} later changes"),
        }
    }
}

/// Cuts the writes that were not finished. They were never acked.
///
/// # Errors
/// If a journal cannot be cut.
pub(super) fn cut(unfinished: &[(PathBuf, u64)]) -> io::Result<()> {
    for (path, whole) in unfinished {
        let file = File::options().write(true).open(path)?;
        let bytes = file.metadata()?.len() - whole;
        file.set_len(*whole)?;
        file.sync_all()?;
        tracing::info!(journal = %path.display(), bytes, "dropped a write that was not finished");
    }
    Ok(())
}
