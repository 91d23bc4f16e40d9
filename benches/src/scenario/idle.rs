//! `idle`: the cost of an idle connection.

use crate::error::BenchError;
use crate::host::kernel::Kernel;
use crate::host::limits::{self, Demand};
use crate::host::pin::Cores;
use crate::host::proc::program;
use crate::host::servers::{Servers, ServersUsage, Wanted};
use crate::host::tls::TlsPort;
use crate::load::job::{Job, LoadRole};
use crate::load::remote::{Load, RampOutcome};
use crate::load::swarm::PER_SOURCE;
use crate::outcome::{Outcome, RunOptions};
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;
use crate::scenario::jobs::{job, over, publisher};
use crate::scenario::measure::settle;

/// Idle connections: connect rate and memory per connection
///
/// Opens as many connections as the machine allows. When memory runs short or connects fail, the run stops and reports
/// the number of connections and the reason.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Number of connections
    #[arg(long, default_value_t = 15_000)]
    pub connections: u32,
    /// Edge processes on the one port; 0: as many as the limit of open files requires
    #[arg(long, default_value_t = 0)]
    pub edges: u32,
    /// Activity of the connections: nothing, or watching one room
    #[arg(long, value_enum, default_value_t = Activity::Nothing)]
    pub doing: Activity,
    /// Number of connections that may be connecting at a time
    #[arg(long, default_value_t = 256)]
    pub at_once: u32,
    /// Available memory to keep for the rest of the machine, MiB: no connections are opened below it
    #[arg(long, default_value_t = 1536)]
    pub keep_free_mib: u64,
    /// Connections use TLS, which the edges terminate
    #[arg(long)]
    pub tls: bool,
}

/// The activity of idle connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Activity {
    /// Connections are authenticated and join no room.
    Nothing,
    /// Connections are spectators of one room.
    Watching,
}

/// The share of an edge's open files that connections may take on average. The kernel distributes them unevenly over
/// edges: at 17,000 on average, one edge has up to 17,500.
const FILLED_PERCENT: u64 = 85;
/// An estimate of a connection's memory in bytes, both ends included.
const ESTIMATED_BYTES: u64 = 11_000;

/// The memory in use at one time.
struct Used {
    servers: ServersUsage,
    kernel: Kernel,
}

impl Used {
    fn now(servers: &Servers) -> Result<Self, BenchError> {
        Ok(Self {
            servers: servers.usage()?,
            kernel: Kernel::now().map_err(BenchError::Proc)?,
        })
    }
}

/// Runs the scenario.
///
/// # Errors
/// If servers are unavailable or no client connects.
pub async fn run(
    options: &Options,
    common: &RunOptions,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let files = grandstand_common::process::sys::raise_open_files();
    let edges = match options.edges {
        0 => edges(options.connections, files),
        edges => edges,
    };
    let mut report = Report::new("idle");
    look_ahead(options, &mut report, progress);
    let stage = Stage::start(options, edges, progress).await?;
    let first = stage.connect_first(edges, progress).await?;
    settle(1.0).await;

    progress.phase("connecting");
    let servers = &stage.servers;
    let before = Used::now(servers)?;
    let (load, reached) = stage.connect(progress).await?;
    let connected = servers.usage()?;

    progress.phase("idle");
    settle(2.0).await;
    let after = Used::now(servers)?;
    settle(common.seconds).await;
    let rest = servers.usage()?;
    drop(first);
    let generators = load.usage()?.memory;

    put_settings(&mut report, options, edges, load.pids().len());
    let cpu_s = (connected.edges - before.servers.edges).cpu_s;
    put_connecting(&mut report, &reached, cpu_s);
    put_memory(&mut report, reached.live, &before, &after);
    let figures = &mut report.figures;
    // The generators run on the same machine. Only the last of the figures above includes them.
    figures.put("generators_memory_bytes", generators);
    let idle_s = (rest.edges - after.servers.edges).cpu_s;
    figures.put_number("edge_cpu_percent_idle", idle_s / common.seconds * 100.0);
    Ok(Outcome {
        chart: chart(&report, reached.live),
        report,
    })
}

