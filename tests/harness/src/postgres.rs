//! A PostgreSQL server for one test.
//!
//! The methods panic, for tests.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::child::Child;
use crate::log::Log;
use crate::nats::TempDir;
use crate::ports::Port;

const NAME: &str = "postgres";
/// The most time for a server to start.
const START: Duration = Duration::from_secs(60);
/// The folder of Debian's packages, with a folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A PostgreSQL server with a port and a folder of its own, running or ended. It has the user `postgres` without a password,
/// and the database `postgres`. Killed when dropped.
#[derive(Debug)]
pub struct PostgresServer {
    child: Child,
    port: Port,
    dir: TempDir,
}

impl PostgresServer {
    /// Creates a database and starts a server, which answers when this returns.
    ///
    /// # Panics
    /// If PostgreSQL is not installed, or does not start.
    pub async fn start() -> Self {
        let dir = TempDir::new("postgres");
        let data = data(&dir);
        std::fs::create_dir(&data).expect("the folder can be made");
        if is_root() {
            let owner = |flag: &str| {
                let output = Command::new("id").args([flag, "postgres"]).output();
                let output = output.expect("`id` can be run");
                let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                text.parse()
                    .expect("the user `postgres` exists: install the Debian package `postgresql`")
            };
            std::os::unix::fs::chown(&data, Some(owner("-u")), Some(owner("-g")))
                .expect("the folder can be given away");
        }
        let made = as_user("initdb")
            .args(["--username", "postgres", "--auth", "trust", "--no-sync"])
            .args(["--encoding", "UTF8", "--locale", "C.UTF-8", "--pgdata"])
            .arg(&data)
            .output()
            .expect("initdb can be run");
        let words = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "initdb fails: {words}");
        let port = Port::take();
        let log = Log::new(NAME, None).unwrap_or_else(|e| panic!("{e}"));
        let child = Child::spawn(command(&data, &port), NAME, log, true);
        let mut server = Self {
            child: child.unwrap_or_else(|e| panic!("{e}")),
            port,
            dir,
        };
        server.ready().await;
        server
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The URL of the database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.port.address())
    }

    /// Ends the server, which closes all connections and writes everything to its files.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn stop(&mut self) {
        self.child.interrupt();
        let ended = self.child.try_ended(START).await;
        assert!(ended.is_some(), "{NAME} does not end: {}", self.log_tail());
    }

    /// Starts the server again on the same port and with the same files, and waits until it answers.
    ///
    /// # Panics
    /// If it does not.
    pub async fn restart(&mut self) {
        let respawned = self.child.respawn(command(&data(&self.dir), &self.port));
        respawned.unwrap_or_else(|e| panic!("{e}"));
        self.ready().await;
    }

    async fn ready(&mut self) {
        let port = self.port.address().port().to_string();
        let answers = || {
            let mut asks = Command::new(program("pg_isready"));
            asks.args([
                "--quiet",
                "--username",
                "postgres",
                "--host",
                "127.0.0.1",
                "--port",
                &port,
            ]);
            asks.stdout(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        };
        let ready = self.child.wait_ready(START, async || answers()).await;
        ready.unwrap_or_else(|e| panic!("{e}"));
    }
}

impl Deref for PostgresServer {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

impl DerefMut for PostgresServer {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.child
    }
}

fn data(dir: &TempDir) -> PathBuf {
    dir.path().join("data")
}

fn command(data: &Path, port: &Port) -> Command {
    let mut command = as_user("postgres");
    command
        .arg("-D")
        .arg(data)
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &port.address().port().to_string(),
            "-k",
            "",
        ])
        // A test does not survive a power cut.
        .args(["-c", "fsync=off", "-c", "shared_buffers=64MB"]);
    command
}

/// PostgreSQL's program, run by the user `postgres` if this process is root, which PostgreSQL refuses.
fn as_user(name: &str) -> Command {
    let program = program(name);
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "--",
        ])
        .arg(program);
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A program of the folder `GRANDSTAND_POSTGRES_BIN`, of the newest version that Debian has installed, or of `PATH`.
fn program(name: &str) -> PathBuf {
    if let Some(dir) = std::env::var_os("GRANDSTAND_POSTGRES_BIN") {
        return Path::new(&dir).join(name);
    }
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let installed = versions.map(|version| version.path().join("bin").join(name));
    let number = |path: &PathBuf| -> Option<u32> {
        let version = path.strip_prefix(DEBIAN).ok()?.iter().next()?;
        version.to_str()?.parse().ok()
    };
    let newest = installed.filter(|path| path.is_file()).max_by_key(number);
    newest.unwrap_or_else(|| name.into())
}
