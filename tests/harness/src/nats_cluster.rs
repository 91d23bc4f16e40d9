//! A cluster of three NATS servers that replicate their streams.

use std::process::Command;
use std::time::Duration;

use grandstand_common::bus::Bus;
use serde_json::Value;
use tokio::time::Instant;

use crate::child::Child;
use crate::error::RigError;
use crate::log::Log;
use crate::nats::{TempDir, greets};
use crate::ports::Port;
use crate::process::get;
use crate::programs;

/// The most time for servers to connect to each other and to elect a leader.
const PATIENCE: Duration = Duration::from_secs(60);
const SERVERS: usize = 3;

/// Three servers on the loopback, each with its own ports and folder. Killed when dropped.
#[derive(Debug)]
pub struct NatsCluster {
    servers: Vec<Server>,
}

#[derive(Debug)]
struct Server {
    child: Child,
    client: Port,
    monitor: Port,
    dir: TempDir,
    /// Kept so that no other test takes it.
    _route: Port,
}

impl NatsCluster {
    /// Starts three servers and waits until they have a leader.
    ///
    /// # Errors
    /// If a server cannot be started or ends, or no leader is elected in time.
    pub async fn start() -> Result<Self, RigError> {
        let mut servers = Vec::new();
        let mut ports = Vec::new();
        for _ in 0..SERVERS {
            ports.push([Port::try_take()?, Port::try_take()?, Port::try_take()?]);
        }
        let route = |ports: &[Port; 3]| format!("nats://{}", ports[1].address());
        let routes = ports.iter().map(route).collect::<Vec<_>>().join(", ");
        for (index, [client, route, monitor]) in ports.into_iter().enumerate() {
            let dir = TempDir::try_new("nats-cluster")?;
            let config = format!(
                "server_name: n{index}\nlisten: \"{}\"\nhttp: \"{}\"\njetstream {{ store_dir: {:?} }}\n\
                 cluster {{ name: test, listen: \"{}\", routes: [{routes}] }}\n",
                client.address(),
                monitor.address(),
                dir.path().join("store"),
                route.address(),
            );
            let path = dir.path().join("nats.conf");
            std::fs::write(&path, config).map_err(|source| RigError::file(&path, source))?;
            let log = Log::new("nats-server", None)?;
            let name = format!("nats-server on {}", route.address());
            servers.push(Server {
                child: Child::spawn(command(&dir)?, name, log, false)?,
                client,
                monitor,
                dir,
                _route: route,
            });
        }
        let mut cluster = Self { servers };
        cluster.ready().await?;
        Ok(cluster)
    }

    /// The addresses of all servers, separated by commas, beginning with server `first`.
    pub fn urls(&self, first: usize) -> String {
        let all = (0..SERVERS).map(|i| &self.servers[(first + i) % SERVERS]);
        let all = all.map(|server| format!("nats://{}", server.client.address()));
        all.collect::<Vec<_>>().join(",")
    }

    /// The leader of a stream; `None` while there is none or the stream cannot be queried.
    pub async fn leader(&self, bus: &Bus, stream: &str) -> Option<usize> {
        let subject = format!("$JS.API.STREAM.INFO.{stream}");
        let asked = bus.request(subject, bytes::Bytes::new(), Duration::from_secs(2));
        let info: Value = serde_json::from_slice(&asked.await.ok()?).ok()?;
        index(&info["cluster"]["leader"])
    }

    /// The meta leader, which places streams and consumers; `None` while there is none.
    pub async fn meta_leader(&self) -> Option<usize> {
        let running = self.servers.iter();
        for server in running {
            let answer = get(server.monitor.address(), "/jsz").await;
            let Some((200, text)) = answer else { continue };
            let info: Value = serde_json::from_str(&text).ok()?;
            return index(&info["meta_cluster"]["leader"]);
        }
        None
    }

    /// Kills a server with SIGKILL.
    pub fn kill9(&mut self, server: usize) {
        self.servers[server].child.kill9();
    }

    /// Starts a killed server again with its data and waits until it answers.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn restart(&mut self, server: usize) -> Result<(), RigError> {
        let Server {
            child, client, dir, ..
        } = &mut self.servers[server];
        child.respawn(command(dir)?)?;
        child
            .wait_ready(PATIENCE, async || greets(client).await)
            .await
    }

    async fn ready(&mut self) -> Result<(), RigError> {
        let deadline = Instant::now() + PATIENCE;
        while self.meta_leader().await.is_none() {
            for server in &mut self.servers {
                server.child.check_running()?;
                if Instant::now() >= deadline {
                    return Err(server.child.not_ready());
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

/// Returns the server's index: 2 for `n2`.
fn index(name: &Value) -> Option<usize> {
    name.as_str()?.strip_prefix('n')?.parse().ok()
}

fn command(dir: &TempDir) -> Result<Command, RigError> {
    let mut command = Command::new(programs::find_nats()?);
    command.arg("-c").arg(dir.path().join("nats.conf"));
    Ok(command)
}
