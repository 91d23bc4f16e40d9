//! The other servers as processes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use grandstand_harness::nats::TempDir;
use grandstand_harness::ports::Port;
use grandstand_harness::programs;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::peer::{HAPROXY, NAIVE, Peer, bun};
use crate::error::BenchError;
use crate::host::pin::{Cores, Pinned};
use crate::host::proc::Usage;
use crate::host::tls::Certificate;

/// The most time until a server listens.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// The options with which a server is started.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// The folder of the other servers.
    pub(super) dir: &'a Path,
    /// The ports for clients. Only HAProxy has several, one for each of its processes.
    pub(super) ports: &'a [Port],
    /// The certificate, with TLS.
    pub(super) certificate: Option<&'a Certificate>,
    /// The edge behind HAProxy.
    pub(super) edge: Option<SocketAddr>,
}

/// A running server. Killed when dropped.
#[derive(Debug)]
pub(super) struct Server {
    processes: Vec<Child>,
    dir: TempDir,
    _ports: Vec<Port>,
}

impl Server {
    /// Starts a server on its core and waits until it listens.
    pub(super) async fn start(
        peer: Peer,
        place: &Place<'_>,
        cores: Cores,
    ) -> Result<Self, BenchError> {
        let own = TempDir::try_new("peer")?;
        let pinned = Pinned::to(cores.server).map_err(BenchError::Pin)?;
        let mut server = Self {
            processes: Vec::new(),
            dir: own,
            _ports: Vec::new(),
        };
        for port in place.ports {
            server.launch(peer, place, port).await?;
        }
        drop(pinned);
        for port in place.ports {
            server.wait_listening(port).await?;
        }
        Ok(server)
    }

    async fn launch(
        &mut self,
        peer: Peer,
        place: &Place<'_>,
        port: &Port,
    ) -> Result<(), BenchError> {
        let dir = place.dir;
        let mut command = match peer {
            Peer::Grandstand | Peer::GrandstandProto => return Ok(()),
            Peer::Haproxy => self.haproxy(place, port)?,
            Peer::Bun => script(Command::new(bun(dir)), dir, "bun.js"),
            Peer::Elysia => script(Command::new(bun(dir)), dir, "elysia.js"),
            Peer::Nchan => self.nginx(place, port)?,
            Peer::Naive => Command::new(programs::find(NAIVE)?),
            Peer::Ws => script(Command::new("node"), dir, "ws.js"),
            Peer::Nats => self.nats(port)?,
            Peer::SocketIo => {
                let redis = self.redis().await?;
                let mut command = script(Command::new("node"), dir, "socketio.js");
                command.env("REDIS", redis);
                command
            }
        };
        command.env("PORT", port.address().port().to_string());
        if let Some(certificate) = place.certificate {
            command
                .env("TLS_CERTIFICATE", certificate.file())
                .env("TLS_KEY", certificate.key_file());
        }
        self.spawn(command)
    }

    fn nginx(&self, place: &Place<'_>, port: &Port) -> Result<Command, BenchError> {
        let own = self.dir.path();
        let (ssl, files) = match place.certificate {
            Some(certificate) => (
                "ssl",
                format!(
                    "ssl_certificate {}; ssl_certificate_key {};",
                    certificate.file().display(),
                    certificate.key_file().display()
                ),
            ),
            None => ("", String::new()),
        };
        let values = [
            ("PORT", port.address().port().to_string()),
            ("DIR", own.display().to_string()),
            ("SSL", ssl.to_owned()),
            ("CERTIFICATE", files),
        ];
        let path = self.configure(place.dir, "nchan.conf", &values)?;
        let mut command = Command::new("nginx");
        let paths = [("-p", own), ("-c", &path), ("-e", &own.join("error.log"))];
        for (flag, path) in paths {
            command.arg(flag).arg(path);
        }
        Ok(command)
    }

