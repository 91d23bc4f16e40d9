//! The crowd over sockets, with real servers.

use std::time::Duration;

use grandstand_harness::process::PATIENCE;
use tokio::time::{Instant, sleep};

use super::options::Options;
use super::phase::Phase;
use crate::error::BenchError;
use crate::host::pin::Cores;
use crate::host::priority::Priority;
use crate::host::servers::{Servers, Wanted};
use crate::load::clock::now_ns;
use crate::load::job::{Command, Job, LoadRole};
use crate::load::remote::Load;
use crate::load::tally::{Latencies, Tally};
use crate::outcome::RunOptions;
use crate::progress::Progress;
use crate::report::Report;
use crate::scenario::jobs::{job, publisher};
use crate::scenario::measure::{settle, warm_up};
use crate::scenario::variant::Variant;

/// The most time until the whole crowd has received a message.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The time after which the room ends, once its player has left, milliseconds.
const IDLE_MS: u32 = 200;
/// A time in which the edge pings each client of the crowd, seconds: a bit more than its `heartbeat_ms`.
const HEARTBEAT_S: f64 = 27.0;

/// The clients of the scenario.
struct Clients {
    pinger: Load,
    crowd: Load,
    /// All counts of the crowd so far.
    seen: Tally,
}

/// Measures the pings in each phase.
pub(super) async fn run(
    options: &Options,
    common: &RunOptions,
    variant: &Variant,
    progress: &mut Progress,
    report: &mut Report,
) -> Result<Vec<Phase>, BenchError> {
    progress.phase("starting");
    let cores = Cores::apart();
    let wanted = Wanted {
        workers: 1,
        edges: 1,
        cores,
    };
    let mut servers = Servers::start_with(wanted, &variant.edge).await?;
    let player = Job {
        dialect: variant.dialect,
        idle_ms: IDLE_MS,
        ..publisher(servers.address(), cores, 128)
    };
    let all = u64::from(options.spectators);
    let pinger = connect_pinger(options, variant, &servers, cores, progress).await?;
    progress.phase("joining a room that does not exist");
    let crowd = Job {
        dialect: variant.dialect,
        priority: Priority::Last,
        waits: true,
        ..job(
            servers.address(),
            LoadRole::Spectator,
            options.spectators,
            cores,
        )
    };
    let mut clients = Clients {
        crowd: Load::start(&crowd).await?,
        pinger,
        seen: Tally::default(),
    };
    let joined = |seen: &Tally| seen.joined >= all;
    let mut phases = vec![clients.until("join", |_| true, joined).await?];

    progress.phase("waiting for the room");
    clients.begin().await?;
    warm_up(common).await;
    phases.push(clients.end("wait").await?);

    progress.phase("the room is created");
    clients.begin().await?;
    let mut player = Load::connect_all(&player, progress).await?;
    let created = clients.until(
        "create",
        |seen| seen.snapshots > 0,
        |seen| seen.snapshots >= all,
    );
    phases.push(created.await?);

    progress.phase("the room runs");
    player.tell(Command::Rate(options.rate)).await?;
    clients.begin().await?;
    settle(common.seconds).await;
    phases.push(clients.end("run").await?);

    // A finished room can be read for a minute.
    progress.phase("the room ends in a minute");
    clients.begin().await?;
    drop(player);
    settle(HEARTBEAT_S).await;
    phases.push(clients.end("heartbeat").await?);
    clients.begin().await?;
    let ended = clients.until("end", |seen| seen.left > 0, |seen| seen.left >= all);
    phases.push(ended.await?);

    progress.phase("the bus fails");
    phases.push(clients.lose_bus(&mut servers, all).await?);
    phases.push(clients.recover_bus(&mut servers, common).await?);
    clients.put(report);
    Ok(phases)
}

/// Connects the client whose pings are measured.
async fn connect_pinger(
    options: &Options,
    variant: &Variant,
    servers: &Servers,
    cores: Cores,
    progress: &mut Progress,
) -> Result<Load, BenchError> {
    let pinger = Job {
        dialect: variant.dialect,
        first_player: 20_000_000,
        priority: Priority::First,
        ..job(servers.address(), LoadRole::Idle, 1, cores)
    };
    let mut pinger = Load::connect_all(&pinger, progress).await?;
    pinger.tell(Command::Rate(options.pings)).await?;
    settle(0.5).await;
    pinger.tell(Command::Window(now_ns(), u64::MAX)).await?;
    Ok(pinger)
}

impl Clients {
    /// Begins to count pings.
    async fn begin(&mut self) -> Result<(), BenchError> {
        self.pinger.tell(Command::Window(0, 0)).await?;
        settle(0.2).await;
        self.pinger.collect().await?;
        self.pinger.tell(Command::Window(now_ns(), u64::MAX)).await
    }

    /// Kills NATS, and waits until all clients are told.
    async fn lose_bus(&mut self, servers: &mut Servers, all: u64) -> Result<Phase, BenchError> {
        self.begin().await?;
        servers.rig.nats.kill9();
        let told = self.until(
            "degrade",
            |seen| seen.degraded > 0,
            |seen| seen.degraded >= all,
        );
        told.await
    }

    /// Starts NATS again.
    async fn recover_bus(
        &mut self,
        servers: &mut Servers,
        common: &RunOptions,
    ) -> Result<Phase, BenchError> {
        self.begin().await?;
        let pinned = servers.pinned()?;
        servers.rig.nats.relaunch()?;
        drop(pinned);
        servers.rig.nats.try_ready(PATIENCE).await?;
        warm_up(common).await;
        self.end("recover").await
    }

    /// Ends a phase when the crowd has seen enough. The phase begins once `has_begun` holds; the pings just before
    /// count too.
    async fn until(
        &mut self,
        name: &'static str,
        has_begun: impl Fn(&Tally) -> bool,
        enough: impl Fn(&Tally) -> bool,
    ) -> Result<Phase, BenchError> {
        let start = Instant::now();
        let mut began = Instant::now();
        let mut pings = Latencies::default();
        loop {
            self.seen.add_later(&self.crowd.collect().await?);
            let latest = self.pinger.collect().await?.latencies;
            if !has_begun(&self.seen) {
                (began, pings) = (Instant::now(), Latencies::default());
            }
            pings.add(&latest);
            if enough(&self.seen) {
                let mut phase = self.end(name).await?;
                phase.pings.add(&pings);
                phase.seconds = Some(began.elapsed().as_secs_f64());
                return Ok(phase);
            }
            if start.elapsed() > TIMEOUT {
                let seen = &self.seen;
                return Err(BenchError::Timeout {
                    state: format!(
                        "{name}: {} spectators have joined, {} have a snapshot, {} have left, {} were told of the bus ({})",
                        seen.joined,
                        seen.snapshots,
                        seen.left,
                        seen.degraded,
                        seen.error.as_deref().unwrap_or("no error"),
                    ),
                    seconds: TIMEOUT.as_secs(),
                });
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn end(&mut self, name: &'static str) -> Result<Phase, BenchError> {
        self.pinger.tell(Command::Window(0, 0)).await?;
        let mut pings: Latencies = self.pinger.collect().await?.latencies;
        if pings.count() == 0 {
            settle(0.1).await;
            pings.add(&self.pinger.collect().await?.latencies);
        }
        Ok(Phase {
            name,
            pings,
            seconds: None,
            step: None,
        })
    }

    fn put(&self, report: &mut Report) {
        let figures = &mut report.figures;
        figures.put("snapshots", self.seen.snapshots);
        figures.put("errors", self.seen.errors);
        if let Some(error) = &self.seen.error {
            report.warn(error.clone());
        }
    }
}
