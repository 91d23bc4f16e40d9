//! Wall clocks of processes that differ from the machine's, by `faketime`.

use std::path::PathBuf;

use crate::error::RigError;
use crate::nats::TempDir;
use crate::process::Start;

/// The wall clock of one process or more. It can jump while they run; their monotonic clocks stay true.
#[derive(Debug)]
pub struct WallClock {
    library: PathBuf,
    dir: TempDir,
}

impl WallClock {
    /// Creates a wall clock that is `seconds` ahead.
    ///
    /// # Errors
    /// If `faketime` is not installed, or the file that says the time cannot be written.
    pub fn ahead(seconds: i64) -> Result<Self, RigError> {
        let clock = Self {
            library: library()?,
            dir: TempDir::try_new("clock")?,
        };
        clock.set_ahead(seconds)?;
        Ok(clock)
    }

    /// Makes the clock jump, so that it is `seconds` ahead.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn set_ahead(&self, seconds: i64) -> Result<(), RigError> {
        let file = self.file();
        let next = self.dir.path().join("next");
        // Renamed, so that no process reads half of it.
        std::fs::write(&next, format!("{seconds:+}\n"))
            .and_then(|()| std::fs::rename(&next, &file))
            .map_err(|source| RigError::file(&file, source))
    }

    /// Gives the process that `start` describes this wall clock.
    #[must_use]
    pub fn on(&self, start: Start) -> Start {
        start
            .env("LD_PRELOAD", self.library.display())
            .env("FAKETIME_TIMESTAMP_FILE", self.file().display())
            .env("FAKETIME_DONT_FAKE_MONOTONIC", 1)
            // The file is read again every second.
            .env("FAKETIME_CACHE_DURATION", 1)
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("time")
    }
}

/// Finds the library of `faketime`, which the loader puts in front of the system's clock.
fn library() -> Result<PathBuf, RigError> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten();
    let mut places: Vec<_> = folders
        .flatten()
        .map(|folder| folder.path().join("faketime"))
        .collect();
    places.push("/usr/lib/faketime".into());
    let mut found = places.iter().map(|place| place.join("libfaketimeMT.so.1"));
    found
        .find(|library| library.is_file())
        .ok_or(RigError::NoFaketime)
}
