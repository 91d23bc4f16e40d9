//! `idle`: what a connection costs that only is there.

use crate::error::BenchError;
use crate::host::kernel::Kernel;
use crate::host::pin::Cores;
use crate::host::servers::{Servers, Wanted};
use crate::load::job::{Job, LoadRole};
use crate::load::remote::Load;
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;
use crate::run::{Common, Outcome};
use crate::scenario::common::{job, settle};

/// Connections that only are there: how fast they come, and the memory that each takes
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How many connections
    #[arg(long, default_value_t = 15_000)]
    pub connections: u32,
    /// Edge processes on the one port; 0: as many as the limit of open files asks for
    #[arg(long, default_value_t = 0)]
    pub edges: u32,
    /// What connections do: nothing, or watch one room
    #[arg(long, value_enum, default_value_t = Doing::Nothing)]
    pub doing: Doing,
    /// How many may be on their way in at a time
    #[arg(long, default_value_t = 256)]
    pub at_once: u32,
}

/// What idle connections do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Doing {
    /// They are connected and authenticated.
    Nothing,
    /// They also are spectators of one room.
    Watching,
}

/// Connections that are sure to fit into an edge, however unevenly the kernel spreads them.
const PER_EDGE: u32 = 17_000;

/// Runs it.
///
/// # Errors
/// If servers or clients cannot be had.
pub async fn run(
    options: &Options,
    common: &Common,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let cores = Cores::apart();
    let edges = match options.edges {
        0 => options.connections.div_ceil(PER_EDGE).max(1),
        edges => edges,
    };
    progress.phase("starting");
    let servers = Servers::start(Wanted {
        workers: 1,
        edges: edges as usize,
        cores,
    })
    .await?;
    let role = match options.doing {
        Doing::Nothing => LoadRole::Idle,
        Doing::Watching => LoadRole::Spectator,
    };
    // The first connections make buffers and caches that stay: they are no connection's.
    progress.phase("warming up");
    let target = servers.address();
    let mut warm = Load::start(&Job {
        source: 250,
        first_player: 20_000_000,
        ..job(target, LoadRole::Idle, 64, cores)
    })
    .await?;
    warm.entered(progress).await?;
    settle(1.0).await;

    progress.phase("connecting");
    let kernel = || Kernel::now().map_err(BenchError::Proc);
    let (user_before, kernel_before) = (servers.usage()?, kernel()?);
    let mut load = Load::start(&Job {
        at_once: options.at_once,
        ..job(target, role, options.connections, cores)
    })
    .await?;
    let connecting_s = load.entered(progress).await?;
    let tally = load.collect().await?;
    let connecting = servers.usage()?;

    progress.phase("idle");
    settle(2.0).await;
    let (user, kernel) = (servers.usage()?, kernel()?);
    settle(common.seconds).await;
    let rest = servers.usage()?;

    let connections = f64::from(options.connections);
    let user_bytes = (user.edges - user_before.edges).memory as f64 / connections;
    let sockets = kernel.sockets.saturating_sub(kernel_before.sockets) as f64;
    let kernel_bytes = kernel.memory().saturating_sub(kernel_before.memory()) as f64 / connections;
    let mut report = Report::new("idle");
    let settings = &mut report.settings;
    settings.put("connections", options.connections);
    settings.put("edges", edges);
    settings.put("doing", format!("{:?}", options.doing).to_lowercase());
    settings.put("at_once", options.at_once);
    let figures = &mut report.figures;
    figures.put_number("connect_seconds", connecting_s);
    figures.put_number("connects_per_s", connections / connecting_s);
    figures.put_latencies("connect_", &tally.entries);
    let used = connecting.edges - user_before.edges;
    figures.put_number("edge_cpu_us_per_connect", used.cpu_s * 1e6 / connections);
    figures.put_number("user_bytes_per_connection", user_bytes);
    figures.put_number("kernel_bytes_per_connection", kernel_bytes);
    figures.put_number("sockets_per_connection", sockets / connections);
    figures.put("edges_memory_bytes", user.edges.memory);
    let idle_s = (rest.edges - user.edges).cpu_s;
    figures.put_number("edge_cpu_percent_idle", idle_s / common.seconds * 100.0);
    figures.put("retries", tally.retries);
    if tally.retries > 0 {
        report.warn(format!(
            "{} connects were tried again: {}",
            tally.retries,
            tally.error.unwrap_or_default()
        ));
    }
    Ok(Outcome {
        chart: chart(&report, options),
        report,
    })
}

fn chart(report: &Report, options: &Options) -> Chart {
    let figure = |name| report.figures.number(name).unwrap_or(0.0);
    let bar = |name: &str, value| Line::new(name, vec![(0.0, value)]);
    Chart {
        title: format!("{} idle connections", options.connections),
        subtitle: format!(
            "connected in {:.1} s ({:.0} a second); {:.0} bytes each in the edge, {:.0} in the kernel for both ends",
            figure("connect_seconds"),
            figure("connects_per_s"),
            figure("user_bytes_per_connection"),
            figure("kernel_bytes_per_connection"),
        ),
        panels: vec![Panel {
            x: Axis::Names(vec!["memory of a connection".to_owned()]),
            y: "bytes",
            lines: vec![
                bar("the edge", figure("user_bytes_per_connection")),
                bar(
                    "the kernel, both ends",
                    figure("kernel_bytes_per_connection"),
                ),
            ],
        }],
    }
}
