//! The programs of this workspace, as processes.
//!
//! What is called `try_…`, `launch` and `relaunch` says what is wrong, for tools; the rest panics, for tests.

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

/// How long a process may take to become ready, or to end.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How a process is started.
#[derive(Debug, Clone)]
pub struct Start {
    /// The process in error texts, and in the name of its log.
    name: &'static str,
    /// The workspace's program, if it is not `grandstand`.
    program: Option<&'static str>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    apart: bool,
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
            apart: false,
            logs: None,
        }
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl ToString) -> Self {
        self.arguments.push(argument.to_string());
        self
    }

    /// With a flag and its value.
    #[must_use]
    pub fn flag(self, name: &str, value: impl ToString) -> Self {
        self.arg(name).arg(value)
    }

    /// With a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// In a process group of its own, so that Ctrl-C on the terminal does not reach it.
    #[must_use]
    pub fn apart(mut self) -> Self {
        self.apart = true;
        self
    }

    /// With its log in this folder.
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
        // What is set for a developer's own server is none of the tests'.
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
        Child::spawn(self.command()?, self.name, log.path(), self.apart)
    }

    /// Runs it to its end, which must come soon.
    ///
    /// # Panics
    /// If it cannot be started or does not end.
    pub async fn output(&self) -> Output {
        let log = self.log().unwrap_or_else(|e| panic!("{e}"));
        let mut child = self.spawn(&log).unwrap_or_else(|e| panic!("{e}"));
        let Some(status) = child.wait(PATIENCE).await else {
            panic!("{} does not end", self.name);
        };
        Output {
            code: status.code(),
            text: log.text(),
        }
    }
}

/// What a process said until its end.
#[derive(Debug)]
pub struct Output {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote, to stdout and stderr.
    pub text: String,
}

/// A program as a process, running or ended. Killed when dropped; the end of its log is shown if the test fails.
#[derive(Debug)]
pub struct Process {
    start: Start,
    child: Child,
    log: Log,
    listen: Option<Port>,
    admin: Port,
}

impl Process {
    /// Starts it on ports of its own, and does not wait until it is ready. `listens` says whether it has a port for
    /// clients.
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

    /// Starts it as [`Self::launch`] does, and waits until it is ready.
    ///
    /// # Errors
    /// If it cannot be started, ends, or does not become ready in time.
    pub async fn try_start(start: Start, listens: bool) -> Result<Self, RigError> {
        let mut process = Self::launch(start, listens)?;
        process.try_ready(PATIENCE).await?;
        Ok(process)
    }

    /// As [`Self::try_start`].
    ///
    /// # Panics
    /// Where that fails.
    pub async fn start(start: Start, listens: bool) -> Self {
        let started = Self::try_start(start, listens).await;
        started.unwrap_or_else(|e| panic!("{e}"))
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.listen.as_ref().expect("it listens").address()
    }

    /// Its admin port.
    pub fn admin(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Where its log is.
    pub fn log_path(&self) -> &Path {
        self.log.path()
    }

    /// What it wrote.
    pub fn log_text(&self) -> String {
        self.log.text()
    }

    /// The end of what it wrote.
    pub fn log_tail(&self) -> String {
        self.log.tail()
    }

    /// Its log stays when this is dropped.
    pub fn keep_log(&mut self) {
        self.log.keep();
    }

    /// Kills it as `kill -9` does, also while it is paused.
    pub fn kill9(&mut self) {
        self.child.kill9();
    }

    /// Asks it to end.
    ///
    /// # Errors
    /// If it cannot be sent the signal.
    pub fn try_term(&self) -> Result<(), RigError> {
        self.child.signal(Signal::TERM)
    }

    /// Stops it from running for a while (SIGSTOP); its connections stay.
    ///
    /// # Errors
    /// If it cannot be sent the signal.
    pub fn try_pause(&self) -> Result<(), RigError> {
        self.child.signal(Signal::STOP)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// If it cannot be sent the signal.
    pub fn try_resume(&self) -> Result<(), RigError> {
        self.child.signal(Signal::CONT)
    }

    /// As [`Self::try_term`].
    ///
    /// # Panics
    /// Where that fails.
    pub fn term(&self) {
        self.try_term().unwrap_or_else(|e| panic!("{e}"));
    }

    /// As [`Self::try_pause`].
    ///
    /// # Panics
    /// Where that fails.
    pub fn pause(&self) {
        self.try_pause().unwrap_or_else(|e| panic!("{e}"));
    }

    /// As [`Self::try_resume`].
    ///
    /// # Panics
    /// Where that fails.
    pub fn resume(&self) {
        self.try_resume().unwrap_or_else(|e| panic!("{e}"));
    }

    /// How it ended; `None` if it runs.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.child.ended()
    }

    /// Waits for its end; `None` if it does not come in time.
    pub async fn try_ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        self.child.wait(patience).await
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not come.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = self.child.wait(PATIENCE).await;
        status.unwrap_or_else(|| panic!("{} does not end", self.start.name))
    }

    /// Starts it again on the same ports, after [`kill9`](Self::kill9) if it still runs, and does not wait until it is
    /// ready.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn relaunch(&mut self) -> Result<(), RigError> {
        self.kill9();
        self.child = self.start.spawn(&self.log)?;
        Ok(())
    }

    /// Starts it again on the same ports, and waits until it is ready.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn again(&mut self) {
        self.relaunch().unwrap_or_else(|e| panic!("{e}"));
        let ready = self.try_ready(PATIENCE).await;
        ready.unwrap_or_else(|e| panic!("{e}"));
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// If it ends before, or does not become ready in time.
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

    /// Whether it says that it is ready.
    pub async fn is_ready(&self) -> bool {
        let answer = get(self.admin.address(), "/ready").await;
        answer.is_some_and(|(status, _)| status == 200)
    }

    /// One of its metrics, summed over its labels; `None` if it does not answer or has no such metric.
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

/// The status and body of what a server answers; `None` if it does not.
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
