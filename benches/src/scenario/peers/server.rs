//! The other servers as processes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use clap::ValueEnum;
use grandstand_tests::nats::TempDir;
use grandstand_tests::ports::Port;
use grandstand_tests::programs;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::error::BenchError;
use crate::host::pin::{Cores, Pinned};
use crate::host::proc::Usage;
use crate::host::servers::ServersUsage;
use crate::load::dialect::Dialect;

/// Debian's place for it.
const NCHAN: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";
/// How long a server may take to listen.
const START: Duration = Duration::from_secs(20);

/// A server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// Ours: edge, worker and NATS.
    Grandstand,
    /// Bun's WebSocket server, which is uWebSockets underneath.
    Bun,
    /// Node's `ws`.
    Ws,
    /// Socket.IO with its Redis adapter.
    SocketIo,
    /// The WebSocket listener of nats-server.
    Nats,
    /// Nchan in nginx.
    Nchan,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Grandstand,
        Self::Bun,
        Self::Ws,
        Self::SocketIo,
        Self::Nats,
        Self::Nchan,
    ];

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Grandstand => "Grandstand",
            Self::Bun => "Bun (uWebSockets)",
            Self::Ws => "Node ws",
            Self::SocketIo => "Socket.IO + Redis",
            Self::Nats => "nats-server WebSocket",
            Self::Nchan => "Nchan (nginx)",
        }
    }

    /// In figures' names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grandstand => "grandstand",
            Self::Bun => "bun",
            Self::Ws => "ws",
            Self::SocketIo => "socketio",
            Self::Nats => "nats",
            Self::Nchan => "nchan",
        }
    }

    /// What it speaks.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Grandstand => Dialect::Grandstand,
            Self::Bun | Self::Ws => Dialect::Raw,
            Self::SocketIo => Dialect::SocketIo,
            Self::Nats => Dialect::Nats,
            Self::Nchan => Dialect::Nchan,
        }
    }

    /// Whether it is there; what is missing if not.
    pub(super) fn installed(self, dir: &Path) -> Result<(), Missing> {
        let file = |path: PathBuf| match path.exists() {
            true => Ok(()),
            false => Err(Missing::File(path)),
        };
        match self {
            Self::Grandstand => Ok(()),
            Self::Bun => file(bun(dir)),
            Self::Ws => file(dir.join("node_modules/ws")),
            Self::SocketIo => {
                file(dir.join("node_modules/socket.io"))?;
                match in_path("redis-server") {
                    true => Ok(()),
                    false => Err(Missing::Program("redis-server")),
                }
            }
            Self::Nats => programs::find_nats()
                .map(drop)
                .map_err(|_| Missing::Program("nats-server")),
            Self::Nchan => file(NCHAN.into()),
        }
    }
}

/// Why a server is left out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Missing {
    #[error("{} is not there", .0.display())]
    File(PathBuf),
    #[error("there is no {0}")]
    Program(&'static str),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_possible_value() {
            Some(value) => f.write_str(value.get_name()),
            None => f.write_str(self.name()),
        }
    }
}

/// One that runs. Killed when dropped.
#[derive(Debug)]
pub(super) struct Server {
    processes: Vec<Child>,
    dir: TempDir,
    _ports: Vec<Port>,
}

impl Server {
    /// Starts it, pinned, and waits until it listens.
    pub(super) async fn start(
        peer: Peer,
        dir: &Path,
        port: &Port,
        cores: Cores,
    ) -> Result<Self, BenchError> {
        let own = TempDir::try_new("peer")?;
        let pinned = Pinned::to(cores.server).map_err(BenchError::Pin)?;
        let mut server = Self {
            processes: Vec::new(),
            dir: own,
            _ports: Vec::new(),
        };
        server.launch(peer, dir, port).await?;
        drop(pinned);
        listening(port).await?;
        Ok(server)
    }