    fn haproxy(&self, place: &Place<'_>, port: &Port) -> Result<Command, BenchError> {
        let file = place.certificate.map(Certificate::file).unwrap_or_default();
        let edge = place.edge.map(|edge| edge.to_string()).unwrap_or_default();
        let values = [
            ("PORT", port.address().port().to_string()),
            ("EDGE", edge),
            ("CERTIFICATE", file.display().to_string()),
        ];
        let path = self.configure(place.dir, "haproxy.cfg", &values)?;
        let mut command = Command::new(HAPROXY);
        command.arg("-db").arg("-f").arg(path);
        Ok(command)
    }

    /// Writes a configuration file: a template with its placeholders replaced.
    fn configure(
        &self,
        dir: &Path,
        name: &str,
        values: &[(&str, String)],
    ) -> Result<PathBuf, BenchError> {
        let template = dir.join(name);
        let text = std::fs::read_to_string(&template);
        let mut text = text.map_err(|source| file_error(&template, source))?;
        for (placeholder, value) in values {
            text = text.replace(&format!("@{placeholder}@"), value);
        }
        // HAProxy has several processes, each with a file of its own.
        let path = self
            .dir
            .path()
            .join(format!("{}-{name}", self.processes.len()));
        write_file(&path, &text)?;
        Ok(path)
    }

    fn nats(&mut self, port: &Port) -> Result<Command, BenchError> {
        let tcp = Port::try_take()?;
        let config = format!(
            "listen: \"{}\"\nwebsocket {{ listen: \"{}\", no_tls: true }}\n",
            tcp.address(),
            port.address()
        );
        self._ports.push(tcp);
        let path = self.dir.path().join("nats.conf");
        write_file(&path, &config)?;
        let mut command = Command::new(programs::find_nats()?);
        command.arg("-c").arg(path);
        Ok(command)
    }

    /// Starts Redis and returns its URL.
    async fn redis(&mut self) -> Result<String, BenchError> {
        let port = Port::try_take()?;
        let mut command = Command::new("redis-server");
        command
            .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"])
            .arg("--port")
            .arg(port.address().port().to_string())
            .current_dir(self.dir.path());
        self.spawn(command)?;
        self.wait_listening(&port).await?;
        let url = format!("redis://{}", port.address());
        self._ports.push(port);
        Ok(url)
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
            opened.map_err(|source| file_error(&path, source))
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

    /// Waits until a process listens on this port.
    async fn wait_listening(&mut self, port: &Port) -> Result<(), BenchError> {
        let start = Instant::now();
        loop {
            if TcpStream::connect(port.address()).await.is_ok() {
                return Ok(());
            }
            let last = self.processes.last_mut();
            let ended = last.is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))));
            if ended || start.elapsed() > START_TIMEOUT {
                return Err(BenchError::Timeout {
                    state: format!(
                        "the server does not listen; its last output: {}",
                        self.output_tail()
                    ),
                    seconds: start.elapsed().as_secs(),
                });
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The end of its output.
    fn output_tail(&self) -> String {
        let read = |name| std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        let text = read("log") + &read("error.log");
        let lines: Vec<_> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        lines[lines.len().saturating_sub(3)..].join(" / ")
    }

    /// The usage of all its processes and their children.
    pub(super) fn usage(&self) -> Result<Usage, BenchError> {
        let own = self.processes.iter().filter_map(Child::id);
        let pids: Vec<_> = own.flat_map(with_children).collect();
        Usage::read_all(&pids).map_err(BenchError::Proc)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx's worker outlives a killed master.
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

fn script(mut command: Command, dir: &Path, name: &str) -> Command {
    command.arg(dir.join(name));
    command
}

fn write_file(path: &Path, text: &str) -> Result<(), BenchError> {
    std::fs::write(path, text).map_err(|source| file_error(path, source))
}

fn file_error(path: &Path, source: std::io::Error) -> BenchError {
    BenchError::File {
        path: path.display().to_string(),
        source,
    }
}
