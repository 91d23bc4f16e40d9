//! The programs of this workspace as processes.
//!
//! `try_…`, `launch` and `relaunch` return errors, for tools. The other methods panic, for tests.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::child::{Child, Log, Signal};
use crate::error::RigError;
use crate::ports::Port;
use crate::programs;

/// How long a process may take to become ready or to end.
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

    fn command(&self) -> Result<Command, RigError> {
        let mut command = Command::new(match self.program {
            Some(name) => programs::find(name)?,
            None => programs::grandstand()?,
        });
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

    fn log(&self) -> Result<Log, RigError> {
        Log::new(self.name, self.logs.as_deref())
    }

    fn spawn(&self, log: &Log) -> Result<Child, RigError> {
        Child::spawn(self.command()?, self.name, log.path(), self.own_group)
    }

    /// Runs the process until it ends.
    ///
    /// # Panics
    /// If it cannot be started or does not end in time.
    pub async fn output(&self) -> Output {
        let log = self.log().unwrap_or_else(|e| panic!("{e}"));
        let mut child = self.spawn(&log).unwrap_or_else(|e| panic!("{e}"));
        let Some(status) = child.wait(PATIENCE).await else {
            panic!("{} does not end in time", self.name);
        };
        Output {
            code: status.code(),
            text: log.text(),
        }
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

/// A program as a process, running or ended. Killed when dropped. If the test fails, the end of its log is shown.
#[derive(Debug)]
pub struct Process {
    start: Start,
    child: Child,
    log: Log,
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
        let log = start.log()?;
        Ok(Self {
            child: start.spawn(&log)?,
            start,
            log,
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

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
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

    /// Kills the process with SIGKILL, even while it is paused.
    pub fn kill9(&mut self) {
        self.child.kill9();
    }

    /// Sends SIGTERM.
    ///
    /// # Errors
    /// If the signal cannot be sent.
    pub fn try_term(&self) -> Result<(), RigError> {
        self.child.signal(Signal::TERM)
    }

    /// Pauses the process (SIGSTOP). Its connections stay open.
    ///
    /// # Errors
    /// If the signal cannot be sent.
    pub fn try_pause(&self) -> Result<(), RigError> {
        self.child.signal(Signal::STOP)
    }

    /// Resumes a paused process (SIGCONT).
    ///
    /// # Errors
    /// If the signal cannot be sent.
    pub fn try_resume(&self) -> Result<(), RigError> {
        self.child.signal(Signal::CONT)
    }

    /// As [`Self::try_term`].
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn term(&self) {
        self.try_term().unwrap_or_else(|e| panic!("{e}"));
    }

    /// As [`Self::try_pause`].
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn pause(&self) {
        self.try_pause().unwrap_or_else(|e| panic!("{e}"));
    }

    /// As [`Self::try_resume`].
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn resume(&self) {
        self.try_resume().unwrap_or_else(|e| panic!("{e}"));
    }

    /// The exit status; `None` while the process runs.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.child.ended()
    }

    /// Waits for the process to end; `None` if it still runs after `patience`.
    pub async fn try_ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        self.child.wait(patience).await
    }

    /// Waits for the process to end.
    ///
    /// # Panics
    /// If it does not end in time.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = self.child.wait(PATIENCE).await;
        status.unwrap_or_else(|| panic!("{} does not end in time", self.start.name))
    }

    /// Starts the process again on the same ports, without waiting until it is ready. Kills it first if it still runs.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn relaunch(&mut self) -> Result<(), RigError> {
        self.kill9();
        self.child = self.start.spawn(&self.log)?;
        Ok(())
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
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.ended() {
                return Err(RigError::Ended {
                    program: self.start.name.to_owned(),
                    status,
                    log: self.log.tail(),
                });
            }
            if self.is_ready().await {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(RigError::NotReady {
                    program: self.start.name.to_owned(),
                    log: self.log.tail(),
                });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether `/ready` says that the process is ready.
    pub async fn is_ready(&self) -> bool {
        let answer = get(self.admin.address(), "/ready").await;
        answer.is_some_and(|(status, _)| status == 200)
    }

    /// A metric, summed over its labels; `None` if the process does not answer or has no such metric.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = get(self.admin.address(), "/metrics").await?;
        let lines = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let series = series.split('{').next()?;
            (series == name).then(|| value.parse::<f64>().ok())?
        });
        lines.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
    }
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
