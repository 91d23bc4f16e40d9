//! A working copy of a store, to look at it without changing it.
//!
//! Opening a store changes it: journals are cut, files are deleted, tables are merged. Therefore it is first opened in a
//! copy. Of journals the whole batches are copied; tables, which never change, are linked.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use crate::bus::embedded::journal::Journal;
use crate::bus::embedded::tables::{TABLES, TREES};

/// The folder of a working copy, removed when dropped.
#[derive(Debug)]
pub(super) struct CopyFolder(PathBuf);

impl CopyFolder {
    /// Copies `store` into the new folder `at`, without the trees `without`.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub(super) fn new(
        store: &Path,
        at: PathBuf,
        journals: &[Journal],
        without: &[u64],
    ) -> io::Result<Self> {
        std::fs::create_dir_all(&at)?;
        let copy = Self(at);
        for name in ["version", "lock"] {
            match std::fs::copy(store.join(name), copy.0.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && name == "lock" => {
                    File::create(copy.0.join(name)).map(|_| 0)?
                }
                copied => copied?,
            };
        }
        for journal in journals {
            let mut from = File::open(&journal.path)?;
            let mut to = File::create(copy.0.join(journal.name()))?;
            for (begin, end) in journal.readable() {
                from.seek(io::SeekFrom::Start(begin))?;
                io::copy(&mut (&from).take(end - begin), &mut to)?;
            }
        }
        for entry in std::fs::read_dir(store.join(TREES))? {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
            let id = name.to_str().and_then(|name| name.parse().ok());
            if !id.is_some_and(|id| without.contains(&id)) {
                copy_tree(&path, &copy.0.join(TREES).join(name))?;
            }
        }
        Ok(copy)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for CopyFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "cannot remove a working copy");
        }
    }
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let path = entry.path();
        let to = to.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            std::fs::copy(path, to)?;
        } else if entry.file_name() == TABLES {
            std::fs::create_dir_all(&to)?;
            for table in std::fs::read_dir(path.canonicalize()?)? {
                let table = table?;
                std::os::unix::fs::symlink(table.path(), to.join(table.file_name()))?;
            }
        } else {
            copy_tree(&path, &to)?;
        }
    }
    Ok(())
}
