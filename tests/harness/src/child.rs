//! A child process with its signals, its exit status and its log.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child as Spawned, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::time::Instant;

use crate::error::RigError;
use crate::log::Log;

/// Interval of the checks whether a process is ready.
const READY_INTERVAL: Duration = Duration::from_millis(20);

/// The output streams of a process; the log in place of `None`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams {
    pub(crate) stdout: Option<Arc<OwnedFd>>,
    pub(crate) stderr: Option<Arc<OwnedFd>>,
}

/// A child process, running or ended. Killed when dropped. If the test fails, the end of its log is shown.
#[derive(Debug)]
pub struct Child {
    /// The name in error texts.
    name: String,
    spawned: Spawned,
    status: Option<ExitStatus>,
    log: Log,
    own_group: bool,
    streams: Streams,
}

impl Child {
    /// Starts `command` and appends its output to `log`. With `own_group`, Ctrl-C on the terminal does not reach it.
    pub(crate) fn spawn(
        command: Command,
        name: impl Into<String>,
        log: Log,
        own_group: bool,
    ) -> Result<Self, RigError> {
        Self::spawn_with(command, name, log, own_group, Streams::default())
    }

    /// Starts a process like [`spawn`](Self::spawn), with other streams in place of the log.
    pub(crate) fn spawn_with(
        command: Command,
        name: impl Into<String>,
        log: Log,
        own_group: bool,
        streams: Streams,
    ) -> Result<Self, RigError> {
        let name = name.into();
        Ok(Self {
            spawned: spawn(command, &name, &log, own_group, &streams)?,
            name,
            status: None,
            log,
            own_group,
            streams,
        })
    }

    /// Starts `command` in place of this process, which is killed if it still runs. The log continues.
    pub(crate) fn respawn(&mut self, command: Command) -> Result<(), RigError> {
        self.kill9();
        self.spawned = spawn(
            command,
            &self.name,
            &self.log,
            self.own_group,
            &self.streams,
        )?;
        self.status = None;
        Ok(())
    }

    /// The process id, even after the process has ended.
    pub fn pid(&self) -> u32 {
        self.spawned.id()
    }

    /// The path of the log.
    pub fn log_path(&self) -> &Path {
        self.log.path()
    }

    /// The whole log.
    pub fn log_text(&self) -> String {
        self.log.text()
    }

    /// The last lines of the log.
    pub fn log_tail(&self) -> String {
        self.log.tail()
    }

    /// Keeps the log when this value is dropped.
    pub fn keep_log(&mut self) {
        self.log.keep();
    }

    /// Kills the process with SIGKILL, even while it is paused, and reaps it.
    pub fn kill9(&mut self) {
        if self.status.is_none() {
            // Fails only if the process has ended by itself.
            self.spawned.kill().ok();
            self.status = self.spawned.wait().ok();
        }
    }

    /// Sends SIGTERM.
    ///
    /// # Errors
    /// If the signal cannot be sent.
    pub fn try_term(&self) -> Result<(), RigError> {
        self.signal(Signal::TERM)
    }

    /// Sends SIGHUP, at which some programs read their configuration again.
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn hang_up(&self) {
        self.try_hang_up().unwrap_or_else(|e| panic!("{e}"));
    }

    /// Sends SIGHUP.
    ///
    /// # Errors
    /// If the signal cannot be sent.
    pub fn try_hang_up(&self) -> Result<(), RigError> {
        self.signal(Signal::HUP)
    }

    /// Sends SIGINT, at which PostgreSQL closes its connections and ends.
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn interrupt(&self) {
        let sent = self.signal(Signal::INT);
        sent.unwrap_or_else(|e| panic!("{e}"));
    }

    /// Sends SIGUSR2, which begins the lame duck mode of nats-server: it ends after a while and tells its clients so.
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn lame_duck(&self) {
        let sent = self.signal(Signal::USR2);
        sent.unwrap_or_else(|e| panic!("{e}"));
    }

    /// Pauses the process (SIGSTOP) and waits until it has stopped. Its connections stay open.
    ///
    /// # Errors
    /// If the signal cannot be sent.
    pub fn try_pause(&self) -> Result<(), RigError> {
        self.signal(Signal::STOP)?;
        if self.status.is_none() {
            // The threads stop a moment after the signal is sent. The status stays until the process is reaped.
            let states = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let _ = waitid(WaitId::Pid(Pid::from_child(&self.spawned)), states);
        }
        Ok(())
    }

    /// Resumes a paused process (SIGCONT).
    ///
    /// # Errors
    /// If the signal cannot be sent.
    pub fn try_resume(&self) -> Result<(), RigError> {
        self.signal(Signal::CONT)
    }

    /// Sends SIGTERM.
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn term(&self) {
        self.try_term().unwrap_or_else(|e| panic!("{e}"));
    }

    /// Pauses the process.
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn pause(&self) {
        self.try_pause().unwrap_or_else(|e| panic!("{e}"));
    }

    /// Resumes the process.
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn resume(&self) {
        self.try_resume().unwrap_or_else(|e| panic!("{e}"));
    }

    /// Sends a signal unless the process is known to have ended, because its id may have been reused.
    fn signal(&self, signal: Signal) -> Result<(), RigError> {
        if self.status.is_some() {
            return Ok(());
        }
        kill_process(Pid::from_child(&self.spawned), signal).map_err(|source| RigError::Signal {
            program: self.name.clone(),
            source: source.into(),
        })
    }

    /// The exit status; `None` while the process runs.
    pub fn status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.spawned.try_wait().ok().flatten();
        }
        self.status
    }

    /// Waits for the process to end; `None` if it still runs after `patience`.
    pub async fn try_ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.status() {
                return Some(status);
            }
            if Instant::now() >= deadline {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until `is_ready` is true. Fails if the process ends first, or after `patience`.
    pub(crate) async fn wait_ready(
        &mut self,
        patience: Duration,
        is_ready: impl AsyncFn() -> bool,
    ) -> Result<(), RigError> {
        let deadline = Instant::now() + patience;
        loop {
            self.check_running()?;
            if is_ready().await {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(self.not_ready());
            }
            tokio::time::sleep(READY_INTERVAL).await;
        }
    }

    /// Fails if the process has ended.
    pub(crate) fn check_running(&mut self) -> Result<(), RigError> {
        match self.status() {
            None => Ok(()),
            Some(status) => Err(RigError::Ended {
                program: self.name.clone(),
                status,
                log: self.log.tail(),
            }),
        }
    }

    /// The error of a process that does not become ready in time.
    pub(crate) fn not_ready(&self) -> RigError {
        RigError::NotReady {
            program: self.name.clone(),
            log: self.log.tail(),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill9();
    }
}

fn spawn(
    mut command: Command,
    name: &str,
    log: &Log,
    own_group: bool,
    streams: &Streams,
) -> Result<Spawned, RigError> {
    if own_group {
        command.process_group(0);
    }
    let failed = |source| RigError::Spawn {
        program: name.to_owned(),
        source,
    };
    let stream = |other: &Option<Arc<OwnedFd>>| match other {
        Some(other) => other.try_clone().map(Stdio::from).map_err(failed),
        None => Ok(log.append()?.into()),
    };
    command.stdin(Stdio::null());
    command.stdout(stream(&streams.stdout)?);
    command.stderr(stream(&streams.stderr)?);
    command.spawn().map_err(failed)
}