/// The servers and the clients' way to them.
struct Stage<'a> {
    options: &'a Options,
    cores: Cores,
    servers: Servers,
    /// The edges' port for clients with TLS, if they use it.
    tls: Option<TlsPort>,
}

impl<'a> Stage<'a> {
    async fn start(
        options: &'a Options,
        edges: u32,
        progress: &mut Progress,
    ) -> Result<Self, BenchError> {
        progress.phase(format!("starting {edges} edges"));
        let cores = Cores::apart();
        let tls = options.tls.then(TlsPort::take).transpose()?;
        let wanted = Wanted {
            workers: 1,
            edges: edges as usize,
            cores,
        };
        let variables: Vec<_> = tls.iter().flat_map(TlsPort::variables).collect();
        Ok(Self {
            options,
            cores,
            servers: Servers::start_with(wanted, &variables).await?,
            tls,
        })
    }

    /// Connects clients that create buffers and caches that stay, which must not count for a connection, and the player
    /// of the room that is watched. They stay until the result is dropped.
    async fn connect_first(
        &self,
        edges: u32,
        progress: &mut Progress,
    ) -> Result<Vec<Load>, BenchError> {
        progress.phase("warming up");
        let target = self.servers.address();
        let warm = Job {
            source: 250,
            first_player: 20_000_000,
            ..self.over(job(target, LoadRole::Idle, 64 * edges.min(16), self.cores))
        };
        let mut first = vec![Load::connect_all(&warm, progress).await?];
        // Spectators of a room that does not exist would wait for it.
        if self.options.doing == Activity::Watching {
            let host = self.over(publisher(target, self.cores, 128));
            first.push(Load::connect_all(&host, progress).await?);
        }
        Ok(first)
    }

    /// Connects as many clients as the machine allows.
    async fn connect(&self, progress: &mut Progress) -> Result<(Load, RampOutcome), BenchError> {
        let options = self.options;
        let role = match options.doing {
            Activity::Nothing => LoadRole::Idle,
            Activity::Watching => LoadRole::Spectator,
        };
        let target = self.servers.address();
        let mut load = Load::start(&Job {
            at_once: options.at_once,
            ..self.over(job(target, role, options.connections, self.cores))
        })
        .await?;
        let ramp = load.ramp(|live| {
            let left = Kernel::now().map_or(0, |kernel| kernel.available) >> 20;
            let done = f64::from(live) / f64::from(options.connections);
            let now = format!(
                "{live} of {} connected, {left} MiB available",
                options.connections
            );
            progress.step(done, &now);
            if !all_run(&self.servers) {
                return Some("an edge has ended".to_owned());
            }
            (left < options.keep_free_mib)
                .then(|| format!("only {left} MiB of memory are available"))
        });
        let reached = ramp.await?;
        if !all_run(&self.servers) {
            return Err(BenchError::Ended {
                server: format!("an edge (of {} connections in total)", reached.live),
            });
        }
        if reached.live == 0 {
            return Err(BenchError::NotConnected {
                live: 0,
                wanted: options.connections,
                seconds: reached.seconds as u64,
                error: reached.stopped.or(reached.tally.error),
            });
        }
        Ok((load, reached))
    }

    fn over(&self, job: Job) -> Job {
        over(self.tls.as_ref(), job)
    }
}

fn put_settings(report: &mut Report, options: &Options, edges: u32, generators: usize) {
    let settings = &mut report.settings;
    settings.put("connections", options.connections);
    settings.put("edges", edges);
    settings.put("generators", generators);
    settings.put("doing", format!("{:?}", options.doing).to_lowercase());
    settings.put("at_once", options.at_once);
    if options.tls {
        settings.put("tls", true);
    }
}

fn all_run(servers: &Servers) -> bool {
    servers.edges().into_iter().all(|pid| program(pid).is_ok())
}

/// The number of edges for this many connections and open files per edge.
fn edges(connections: u32, files: u64) -> u32 {
    let each = u32::try_from(files.saturating_mul(FILLED_PERCENT) / 100).unwrap_or(u32::MAX);
    connections.div_ceil(each.max(1)).max(1)
}

