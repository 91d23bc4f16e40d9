//! A NATS server of a test's own.
//!
//! What is called `try_…`, `launch` and `relaunch` says what is wrong, for tools; the rest panics, for tests.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::child::{Child, Log, Signal, file_error};
use crate::error::RigError;
use crate::ports::Port;
use crate::programs;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(20);

/// A `nats-server` with JetStream, its own port and its own folder, running or ended. Killed when dropped.
#[derive(Debug)]
pub struct NatsServer {
    child: Child,
    port: Port,
    dir: TempDir,
    log: Log,
    apart: bool,
}

/// A folder of a test's own, below the system's folder for temporary files, deleted when dropped.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes one.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn new(name: &str) -> Self {
        Self::try_new(name).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Makes one.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn try_new(name: &str) -> Result<Self, RigError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let unique = format!("grandstand-{name}-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(unique);
        // What a process of the same number left behind.
        std::fs::remove_dir_all(&dir).ok();
        std::fs::create_dir_all(&dir).map_err(|source| file_error(&dir, source))?;
        Ok(Self(dir))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // Nobody is left who could do something about it.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// The server's program: `GRANDSTAND_NATS_SERVER`, or `nats-server` in `PATH`.
///
/// # Panics
/// If it cannot be run.
pub fn program() -> PathBuf {
    programs::find_nats().unwrap_or_else(|e| panic!("{e}"))
}

impl NatsServer {
    /// Starts one and waits until it answers.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn start() -> Self {
        let started = Self::try_start(false, None).await;
        started.unwrap_or_else(|e| panic!("{e}"))
    }

    /// Starts one and waits until it answers. `apart`: in a process group of its own, so that Ctrl-C on the terminal does
    /// not reach it. `logs`: the folder of its log, if it is not the usual one.
    ///
    /// # Errors
    /// If it cannot be started, ends, or does not answer in time.
    pub async fn try_start(apart: bool, logs: Option<&Path>) -> Result<Self, RigError> {
        let dir = TempDir::try_new("nats")?;
        let port = Port::try_take()?;
        let log = Log::new("nats-server", logs)?;
        let mut server = Self {
            child: spawn(dir.path(), &port, &log, apart)?,
            port,
            dir,
            log,
            apart,
        };
        server.try_ready(START).await?;
        Ok(server)
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("nats://{}", self.port.address())
    }

    /// Where that is.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.pid()
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

    /// Starts it again, on the same port and with the same folder, after [`kill9`](Self::kill9) if it still runs, and
    /// does not wait until it answers.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn relaunch(&mut self) -> Result<(), RigError> {
        self.kill9();
        self.child = spawn(self.dir.path(), &self.port, &self.log, self.apart)?;
        Ok(())
    }

    /// Starts it again as [`Self::relaunch`] does, and waits until it answers.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn restart(&mut self) {
        self.relaunch().unwrap_or_else(|e| panic!("{e}"));
        let ready = self.try_ready(START).await;
        ready.unwrap_or_else(|e| panic!("{e}"));
    }

    /// Starts it again with an empty folder.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn restart_wiped(&mut self) {
        self.kill9();
        std::fs::remove_dir_all(self.dir.path().join("store")).expect("the store can be removed");
        self.restart().await;
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// If it ends before, or does not answer in time.
    pub async fn try_ready(&mut self, patience: Duration) -> Result<(), RigError> {
        let deadline = Instant::now() + patience;
        let program = || "nats-server".to_owned();
        loop {
            if let Some(status) = self.child.ended() {
                return Err(RigError::Ended {
                    program: program(),
                    status,
                    log: self.log.tail(),
                });
            }
            if greets(&self.port).await {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(RigError::NotReady {
                    program: program(),
                    log: self.log.tail(),
                });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn spawn(dir: &Path, port: &Port, log: &Log, apart: bool) -> Result<Child, RigError> {
    let mut command = Command::new(programs::find_nats()?);
    let port = port.address().port().to_string();
    command
        .args(["--addr", "127.0.0.1", "--port", &port, "--jetstream"])
        .arg("--store_dir")
        .arg(dir.join("store"));
    Child::spawn(command, "nats-server", log.path(), apart)
}

/// Whether a NATS server greets there.
pub(crate) async fn greets(port: &Port) -> bool {
    use tokio::io::AsyncReadExt as _;
    let greeting = async {
        let mut stream = tokio::net::TcpStream::connect(port.address()).await?;
        let mut start = [0; 4];
        stream.read_exact(&mut start).await?;
        std::io::Result::Ok(start == *b"INFO")
    };
    matches!(
        tokio::time::timeout(Duration::from_secs(1), greeting).await,
        Ok(Ok(true))
    )
}
