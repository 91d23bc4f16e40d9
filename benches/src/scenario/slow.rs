//! `slow`: many spectators do not read.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::BenchError;
use crate::host::kernel::Kernel;
use crate::load::job::{Command, Job, Reading};
use crate::load::remote::Load;
use crate::load::tally::Tally;
use crate::outcome::{Outcome, RunOptions};
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;
use crate::scenario::figures::put_servers;
use crate::scenario::measure::{Measured, measure, settle, warm_up};
use crate::scenario::stage::Stage;
use crate::scenario::variant::{Repeat, Variant};

/// Half of a room's spectators do not read: the edge's memory, and the latency of the others
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Number of spectators
    #[arg(long, default_value_t = 10_000)]
    pub spectators: u32,
    /// Messages per second
    #[arg(long, default_value_t = 60.0)]
    pub rate: f64,
    /// Size of a message's data in bytes
    #[arg(long, default_value_t = 128)]
    pub size: u32,
    /// Percentage of spectators that do not read at all
    #[arg(long, default_value_t = 40)]
    pub stuck_percent: u32,
    /// Percentage of spectators that read a tenth of the data
    #[arg(long, default_value_t = 10)]
    pub slow_percent: u32,
    /// The variants and rounds.
    #[command(flatten)]
    pub repeat: Repeat,
}

/// The most time until slow readers are current, once they read again.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Small, so that unread data queue in the server and not in the clients' kernel.
const RECEIVE_BUFFER: u32 = 8192;

/// The figures of all phases.
struct Phases {
    /// The number of spectators that read all the time.
    reading: u32,
    /// The player and its readers, while all spectators read.
    before: Measured,
    /// The player and its readers, while the others do not.
    during: Measured,
    /// The messages to the others once they read again.
    late: Tally,
    memory_before: u64,
    kernel_before: Kernel,
    kernel_during: Kernel,
    /// The seconds until the others were current again.
    current_s: f64,
}

impl Phases {
    fn report(&self, options: &Options, common: &RunOptions) -> Report {
        let before = &self.before;
        let during = &self.during;
        let mut report = Report::new("slow");
        let settings = &mut report.settings;
        settings.put("spectators", options.spectators);
        settings.put_number("rate_per_s", options.rate);
        settings.put("size_bytes", options.size);
        settings.put("stuck_percent", options.stuck_percent);
        settings.put("slow_percent", options.slow_percent);
        settings.put_number("seconds", common.seconds);
        let figures = &mut report.figures;
        figures.put_latencies("all_read_", &before.tallies[0].latencies);
        figures.put_latencies("readers_", &during.tallies[0].latencies);
        let offered = during.tallies[1].sent_in_window * u64::from(self.reading);
        let delivered = during.tallies[0].in_window as f64 / offered.max(1) as f64;
        figures.put_number("readers_delivered_percent", delivered * 100.0);
        let peak = during.samples.iter().map(|sample| sample.edge_memory).max();
        figures.put("edge_memory_before_bytes", self.memory_before);
        figures.put("edge_memory_most_bytes", peak.unwrap_or(0));
        figures.put("kernel_buffers_before_bytes", self.kernel_before.buffers);
        figures.put("kernel_buffers_after_bytes", self.kernel_during.buffers);
        figures.put_number("current_again_seconds", self.current_s);
        figures.put("snapshots", self.late.snapshots);
        figures.put("errors", self.late.errors);
        if let Some(error) = &self.late.error {
            report.warn(error.clone());
        }
        put_servers(&mut report, during);
        report.put_generator(during.generator);
        report
    }
}

/// Runs the scenario.
///
/// # Errors
/// If servers or clients are unavailable, or slow readers do not become current.
pub async fn run(
    options: &Options,
    common: &RunOptions,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    options
        .repeat
        .run("readers_p99_ms", progress, async |variant, progress| {
            run_once(options, common, variant, progress).await
        })
        .await
}

async fn run_once(
    options: &Options,
    common: &RunOptions,
    variant: &Variant,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let mut stage = Stage::start(variant, options.size, progress).await?;
    let mut crowd = Crowd::connect(&stage, options, progress).await?;
    let Stage {
        player, servers, ..
    } = &mut stage;
    player.tell(Command::Rate(options.rate)).await?;
    warm_up(common).await;

    progress.phase("all spectators read");
    let mut loads = [&mut crowd.readers, &mut *player];
    let before = measure(servers, &mut loads, common, progress).await?;
    let memory_before = servers.usage()?.edges.memory;
    let kernel_before = kernel()?;
    progress.phase("half do not read");
    crowd.read_slowly(options).await?;
    let mut loads = [&mut crowd.readers, &mut *player];
    let mut during = measure(servers, &mut loads, common, progress).await?;
    let kernel_during = kernel()?;
    player.tell(Command::Silence).await?;

    progress.phase("all read again, until current");
    settle(1.0).await;
    let rest = crowd.readers.collect().await?;
    // Messages that were in flight at the end count, too.
    during.tallies[0].add_later(&rest);
    let (late, current_s) = crowd.read_again(rest.newest).await?;

    let phases = Phases {
        reading: crowd.reading,
        before,
        during,
        late,
        memory_before,
        kernel_before,
        kernel_during,
        current_s,
    };
    let report = phases.report(options, common);
    Ok(Outcome {
        chart: chart(&report, options, &phases.before, &phases.during),
        report,
    })
}

