//! Measurements while generators work.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::error::BenchError;
use crate::host::proc::Usage;
use crate::host::servers::{Servers, ServersUsage};
use crate::load::clock::now_ns;
use crate::load::job::Command;
use crate::load::remote::Load;
use crate::load::tally::Tally;
use crate::outcome::RunOptions;
use crate::progress::Progress;

/// Time for generators to receive a window's start: the first value, doubled after each failure up to the second.
const FIRST_AHEAD: Duration = Duration::from_millis(100);
const MAX_AHEAD: Duration = Duration::from_secs(10);

/// The figures of one second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// Seconds since the start.
    pub at_s: f64,
    /// Received messages per second.
    pub received: f64,
    /// p99 of the latencies in milliseconds.
    pub p99_ms: f64,
    /// Cores in use by the edges.
    pub edge_cores: f64,
    /// Memory of the edges in bytes.
    pub edge_memory: u64,
}

/// The result of a measurement.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Its duration in seconds.
    pub seconds: f64,
    /// The counts of each load.
    pub tallies: Vec<Tally>,
    /// The usage of the servers.
    pub used: ServersUsage,
    /// The busiest generator's share of a core.
    pub generator: f64,
    /// The first load's figures, second by second.
    pub samples: Vec<Sample>,
    /// Messages that the first load received while CPU time was measured.
    pub received: u64,
}

/// Measures for as long as the options say. Inputs that are due in that time count even if they are delivered afterwards.
///
/// # Errors
/// If a process has ended.
pub async fn measure(
    servers: &Servers,
    loads: &mut [&mut Load],
    common: &RunOptions,
    progress: &mut Progress,
) -> Result<Measured, BenchError> {
    let usage = || servers.usage();
    measure_until(usage, loads, common.seconds, progress, |_| false).await
}

/// Measures like [`measure`], for at most `seconds`. Ends early once `enough` returns true.
///
/// # Errors
/// If a process has ended.
pub async fn measure_until(
    usage: impl Fn() -> Result<ServersUsage, BenchError>,
    loads: &mut [&mut Load],
    seconds: f64,
    progress: &mut Progress,
    enough: impl Fn(&Measured) -> bool,
) -> Result<Measured, BenchError> {
    let mut measured = Measured::default();
    let pids: Vec<_> = loads.iter().flat_map(|load| load.pids()).collect();
    let generators = || {
        pids.iter()
            .map(|&pid| Usage::read(pid))
            .collect::<Result<Vec<_>, _>>()
    };
    // Earlier counts are discarded. CPU time and received messages count from here, shortly before the window.
    let start = open_window(loads, seconds).await?;
    measured.tallies = vec![Tally::default(); loads.len()];
    let origin = Instant::now();
    let before = usage()?;
    let idle = generators().map_err(BenchError::Proc)?;
    let (mut last_s, mut last_used) = (0.0, before);
    let steps = seconds.ceil().max(1.0) as u32;
    for step in 1..=steps {
        let at = start + Duration::from_secs_f64(seconds * f64::from(step) / f64::from(steps));
        sleep_until(at).await;
        let now_s = origin.elapsed().as_secs_f64();
        let used = usage()?;
        let mut sample = Sample {
            at_s: now_s,
            edge_cores: (used.edges.cpu_s - last_used.edges.cpu_s) / (now_s - last_s),
            edge_memory: used.edges.memory,
            ..Sample::default()
        };
        for (at, load) in loads.iter_mut().enumerate() {
            let tally = load.collect().await?;
            if at == 0 {
                sample.received = tally.received as f64 / (now_s - last_s);
                sample.p99_ms = tally.latencies.quantile_ms(0.99).unwrap_or(0.0);
                measured.received += tally.received;
            }
            measured.tallies[at].add_later(&tally);
        }
        progress.step(
            f64::from(step) / f64::from(steps),
            &format!("{:.0} received/s", sample.received),
        );
        measured.samples.push(sample);
        (last_s, last_used) = (now_s, used);
        if enough(&measured) {
            break;
        }
    }
    measured.seconds = origin.elapsed().as_secs_f64();
    let after = usage()?;
    measured.used = ServersUsage {
        edges: after.edges - before.edges,
        workers: after.workers - before.workers,
        nats: after.nats - before.nats,
    };
    let busy = generators().map_err(BenchError::Proc)?;
    let shares = busy
        .iter()
        .zip(&idle)
        .map(|(&busy, &idle)| (busy - idle).cpu_s / measured.seconds);
    measured.generator = shares.fold(0.0, f64::max);
    Ok(measured)
}

/// Opens the window of all loads at a time in the near future. All generators must know the window before it opens;
/// otherwise some would miss inputs that others count. They handle commands in order, so an answer proves that they
/// know it.
async fn open_window(loads: &mut [&mut Load], seconds: f64) -> Result<Instant, BenchError> {
    let mut ahead = FIRST_AHEAD;
    loop {
        let start = Instant::now() + ahead;
        let start_ns = now_ns() + ahead.as_nanos() as u64;
        let end_ns = start_ns + (seconds * 1e9) as u64;
        for load in loads.iter_mut() {
            load.tell(Command::Window(start_ns, end_ns)).await?;
        }
        for load in loads.iter_mut() {
            load.collect().await?;
        }
        if Instant::now() < start || ahead > MAX_AHEAD {
            return Ok(start);
        }
        ahead *= 2;
    }
}

/// Waits for late messages, until none has come for a second.
///
/// # Errors
/// If a process has ended.
pub async fn drain(loads: &mut [&mut Load], measured: &mut Measured) -> Result<(), BenchError> {
    const ROUNDS: u32 = 60;
    let mut quiet = 0;
    for _ in 0..ROUNDS {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut came = 0;
        for (at, load) in loads.iter_mut().enumerate() {
            let tally = load.collect().await?;
            came += tally.received + tally.acked;
            measured.tallies[at].add_later(&tally);
        }
        quiet = if came == 0 { quiet + 1 } else { 0 };
        if quiet == 2 {
            break;
        }
    }
    Ok(())
}

/// Waits before a measurement, so that the system settles.
pub async fn settle(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

/// Waits until the effect of a new rate has settled.
pub async fn warm_up(common: &RunOptions) {
    settle(common.seconds.min(3.0)).await;
}
