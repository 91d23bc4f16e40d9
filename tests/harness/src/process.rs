//! The programs of this workspace as processes.
//!
//! `try_…`, `launch` and `relaunch` return errors, for tools. The other methods panic, for tests.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::child::{Child, Streams};
use crate::error::RigError;
use crate::log::Log;
use crate::ports::Port;
use crate::programs;

/// The most time for a process to become ready or to end.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The program, arguments and environment of a process.
#[derive(Debug, Clone)]
pub struct Start {
    /// The name in error texts and in the log's file name.
    name: &'static str,
    /// The workspace's program; `None` is `grandstand`.
    program: Option<&'static str>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    own_group: bool,
    logs: Option<PathBuf>,
    streams: Streams,
    open_files: Option<u32>,
}

impl Start {
    /// `grandstand` with a subcommand.
    pub fn grandstand(subcommand: &str) -> Self {
        Self::new("grandstand", None).arg(subcommand)
    }

    /// `grandstand worker`.
    pub fn worker() -> Self {
        Self::new("grandstand-worker", None).arg("worker")
    }

    /// `grandstand edge`.
    pub fn edge() -> Self {
        Self::new("grandstand-edge", None).arg("edge")
    }

    /// Another program of the workspace.
    pub fn program(name: &'static str) -> Self {
        Self::new(name, Some(name))
    }

    fn new(name: &'static str, program: Option<&'static str>) -> Self {
        Self {
            name,
            program,
            arguments: Vec::new(),
            environment: Vec::new(),
            own_group: false,
            logs: None,
            streams: Streams::default(),
            open_files: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl ToString) -> Self {
        self.arguments.push(argument.to_string());
        self
    }

    /// Adds a flag and its value.
    #[must_use]
    pub fn flag(self, name: &str, value: impl ToString) -> Self {
        self.arg(name).arg(value)
    }

    /// Gives a flag that is there another value.
    #[must_use]
    pub fn replace_flag(mut self, name: &str, value: impl ToString) -> Self {
        if let Some(at) = self.arguments.iter().position(|argument| argument == name) {
            self.arguments[at + 1] = value.to_string();
        }
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// Puts the process into a process group of its own, so that Ctrl-C on the terminal does not reach it.
    #[must_use]
    pub fn own_group(mut self) -> Self {
        self.own_group = true;
        self
    }

    /// Sets the folder of the log.
    #[must_use]
    pub fn logs(mut self, dir: &Path) -> Self {
        self.logs = Some(dir.to_owned());
        self
    }

    /// Sends standard output somewhere else than to the log.
    #[must_use]
    pub fn stdout(mut self, to: impl Into<OwnedFd>) -> Self {
        self.streams.stdout = Some(Arc::new(to.into()));
        self
    }

    /// Sends standard error somewhere else than to the log.
    #[must_use]
    pub fn stderr(mut self, to: impl Into<OwnedFd>) -> Self {
        self.streams.stderr = Some(Arc::new(to.into()));
        self
    }

    /// Limits the number of open files.
    #[must_use]
    pub fn open_files(mut self, limit: u32) -> Self {
        self.open_files = Some(limit);
        self
    }

    fn command(&self) -> Result<Command, RigError> {
        let program = match self.program {
            Some(name) => programs::find(name)?,
            None => programs::grandstand()?,
        };
        let mut command = match self.open_files {
            None => Command::new(program),
            Some(limit) => {
                let mut command = Command::new("sh");
                let script = r#"ulimit -n "$0" && exec "$@""#;
                command
                    .args(["-c", script, &limit.to_string()])
                    .arg(program);
                command
            }
        };
        // Variables for a developer's own server must not reach the processes of tests.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GRANDSTAND_") {
                command.env_remove(name);
            }
        }
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    fn spawn(&self) -> Result<Child, RigError> {
        let log = Log::new(self.name, self.logs.as_deref())?;
        let command = self.command()?;
        let streams = self.streams.clone();
        Child::spawn_with(command, self.name, log, self.own_group, streams)
    }

    /// Runs the process until it ends.
    ///
    /// # Panics
    /// If it cannot be started or does not end in time.
    pub async fn output(&self) -> Output {
        let ended = self.try_output(PATIENCE).await;
        ended.unwrap_or_else(|e| panic!("{e}"))
    }

    /// Runs the process until it ends.
    ///
    /// # Errors
    /// If it cannot be started, or does not end in time.
    pub async fn try_output(&self, patience: Duration) -> Result<Output, RigError> {
        let mut child = self.spawn()?;
        let Some(status) = child.try_ended(patience).await else {
            return Err(RigError::NotEnded {
                program: self.name.to_owned(),
                log: child.log_tail(),
            });
        };
        Ok(Output {
            code: status.code(),
            text: child.log_text(),
        })
    }
}

/// The result of a process that has ended.
#[derive(Debug)]
pub struct Output {
    /// The exit code; `None` if a signal ended the process.
    pub code: Option<i32>,
    /// The output on stdout and stderr.
    pub text: String,
}

/// A program as a process with its ports.
#[derive(Debug)]
pub struct Process {
    start: Start,
    child: Child,
    listen: Option<Port>,
    admin: Port,
}

impl Process {
    /// Starts the process on ports of its own, without waiting until it is ready. `listens` says whether it has a port
    /// for clients.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn launch(start: Start, listens: bool) -> Result<Self, RigError> {
        let listen = listens.then(Port::try_take).transpose()?;
        let admin = Port::try_take()?;
        let mut start = start.flag("--admin", admin.address());
        if let Some(listen) = &listen {
            start = start.flag("--listen", listen.address());
        }
        Ok(Self {
            child: start.spawn()?,
            start,
            listen,
            admin,
        })
    }