/// The spectators: those that always read, those that stop, and those that become slow.
struct Crowd {
    /// The number of readers.
    reading: u32,
    readers: Load,
    stuck: Load,
    slow: Load,
}

impl Crowd {
    async fn connect(
        stage: &Stage,
        options: &Options,
        progress: &mut Progress,
    ) -> Result<Self, BenchError> {
        let share = |percent: u32| options.spectators * percent / 100;
        let stuck = share(options.stuck_percent);
        let slow = share(options.slow_percent);
        let reading = options.spectators.saturating_sub(stuck + slow);
        let part = |number: u32, connections: u32, receive_buffer: u32| Job {
            first_player: number * 1_000_000,
            receive_buffer,
            ..stage.spectators(connections.max(1))
        };
        let mut crowd = Self {
            reading,
            readers: Load::start(&part(1, reading, 0)).await?,
            stuck: Load::start(&part(2, stuck, RECEIVE_BUFFER)).await?,
            slow: Load::start(&part(3, slow, RECEIVE_BUFFER)).await?,
        };
        for load in [&mut crowd.readers, &mut crowd.stuck, &mut crowd.slow] {
            load.wait_connected(progress).await?;
        }
        Ok(crowd)
    }

    /// Makes the others stop or read slowly.
    async fn read_slowly(&mut self, options: &Options) -> Result<(), BenchError> {
        self.stuck.tell(Command::Read(Reading::Nothing)).await?;
        // A message of 128 bytes takes about 235 bytes on the wire.
        let tenth = options.rate * f64::from(options.size + 107) / 10.0;
        self.slow
            .tell(Command::Read(Reading::Slowly(tenth as u32)))
            .await?;
        for load in [&mut self.stuck, &mut self.slow] {
            // The first snapshots are not caused by slow reading.
            load.collect().await?;
        }
        Ok(())
    }

    /// Makes the others read again, and waits until they have version `newest`. Returns what they received meanwhile,
    /// and the seconds that it took.
    async fn read_again(&mut self, newest: u64) -> Result<(Tally, f64), BenchError> {
        for load in [&mut self.stuck, &mut self.slow] {
            load.tell(Command::Read(Reading::All)).await?;
        }
        let start = Instant::now();
        let mut late = Tally::default();
        for load in [&mut self.stuck, &mut self.slow] {
            late.add(&until_current(load, newest, start).await?);
        }
        Ok((late, start.elapsed().as_secs_f64()))
    }
}

/// Waits until all clients of a load have the newest version. Returns what they received meanwhile.
async fn until_current(load: &mut Load, newest: u64, start: Instant) -> Result<Tally, BenchError> {
    let mut received = Tally::default();
    loop {
        let tally = load.collect().await?;
        received.add_later(&tally);
        if tally.newest == newest && tally.behind == 0 {
            return Ok(received);
        }
        if start.elapsed() > TIMEOUT {
            return Err(BenchError::Timeout {
                state: format!("{} slow readers are still behind", tally.behind),
                seconds: TIMEOUT.as_secs(),
            });
        }
        sleep(Duration::from_millis(20)).await;
    }
}

fn kernel() -> Result<Kernel, BenchError> {
    Kernel::now().map_err(BenchError::Proc)
}

fn chart(report: &Report, options: &Options, before: &Measured, during: &Measured) -> Chart {
    let memory = |measured: &Measured| {
        let points = measured.samples.iter();
        points
            .map(|sample| (sample.at_s, sample.edge_memory as f64 / 1e6))
            .collect()
    };
    Chart {
        title: format!(
            "{} spectators: {} % do not read, {} % read too slowly",
            options.spectators, options.stuck_percent, options.slow_percent
        ),
        subtitle: format!(
            "p99 of readers: {:.1} ms before, {:.1} ms meanwhile; all are current {:.1} s after they read again",
            report.figure("all_read_p99_ms"),
            report.figure("readers_p99_ms"),
            report.figure("current_again_seconds"),
        ),
        panels: vec![
            Panel {
                x: Axis::Seconds,
                y: "memory of the edge, MB",
                lines: vec![
                    Line::new("all read", memory(before)),
                    Line::new("half do not read", memory(during)),
                ],
            },
            Panel {
                x: Axis::Percentile,
                y: "ms from the player's send",
                lines: vec![
                    Line::spread("all read", &before.tallies[0].latencies),
                    Line::spread(
                        "readers, while half do not read",
                        &during.tallies[0].latencies,
                    ),
                ],
            },
        ],
    }
}
