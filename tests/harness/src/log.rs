//! The log of a process.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::RigError;
use crate::programs;

/// Lines of a log that are shown on failure.
const TAIL_LINES: usize = 60;

/// The file with a process's output.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    kept: bool,
}

impl Log {
    /// Names a new log file in `dir`, or in the usual folder if `dir` is `None`.
    pub(crate) fn new(program: &str, dir: Option<&Path>) -> Result<Self, RigError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = dir.map_or_else(programs::log_dir, Path::to_owned);
        std::fs::create_dir_all(&dir).map_err(|source| RigError::file(&dir, source))?;
        let test = std::thread::current().name().unwrap_or("test").to_owned();
        let test = test.replace("::", ".");
        let pid = std::process::id();
        let path = dir.join(format!("{test}.{pid}.{number}.{program}.log"));
        Ok(Self { path, kept: false })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file to append a process's output.
    pub(crate) fn append(&self) -> Result<File, RigError> {
        let opened = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path);
        opened.map_err(|source| RigError::file(&self.path, source))
    }

    /// Keeps the file when this value is dropped.
    pub(crate) fn keep(&mut self) {
        self.kept = true;
    }

    pub(crate) fn text(&self) -> String {
        let bytes = std::fs::read(&self.path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines.
    pub(crate) fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

impl Drop for Log {
    /// Shows the end of the log and keeps the file if the test fails.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- last lines of {}:\n{}",
                self.path.display(),
                self.tail()
            );
        } else if !self.kept {
            // A leftover file does no harm.
            std::fs::remove_file(&self.path).ok();
        }
    }
}
