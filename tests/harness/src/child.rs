//! A child process with its signals, its exit status and its log.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child as Spawned, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, kill_process};
use tokio::time::Instant;

use crate::error::RigError;
use crate::programs;

pub(crate) use rustix::process::Signal;

/// Lines of a log that are shown on failure.
const TAIL_LINES: usize = 60;

/// A child process, running or ended. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    spawned: Spawned,
    ended: Option<ExitStatus>,
}

impl Child {
    /// Starts `command` and appends its output to the file `log`. With `own_group`, Ctrl-C on the terminal does not reach
    /// it.
    pub(crate) fn spawn(
        mut command: Command,
        name: &str,
        log: &Path,
        own_group: bool,
    ) -> Result<Self, RigError> {
        if own_group {
            command.process_group(0);
        }
        let append = || append(log).map_err(|source| file_error(log, source));
        command.stdin(Stdio::null());
        command.stdout(append()?).stderr(append()?);
        let spawned = command.spawn().map_err(|source| RigError::Spawn {
            program: name.to_owned(),
            source,
        })?;
        Ok(Self {
            name: name.to_owned(),
            spawned,
            ended: None,
        })
    }

    /// The process id, even after the process has ended.
    pub(crate) fn pid(&self) -> u32 {
        self.spawned.id()
    }

    /// The exit status; `None` while the process runs.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.spawned.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Waits for the process to end; `None` if it still runs after `patience`.
    pub(crate) async fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Kills the process with SIGKILL and reaps it.
    pub(crate) fn kill9(&mut self) {
        if self.ended.is_none() {
            // Fails only if the process has ended by itself.
            self.spawned.kill().ok();
            self.ended = self.spawned.wait().ok();
        }
    }

    /// Sends a signal unless the process is known to have ended, because its id may have been reused.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), RigError> {
        if self.ended.is_some() {
            return Ok(());
        }
        kill_process(Pid::from_child(&self.spawned), signal).map_err(|source| RigError::Signal {
            program: self.name.clone(),
            source: source.into(),
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill9();
    }
}

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
        std::fs::create_dir_all(&dir).map_err(|source| file_error(&dir, source))?;
        let test = std::thread::current().name().unwrap_or("test").to_owned();
        let test = test.replace("::", ".");
        let pid = std::process::id();
        let path = dir.join(format!("{test}.{pid}.{number}.{program}.log"));
        Ok(Self { path, kept: false })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
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

pub(crate) fn file_error(path: &Path, source: io::Error) -> RigError {
    RigError::File {
        path: path.to_owned(),
        source,
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}
