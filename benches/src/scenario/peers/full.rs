//! One server with its spectators: what their connections cost, and its measurement at a rate of messages.

use tokio::time::Instant;

use super::options::Options;
use super::peer::Peer;
use super::row::{Backlog, Connects, Fanout, Resumed};
use super::running::Running;
use crate::error::BenchError;
use crate::host::kernel::Kernel;
use crate::host::pin::Cores;
use crate::load::job::{Command, Job, LoadRole};
use crate::load::remote::Load;
use crate::progress::Progress;
use crate::scenario::jobs::{job, publisher};
use crate::scenario::measure::{Measured, drain, measure_until, settle};

/// Bytes that must stay available to the rest of the machine.
const RESERVED_BYTES: u64 = 1536 << 20;
/// Seconds after the last connect whose CPU time counts for the connects.
const CONNECTED_S: f64 = 1.0;

/// A server with all its spectators. Generators are dropped before it.
#[derive(Debug)]
pub(super) struct Full {
    player: Load,
    spectators: Load,
    watchers: u32,
    running: Running,
}

/// Whether the queue of an overloaded server endangers other processes of the machine.
fn memory_is_short() -> bool {
    Kernel::now().is_ok_and(|kernel| kernel.available < RESERVED_BYTES)
}

impl Full {
    /// Starts a server and its clients, and waits until all are connected. Returns what the connections cost.
    pub(super) async fn start(
        peer: Peer,
        options: &Options,
        progress: &mut Progress,
    ) -> Result<(Self, Connects), BenchError> {
        let cores = Cores::apart();
        let running = Running::start(peer, options, cores).await?;
        let target = running.address();
        let spoken = |job| Job {
            dialect: peer.dialect(),
            ..running.job(job)
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
        let before = running.usage()?.edges;
        let watchers = options.spectators;
        let job = spoken(job(target, LoadRole::Spectator, watchers, cores));
        let mut spectators = Load::connect_all(&job, progress).await?;
        settle(CONNECTED_S).await;
        let cpu_s = (running.usage()?.edges - before).cpu_s;
        settle(2.0).await;
        let memory = (running.usage()?.edges - before).memory;
        drop(warm);
        let each = f64::from(watchers.max(1));
        let mut connects = Connects {
            bytes: memory as f64 / each,
            cpu_us: cpu_s * 1e6 / each,
            resumed: None,
        };
        if options.tls {
            let resumed = reconnect(&running, &mut spectators, &job, progress).await?;
            connects.resumed = Some(resumed);
        }
        let full = Self {
            player,
            spectators,
            watchers,
            running,
        };
        Ok((full, connects))
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
        let running = &self.running;
        let mut loads = [&mut self.spectators, &mut self.player];
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

/// Closes all connections, waits, and connects them again.
async fn reconnect(
    running: &Running,
    spectators: &mut Load,
    job: &Job,
    progress: &mut Progress,
) -> Result<Resumed, BenchError> {
    spectators.tell(Command::AtOnce(0)).await?;
    spectators.tell(Command::Reconnect).await?;
    settle(3.0).await;
    spectators.collect().await?;
    let before = running.usage()?.edges;
    spectators.tell(Command::AtOnce(job.at_once)).await?;
    spectators.wait_connected(progress).await?;
    settle(CONNECTED_S).await;
    let used = running.usage()?.edges - before;
    let tally = spectators.collect().await?;
    Ok(Resumed {
        percent: tally.resumed_percent().unwrap_or(0.0),
        cpu_us: used.cpu_s * 1e6 / f64::from(job.connections.max(1)),
    })
}
