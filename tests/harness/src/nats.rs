//! A NATS server for one test.
//!
//! `try_…`, `launch` and `relaunch` return errors, for tools. The other methods panic, for tests.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::child::Child;
use crate::error::RigError;
use crate::log::Log;
use crate::ports::Port;
use crate::programs;

const NAME: &str = "nats-server";
/// The configuration file in the server's folder.
const CONFIG: &str = "nats.conf";
/// The most time for a server to start.
const START: Duration = Duration::from_secs(20);

/// A `nats-server` with JetStream, a port and a folder of its own, running or ended. Killed when dropped.
#[derive(Debug)]
pub struct NatsServer {
    child: Child,
    port: Port,
    dir: TempDir,
    args: Vec<String>,
}

/// A folder in the system's temporary folder, deleted when dropped.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Creates the folder.
    ///
    /// # Panics
    /// If it cannot be created.
    pub fn new(name: &str) -> Self {
        Self::try_new(name).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Creates the folder.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn try_new(name: &str) -> Result<Self, RigError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let unique = format!("grandstand-{name}-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(unique);
        // A process with the same id may have left its folder behind.
        std::fs::remove_dir_all(&dir).ok();
        std::fs::create_dir_all(&dir).map_err(|source| RigError::file(&dir, source))?;
        Ok(Self(dir))
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // A leftover folder does no harm.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Returns the server's program: `GRANDSTAND_NATS_SERVER`, or `nats-server` in `PATH`.
///
/// # Panics
/// If it cannot be run.
pub fn program() -> PathBuf {
    programs::find_nats().unwrap_or_else(|e| panic!("{e}"))
}

impl NatsServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn start() -> Self {
        let started = Self::try_start(false, None).await;
        started.unwrap_or_else(|e| panic!("{e}"))
    }

    /// Starts a server with more arguments and waits until it answers.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn start_with(args: &[&str]) -> Self {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        let started = Self::launch_with(false, None, args, None).await;
        started.unwrap_or_else(|e| panic!("{e}"))
    }

    /// Starts a server with the text of a configuration file and waits until it answers.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn start_configured(config: &str) -> Self {
        let started = Self::launch_with(false, None, Vec::new(), Some(config)).await;
        started.unwrap_or_else(|e| panic!("{e}"))
    }

    /// Replaces the configuration file, and waits until the server has read it.
    ///
    /// # Panics
    /// If the file cannot be written, or the server does not report that it has read it.
    pub async fn reload(&self, config: &str) {
        let file = self.dir.path().join(CONFIG);
        std::fs::write(file, config).expect("the configuration can be written");
        let reloads = || {
            self.log_text()
                .matches("Reloaded server configuration")
                .count()
        };
        let before = reloads();
        self.child.hang_up();
        let deadline = tokio::time::Instant::now() + START;
        while reloads() == before {
            assert!(
                tokio::time::Instant::now() < deadline,
                "the server does not reload: {}",
                self.log_tail()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts a server and waits until it answers. With `own_group` it gets a process group of its own, so that Ctrl-C on
    /// the terminal does not reach it. `logs` is the folder of its log; `None` is the usual folder.
    ///
    /// # Errors
    /// If it cannot be started, ends, or does not answer in time.
    pub async fn try_start(own_group: bool, logs: Option<&Path>) -> Result<Self, RigError> {
        Self::launch_with(own_group, logs, Vec::new(), None).await
    }

    /// Starts a server as [`Self::try_start`] does, with the text of a configuration file.
    ///
    /// # Errors
    /// As [`Self::try_start`].
    pub async fn try_start_configured(
        own_group: bool,
        logs: Option<&Path>,
        config: Option<&str>,
    ) -> Result<Self, RigError> {
        Self::launch_with(own_group, logs, Vec::new(), config).await
    }

    async fn launch_with(
        own_group: bool,
        logs: Option<&Path>,
        mut args: Vec<String>,
        config: Option<&str>,
    ) -> Result<Self, RigError> {
        let dir = TempDir::try_new("nats")?;
        if let Some(config) = config {
            let file = dir.path().join(CONFIG);
            std::fs::write(&file, config).map_err(|source| RigError::file(&file, source))?;
            args.extend(["--config".to_owned(), file.display().to_string()]);
        }
        let port = Port::try_take()?;
        let log = Log::new(NAME, logs)?;
        let mut server = Self {
            child: Child::spawn(command(dir.path(), &port, &args)?, NAME, log, own_group)?,
            port,
            dir,
            args,
        };
        server.try_ready(START).await?;
        Ok(server)
    }

    /// The URL for clients.
    pub fn url(&self) -> String {
        format!("nats://{}", self.port.address())
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Starts the server again on the same port and with the same folder, without waiting until it answers. Kills it
    /// first if it still runs.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn relaunch(&mut self) -> Result<(), RigError> {
        let command = command(self.dir.path(), &self.port, &self.args)?;
        self.child.respawn(command)
    }

    /// Starts the server again as [`Self::relaunch`] does and waits until it answers.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn restart(&mut self) {
        self.relaunch().unwrap_or_else(|e| panic!("{e}"));
        let ready = self.try_ready(START).await;
        ready.unwrap_or_else(|e| panic!("{e}"));
    }

    /// Replaces the configuration file and tells the server to read it.
    ///
    /// # Errors
    /// If the file cannot be written or the signal cannot be sent.
    pub fn configure(&self, config: &str) -> Result<(), RigError> {
        let file = self.dir.path().join(CONFIG);
        std::fs::write(&file, config).map_err(|source| RigError::file(&file, source))?;
        self.child.try_hang_up()
    }

    /// Copies the store of the running server, as a snapshot of its disk does.
    ///
    /// # Panics
    /// If it cannot be copied.
    pub fn backup(&self) -> TempDir {
        self.try_backup().unwrap_or_else(|e| panic!("{e}"))
    }

    /// Copies the store of the running server, as a snapshot of its disk does.
    ///
    /// # Errors
    /// If it cannot be copied.
    pub fn try_backup(&self) -> Result<TempDir, RigError> {
        let copy = TempDir::try_new("nats-backup")?;
        self.try_pause()?;
        let copied = copy_dir(&self.dir.path().join("store"), copy.path());
        self.try_resume()?;
        copied.map_err(|source| RigError::file(copy.path(), source))?;
        Ok(copy)
    }

    /// Kills the server and starts it with the store of a backup, without waiting until it answers.
    ///
    /// # Errors
    /// If the store cannot be replaced or the server cannot be started.
    pub fn relaunch_from(&mut self, backup: &TempDir) -> Result<(), RigError> {
        self.kill9();
        let store = self.dir.path().join("store");
        std::fs::remove_dir_all(&store)
            .and_then(|()| copy_dir(backup.path(), &store))
            .map_err(|source| RigError::file(&store, source))?;
        self.relaunch()
    }

    /// Kills the server and starts it with the store of a backup.
    ///
    /// # Panics
    /// If the store cannot be replaced or the server does not start.
    pub async fn restart_from(&mut self, backup: &TempDir) {
        let relaunched = self.relaunch_from(backup);
        relaunched.unwrap_or_else(|e| panic!("{e}"));
        let ready = self.try_ready(START).await;
        ready.unwrap_or_else(|e| panic!("{e}"));
    }

    /// Starts the server again with an empty folder.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn restart_wiped(&mut self) {
        self.kill9();
        std::fs::remove_dir_all(self.dir.path().join("store")).expect("the store can be removed");
        self.restart().await;
    }

    /// Waits until the server answers.
    ///
    /// # Errors
    /// If it ends first or does not answer in time.
    pub async fn try_ready(&mut self, patience: Duration) -> Result<(), RigError> {
        let port = &self.port;
        self.child
            .wait_ready(patience, async || greets(port).await)
            .await
    }
}

impl Deref for NatsServer {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

impl DerefMut for NatsServer {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.child
    }
}

fn command(dir: &Path, port: &Port, args: &[String]) -> Result<Command, RigError> {
    let mut command = Command::new(programs::find_nats()?);
    let port = port.address().port().to_string();
    command
        .args(["--addr", "127.0.0.1", "--port", &port, "--jetstream"])
        .arg("--store_dir")
        .arg(dir.join("store"))
        .args(args);
    Ok(command)
}

fn copy_dir(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let from = entry.path();
        let to = to.join(entry.file_name());
        if from.is_dir() {
            copy_dir(&from, &to)?;
        } else {
            std::fs::copy(from, to)?;
        }
    }
    Ok(())
}

/// Whether a NATS server on this port greets clients.
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