    /// Starts the process as [`Self::launch`] does and waits until it is ready.
    ///
    /// # Errors
    /// If it cannot be started, ends, or does not become ready in time.
    pub async fn try_start(start: Start, listens: bool) -> Result<Self, RigError> {
        let mut process = Self::launch(start, listens)?;
        process.try_ready(PATIENCE).await?;
        Ok(process)
    }

    /// Starts the process as [`Self::try_start`] does.
    ///
    /// # Panics
    /// If it cannot be started, ends, or does not become ready in time.
    pub async fn start(start: Start, listens: bool) -> Self {
        let started = Self::try_start(start, listens).await;
        started.unwrap_or_else(|e| panic!("{e}"))
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        self.listen
            .as_ref()
            .expect("the process has a port for clients")
            .address()
    }

    /// The address of the admin port.
    pub fn admin(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Waits for the process to end.
    ///
    /// # Panics
    /// If it does not end in time.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = self.child.try_ended(PATIENCE).await;
        status.unwrap_or_else(|| panic!("{} does not end in time", self.start.name))
    }

    /// Starts the process again on the same ports, without waiting until it is ready. Kills it first if it still runs.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn relaunch(&mut self) -> Result<(), RigError> {
        self.child.respawn(self.start.command()?)
    }

    /// Starts the program once more, on the same ports, beside the process. The new process takes its place here; returns
    /// the earlier one, which runs on. `change` may change how it is started.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start_beside(&mut self, change: impl FnOnce(Start) -> Start) -> Result<Child, RigError> {
        self.start = change(self.start.clone());
        Ok(std::mem::replace(&mut self.child, self.start.spawn()?))
    }

    /// Puts an earlier process back into its place. Returns the one that had it.
    pub fn put_back(&mut self, earlier: Child) -> Child {
        std::mem::replace(&mut self.child, earlier)
    }

    /// Starts the process again on the same ports and waits until it is ready.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn restart(&mut self) {
        self.relaunch().unwrap_or_else(|e| panic!("{e}"));
        let ready = self.try_ready(PATIENCE).await;
        ready.unwrap_or_else(|e| panic!("{e}"));
    }

    /// Waits until the process is ready.
    ///
    /// # Errors
    /// If it ends first or does not become ready in time.
    pub async fn try_ready(&mut self, patience: Duration) -> Result<(), RigError> {
        let admin = self.admin();
        self.child
            .wait_ready(patience, async || is_ready(admin).await)
            .await
    }

    /// Whether `/ready` says that the process is ready.
    pub async fn is_ready(&self) -> bool {
        is_ready(self.admin()).await
    }

    /// The status and text of `/health`; `None` if there is no answer.
    pub async fn health(&self) -> Option<(u16, String)> {
        get(self.admin.address(), "/health?format=text").await
    }

    /// Injects a fault into a part of the process: `panic`, `return` or `hang`. The process needs the variable
    /// `GRANDSTAND_FAULTS`.
    ///
    /// # Panics
    /// If it takes no faults.
    pub async fn inject(&self, how: &str, part: &str) {
        let answer = get(self.admin.address(), &format!("/fault/{how}/{part}")).await;
        let taken = answer.is_some_and(|(status, _)| status == 200);
        assert!(taken, "{} takes no faults", self.start.name);
    }

    /// A metric, summed over its labels unless the name has some, as `name{label="value"}`; `None` if the process does
    /// not answer or has no such metric.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let has_labels = name.contains('{');
        let (_, text) = get(self.admin.address(), "/metrics").await?;
        let lines = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let series = if has_labels {
                series
            } else {
                series.split('{').next()?
            };
            (series == name).then(|| value.parse::<f64>().ok())?
        });
        lines.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
    }
}

impl Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.child
    }
}

async fn is_ready(admin: SocketAddr) -> bool {
    let answer = get(admin, "/ready").await;
    answer.is_some_and(|(status, _)| status == 200)
}

/// Sends a GET request; returns the status and body, `None` if the server does not answer.
pub async fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let asking = async {
        let mut stream = tokio::net::TcpStream::connect(address).await.ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Some((status, body.to_owned()))
    };
    let answer = tokio::time::timeout(Duration::from_secs(2), asking).await;
    answer.ok().flatten()
}
