//! A NATS server of a test's own.

use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(20);

/// A running `nats-server` with JetStream, its own port and its own folder. Killed when dropped.
#[derive(Debug)]
pub struct NatsServer {
    child: Child,
    port: u16,
    dir: TempDir,
}

/// A folder of a test's own, below the system's folder for temporary files, deleted when dropped.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes one.
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let unique = format!("grandstand-{name}-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(unique);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a temporary folder can be made");
        Self(dir)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The server's program: `GRANDSTAND_NATS_SERVER`, or `nats-server` in `PATH`.
///
/// # Panics
/// If it cannot be run.
pub fn program() -> PathBuf {
    let program = std::env::var_os("GRANDSTAND_NATS_SERVER")
        .map_or_else(|| PathBuf::from("nats-server"), PathBuf::from);
    let found = Command::new(&program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(
        found.is_ok_and(|status| status.success()),
        "{} cannot be run: run the tests with `tests/run`, which fetches nats-server, \
         or name one in GRANDSTAND_NATS_SERVER",
        program.display()
    );
    program
}

impl NatsServer {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        let dir = TempDir::new("nats");
        let port = free_port();
        let child = spawn(dir.path(), port);
        let mut server = Self { child, port, dir };
        server.wait_until_ready().await;
        server
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as `kill -9` does.
    pub fn kill9(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again, on the same port and with the same folder, after [`kill9`](Self::kill9) if it still runs.
    pub async fn restart(&mut self) {
        self.kill9();
        self.child = spawn(self.dir.path(), self.port);
        self.wait_until_ready().await;
    }

    /// Starts it again with an empty folder.
    pub async fn restart_wiped(&mut self) {
        self.kill9();
        std::fs::remove_dir_all(self.dir.path().join("store")).expect("the store can be removed");
        self.restart().await;
    }

    /// Stops it from running for a while (SIGSTOP); its connections stay.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
    }

    async fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + START;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!(
                    "nats-server ended with {status}; its log is:\n{}",
                    self.log()
                );
            }
            if greets(self.port).await {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "nats-server does not answer:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// A port that nobody uses now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    listener.local_addr().expect("it has an address").port()
}

fn spawn(dir: &Path, port: u16) -> Child {
    let log = |path: &Path| -> File {
        let mut open = OpenOptions::new();
        let open = open.create(true).append(true).open(path);
        open.expect("the log can be written")
    };
    Command::new(program())
        .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
        .arg("--jetstream")
        .arg("--store_dir")
        .arg(dir.join("store"))
        .stdin(Stdio::null())
        .stdout(log(&dir.join("log")))
        .stderr(log(&dir.join("log")))
        .spawn()
        .expect("nats-server can be started")
}

/// Whether a NATS server greets there.
async fn greets(port: u16) -> bool {
    use tokio::io::AsyncReadExt as _;
    let greeting = async {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
        let mut start = [0; 4];
        stream.read_exact(&mut start).await?;
        std::io::Result::Ok(start == *b"INFO")
    };
    matches!(
        tokio::time::timeout(Duration::from_secs(1), greeting).await,
        Ok(Ok(true))
    )
}
