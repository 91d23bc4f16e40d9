//! One server with its spectators, and its measurement at a rate of messages.

use grandstand_harness::ports::Port;
use tokio::time::Instant;

use super::options::Options;
use super::peer::Peer;
use super::row::{Backlog, Fanout};
use super::server::Server;
use crate::error::BenchError;
use crate::host::kernel::Kernel;
use crate::host::pin::Cores;
use crate::host::proc::Usage;
use crate::host::servers::{Servers, ServersUsage, Wanted};
use crate::load::job::{Command, Job, LoadRole};
use crate::load::remote::Load;
use crate::progress::Progress;
use crate::scenario::jobs::{job, publisher};
use crate::scenario::measure::{Measured, drain, measure_until, settle};

/// The measured server: Grandstand or another.
#[derive(Debug)]
enum Running {
    Ours(Box<Servers>),
    Theirs(Server),
}

impl Running {
    fn usage(&self) -> Result<ServersUsage, BenchError> {
        match self {
            // CPU time includes all processes that deliver a message. Memory is that of the processes with connections,
            // because the memory of NATS and the worker does not grow with them.
            Self::Ours(servers) => {
                let used = servers.usage()?;
                Ok(ServersUsage {
                    edges: Usage {
                        cpu_s: used.all().cpu_s,
                        ..used.edges
                    },
                    ..ServersUsage::default()
                })
            }
            Self::Theirs(server) => server.usage(),
        }
    }
}

/// Bytes that must stay available to the rest of the machine.
const RESERVED_BYTES: u64 = 1536 << 20;

/// A server with all its spectators. Generators are dropped before it.
#[derive(Debug)]
pub(super) struct Full {
    player: Load,
    spectators: Load,
    watchers: u32,
    /// Memory per idle connection in bytes.
    pub(super) bytes: f64,
    running: Running,
}

/// Whether the queue of an overloaded server endangers other processes of the machine.
fn memory_is_short() -> bool {
    Kernel::now().is_ok_and(|kernel| kernel.available < RESERVED_BYTES)
}

impl Full {
    /// Starts a server and its clients, and waits until all are connected.
    pub(super) async fn start(
        peer: Peer,
        options: &Options,
        progress: &mut Progress,
    ) -> Result<Self, BenchError> {
        let cores = Cores::apart();
        let port = Port::try_take()?;
        let running = match peer.is_ours() {
            true => {
                let wanted = Wanted {
                    workers: 1,
                    edges: 1,
                    cores,
                };
                Running::Ours(Box::new(Servers::start(wanted).await?))
            }
            false => Running::Theirs(Server::start(peer, &options.dir, &port, cores).await?),
        };
        let target = match &running {
            Running::Ours(servers) => servers.address(),
            Running::Theirs(_) => port.address(),
        };
        let spoken = |job| Job {
            dialect: peer.dialect(),
            ..job
        };
        let player = spoken(publisher(target, cores, options.size));
        let player = Load::connect_all(&player, progress).await?;
        // One-time allocations must not count for a connection.
        let warm = Job {
            source: 250,
            first_player: 20_000_000,
            ..spoken(job(target, LoadRole::Spectator, 64, cores))
        };
        let warm = Load::connect_all(&warm, progress).await?;
        settle(1.0).await;
        let before = running.usage()?.edges.memory;
        let watchers = options.spectators;
        let spectators = spoken(job(target, LoadRole::Spectator, watchers, cores));
        let spectators = Load::connect_all(&spectators, progress).await?;
        settle(3.0).await;
        let memory = running.usage()?.edges.memory.saturating_sub(before);
        drop(warm);
        Ok(Self {
            player,
            spectators,
            watchers,
            bytes: memory as f64 / f64::from(watchers),
            running,
        })
    }

    /// Measures one rate.
    pub(super) async fn fan_out(
        &mut self,
        rate: f64,
        seconds: f64,
        progress: &mut Progress,
    ) -> Result<Fanout, BenchError> {
        let start = Instant::now();
        let watchers = self.watchers;
        self.player.tell(Command::Rate(rate)).await?;
        let mut backlog = Backlog::default();
        while start.elapsed().as_secs_f64() < seconds.min(3.0) {
            settle(0.5).await;
            self.count(&mut backlog).await?;
            let hopeless = backlog.is_hopeless(rate, watchers) || memory_is_short();
            if hopeless || self.running.usage().is_err() {
                return self.collapse(rate, backlog, start).await;
            }
        }
        let (running, mut loads) = (&self.running, [&mut self.spectators, &mut self.player]);
        let hopeless = |measured: &Measured| {
            backlog.with(measured).is_hopeless(rate, watchers) || memory_is_short()
        };
        let measured = measure_until(|| running.usage(), &mut loads, seconds, progress, hopeless);
        let mut measured = match measured.await {
            // The server died of the load.
            Err(BenchError::Proc(_)) => return self.collapse(rate, backlog, start).await,
            measured => measured?,
        };
        if hopeless(&measured) {
            return self.collapse(rate, backlog.with(&measured), start).await;
        }
        self.player.tell(Command::Silence).await?;
        let mut loads = [&mut self.spectators, &mut self.player];
        drain(&mut loads, &mut measured).await?;
        Ok(Fanout::new(rate, watchers, &measured))
    }

    /// Stops sending and measures how fast the server works off its queue.
    async fn collapse(
        &mut self,
        rate: f64,
        mut backlog: Backlog,
        start: Instant,
    ) -> Result<Fanout, BenchError> {
        const DRAIN_S: u32 = 3;
        self.player.tell(Command::Silence).await?;
        let mut reached: f64 = 0.0;
        for _ in 0..=DRAIN_S {
            // The first pass counts messages since the last count.
            self.count(&mut backlog).await?;
            reached = reached.max(backlog.received as f64 / start.elapsed().as_secs_f64());
            settle(1.0).await;
        }
        Ok(Fanout::collapsed(rate, reached))
    }

    async fn count(&mut self, backlog: &mut Backlog) -> Result<(), BenchError> {
        let publishing = self.player.collect().await?;
        backlog.sent += publishing.sent + publishing.unsent;
        backlog.received += self.spectators.collect().await?.received;
        Ok(())
    }
}