    async fn launch(&mut self, peer: Peer, dir: &Path, port: &Port) -> Result<(), BenchError> {
        let number = port.address().port().to_string();
        let own = self.dir.path().to_owned();
        let mut command = match peer {
            Peer::Bun => script(Command::new(bun(dir)), dir, "bun.js"),
            Peer::Ws => script(Command::new("node"), dir, "ws.js"),
            Peer::SocketIo => {
                let redis = Port::try_take()?;
                let mut command = Command::new("redis-server");
                command.args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]);
                command
                    .arg("--port")
                    .arg(redis.address().port().to_string());
                command.current_dir(&own);
                self.spawn(command)?;
                listening(&redis).await?;
                let mut command = script(Command::new("node"), dir, "socketio.js");
                command.env("REDIS", format!("redis://{}", redis.address()));
                self._ports.push(redis);
                command
            }
            Peer::Nats => {
                let tcp = Port::try_take()?;
                let config = format!(
                    "listen: \"{}\"\nwebsocket {{ listen: \"{}\", no_tls: true }}\n",
                    tcp.address(),
                    port.address()
                );
                self._ports.push(tcp);
                let path = own.join("nats.conf");
                put(&path, &config)?;
                let mut command = Command::new(programs::find_nats()?);
                command.arg("-c").arg(path);
                command
            }
            Peer::Nchan => {
                let template = dir.join("nchan.conf");
                let text =
                    std::fs::read_to_string(&template).map_err(|source| file(&template, source))?;
                let text = text
                    .replace("PORT", &number)
                    .replace("DIR", &own.display().to_string());
                let path = own.join("nginx.conf");
                put(&path, &text)?;
                let mut command = Command::new("nginx");
                command
                    .arg("-p")
                    .arg(&own)
                    .arg("-c")
                    .arg(path)
                    .arg("-e")
                    .arg(own.join("error.log"));
                command
            }
            Peer::Grandstand => return Ok(()),
        };
        command.env("PORT", number);
        self.spawn(command)
    }

    fn spawn(&mut self, mut command: Command) -> Result<(), BenchError> {
        let program = command
            .as_std()
            .get_program()
            .to_string_lossy()
            .into_owned();
        let path = self.dir.path().join("log");
        let log = || {
            let opened = std::fs::File::options()
                .create(true)
                .append(true)
                .open(&path);
            opened.map_err(|source| file(&path, source))
        };
        command
            .stdin(Stdio::null())
            .stdout(log()?)
            .stderr(log()?)
            .kill_on_drop(true);
        let child = command.spawn().map_err(|source| BenchError::File {
            path: program,
            source,
        })?;
        self.processes.push(child);
        Ok(())
    }

    /// What it used, with the processes that it started.
    pub(super) fn usage(&self) -> Result<ServersUsage, BenchError> {
        let own = self.processes.iter().filter_map(Child::id);
        let pids: Vec<_> = own.flat_map(with_children).collect();
        Ok(ServersUsage {
            edges: Usage::of_all(&pids).map_err(BenchError::Proc)?,
            ..ServersUsage::default()
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx's worker outlives a master that is killed.
        let own = self.processes.iter().filter_map(Child::id);
        for pid in own
            .flat_map(with_children)
            .filter_map(|pid| i32::try_from(pid).ok())
        {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            }
        }
    }
}

fn with_children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let children = text
        .split_ascii_whitespace()
        .filter_map(|pid| pid.parse().ok());
    std::iter::once(pid).chain(children).collect()
}

fn bun(dir: &Path) -> PathBuf {
    dir.join("node_modules/.bin/bun")
}

fn script(mut command: Command, dir: &Path, name: &str) -> Command {
    command.arg(dir.join(name));
    command
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

fn put(path: &Path, text: &str) -> Result<(), BenchError> {
    std::fs::write(path, text).map_err(|source| file(path, source))
}

fn file(path: &Path, source: std::io::Error) -> BenchError {
    BenchError::File {
        path: path.display().to_string(),
        source,
    }
}

async fn listening(port: &Port) -> Result<(), BenchError> {
    let start = Instant::now();
    while tokio::net::TcpStream::connect(port.address())
        .await
        .is_err()
    {
        if start.elapsed() > START {
            return Err(BenchError::Stuck {
                what: "the server does not listen".to_owned(),
                seconds: START.as_secs(),
            });
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
