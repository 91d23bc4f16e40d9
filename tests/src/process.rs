//! The programs of this workspace, as processes.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::ports::Port;

/// How long a process may take to become ready, or to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines of a log that are shown when a test fails.
const SHOWN: usize = 60;

/// The folder with the programs: `GRANDSTAND_BIN_DIR`, or the one in which cargo puts them beside this test.
pub fn bin_dir() -> PathBuf {
    match std::env::var_os("GRANDSTAND_BIN_DIR") {
        Some(dir) => dir.into(),
        None => beside(1),
    }
}

/// The folder that many levels above this test's own.
fn beside(levels: usize) -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own file");
    let folder = own.ancestors().nth(levels + 1);
    folder.expect("tests lie in target/<profile>/deps").into()
}

/// One of the programs.
///
/// # Panics
/// If it was not built.
pub fn program(name: &str) -> PathBuf {
    let path = bin_dir().join(name);
    assert!(
        path.is_file(),
        "{} is not there: run the tests with `tests/run`, or `cargo build --workspace` first",
        path.display()
    );
    path
}

/// How a process is started.
#[derive(Debug, Clone)]
pub struct Start {
    program: &'static str,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Start {
    /// A program without arguments.
    pub fn new(program: &'static str) -> Self {
        Self {
            program,
            arguments: Vec::new(),
            environment: Vec::new(),
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

    fn command(&self) -> Command {
        let mut command = Command::new(program(self.program));
        // What is set for a developer's own server is none of the tests'.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GRANDSTAND_") {
                command.env_remove(name);
            }
        }
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end, which must come soon.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn output(&self) -> Output {
        let log = Log::new(self.program);
        let mut child = log.spawn(self.command());
        let status = wait(&mut child, PATIENCE).await;
        let Some(status) = status else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{} does not end:\n{}", self.program, log.tail());
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

/// A running program. Killed when dropped; the end of its log is shown if the test fails.
#[derive(Debug)]
pub struct Process {
    start: Start,
    child: Child,
    log: Log,
    listen: Option<Port>,
    admin: Port,
}

impl Process {
    /// Starts it on ports of its own, and waits until it is ready. `listens` says whether it has a port for clients.
    pub async fn start(start: Start, listens: bool) -> Self {
        let (listen, admin) = (listens.then(Port::take), Port::take());
        let mut start = start.flag("--admin", admin.address());
        if let Some(listen) = &listen {
            start = start.flag("--listen", listen.address());
        }
        let log = Log::new(start.program);
        let child = log.spawn(start.command());
        let mut process = Self {
            start,
            child,
            log,
            listen,
            admin,
        };
        process.ready().await;
        process
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.listen.as_ref().expect("it listens").address()
    }

    /// Its admin port.
    pub fn admin(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Kills it as `kill -9` does.
    pub fn kill9(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end.
    pub fn term(&self) {
        self.signal("TERM");
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

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not come.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = wait(&mut self.child, PATIENCE).await;
        status.unwrap_or_else(|| panic!("{} does not end", self.start.program))
    }

    /// Starts it again after its end, on the same ports, and waits until it is ready.
    pub async fn again(&mut self) {
        self.kill9();
        self.child = self.log.spawn(self.start.command());
        self.ready().await;
    }

    async fn ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("{} ended with {status}", self.start.program);
            }
            if get(self.admin.address(), "/ready")
                .await
                .is_some_and(|(status, _)| status == 200)
            {
                return;
            }
            let late = Instant::now() >= deadline;
            assert!(!late, "{} does not become ready", self.start.program);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            let path = self.log.path.display();
            eprintln!("--- the end of {path}:\n{}", self.log.tail());
        }
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

async fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    None
}

/// What a process writes, in a file below the folder for builds.
#[derive(Debug)]
struct Log {
    path: PathBuf,
}

impl Log {
    fn new(program: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = beside(2).join("test-logs");
        std::fs::create_dir_all(&dir).expect("the folder for logs can be made");
        let test = std::thread::current().name().unwrap_or("test").to_owned();
        let test = test.replace("::", ".");
        let pid = std::process::id();
        let path = dir.join(format!("{test}.{pid}.{number}.{program}.log"));
        Self { path }
    }

    fn spawn(&self, mut command: Command) -> Child {
        command
            .stdout(append(&self.path))
            .stderr(append(&self.path));
        command.spawn().expect("the program can be started")
    }

    fn text(&self) -> String {
        let bytes = std::fs::read(&self.path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(SHOWN)..].join("\n")
    }
}

impl Drop for Log {
    /// Logs stay where a test failed.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn append(path: &Path) -> File {
    let mut open = OpenOptions::new();
    let open = open.create(true).append(true).open(path);
    open.expect("the log can be written")
}