/// Warns of limits that will stop the run.
fn look_ahead(options: &Options, report: &mut Report, progress: &mut Progress) {
    let connections = u64::from(options.connections);
    let small = limits::too_small(&Demand {
        connections,
        per_source: connections.min(PER_SOURCE as u64),
        at_once: options.at_once.into(),
    });
    let mut notes: Vec<_> = small.iter().map(ToString::to_string).collect();
    if let Ok(kernel) = Kernel::now() {
        let free = kernel.available.saturating_sub(options.keep_free_mib << 20);
        if connections * ESTIMATED_BYTES > free {
            notes.push(format!(
                "{connections} connections need about {:.1} GiB for both ends, but only {:.1} GiB are available, enough for about {}",
                gib(connections * ESTIMATED_BYTES),
                gib(free),
                free / ESTIMATED_BYTES
            ));
        }
    }
    for note in notes {
        progress.note(&note);
        report.warn(note);
    }
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

fn put_connecting(report: &mut Report, reached: &RampOutcome, cpu_s: f64) {
    let connections = f64::from(reached.live);
    let figures = &mut report.figures;
    figures.put("connections_reached", reached.live);
    figures.put("stopped_because", reached.stopped.clone());
    figures.put_number("connect_seconds", reached.seconds);
    figures.put_number("connects_per_s", connections / reached.seconds);
    figures.put_latencies("connect_", &reached.tally.entries);
    figures.put_number("edge_cpu_us_per_connect", cpu_s * 1e6 / connections);
    figures.put("retries", reached.tally.retries);
    if let Some(why) = &reached.stopped {
        report.warn(format!(
            "the run stopped at {} connections: {why}",
            reached.live
        ));
    }
    if reached.tally.retries > 0 {
        let error = reached.tally.error.clone().unwrap_or_default();
        report.warn(format!(
            "{} connects were retried: {error}",
            reached.tally.retries
        ));
    }
}

fn put_memory(report: &mut Report, connections: u32, before: &Used, after: &Used) {
    let figures = &mut report.figures;
    let connections = f64::from(connections);
    let each = |after: u64, before: u64| after.saturating_sub(before) as f64 / connections;
    let user = after.servers.edges - before.servers.edges;
    let now = &after.kernel;
    let then = &before.kernel;
    figures.put_number(
        "user_bytes_per_connection",
        user.memory as f64 / connections,
    );
    figures.put_number(
        "kernel_bytes_per_connection",
        each(now.memory(), then.memory()),
    );
    figures.put_number(
        "kernel_slab_bytes_per_connection",
        each(now.slab, then.slab),
    );
    figures.put_number(
        "kernel_buffer_bytes_per_connection",
        each(now.buffers, then.buffers),
    );
    figures.put_number("sockets_per_connection", each(now.sockets, then.sockets));
    figures.put("edges_memory_bytes", after.servers.edges.memory);
    // Includes edges, the kernel and the generators.
    figures.put_number(
        "machine_bytes_per_connection",
        each(then.available, now.available),
    );
}

fn chart(report: &Report, connections: u32) -> Chart {
    let bar = |name: &str, value| Line::new(name, vec![(0.0, value)]);
    Chart {
        title: format!("{connections} idle connections"),
        subtitle: format!(
            "connected in {:.1} s ({:.0} per second); {:.0} bytes each in the edge, {:.0} in the kernel for both ends",
            report.figure("connect_seconds"),
            report.figure("connects_per_s"),
            report.figure("user_bytes_per_connection"),
            report.figure("kernel_bytes_per_connection"),
        ),
        panels: vec![Panel {
            x: Axis::Names(vec!["memory per connection".to_owned()]),
            y: "bytes",
            lines: vec![
                bar("the edge", report.figure("user_bytes_per_connection")),
                bar(
                    "the kernel, both ends",
                    report.figure("kernel_bytes_per_connection"),
                ),
            ],
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_gives_the_number_of_edges() {
        assert_eq!(edges(60_000, 20_000), 4);
        assert_eq!(edges(1_000_000, 20_000), 59);
        assert_eq!(edges(1_000_000, u64::MAX), 1);
        assert_eq!(edges(0, 0), 1);
    }
}
