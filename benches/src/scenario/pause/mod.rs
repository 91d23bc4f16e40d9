//! `pause`: how long rooms stand still when what serves them dies, stops or is replaced.

mod round;

mod takeover;

use clap::ValueEnum;

use crate::error::BenchError;
use crate::host::pin::Cores;
use crate::host::servers::{Servers, Wanted};
use crate::load::job::{Command, Job, LoadRole, Rooms};
use crate::load::remote::Load;
use crate::load::tally::{Latencies, Tally};
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;
use crate::run::{Common, Outcome};
use crate::scenario::common::{job, settle};
use takeover::Takeover;

/// How long rooms stand still: a worker is killed, stopped or ended, or NATS restarted, while inputs flow
///
/// A pause is the time from a room's last update before to the first one after, or to the new owner's snapshot, which has
/// what was sent meanwhile. A part of it is no pause but the time in which nobody played (`input_interval_ms` at most). A
/// wait is the longest from when an input was due to its ack. Both are of the rooms that got a new owner; for NATS, of all.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Two-player rooms with inputs flowing
    #[arg(long, default_value_t = 1000)]
    pub rooms: u32,
    /// Inputs per second, over all rooms
    #[arg(long, default_value_t = 4000.0)]
    pub rate: f64,
    /// Workers
    #[arg(long, default_value_t = 3)]
    pub workers: usize,
    /// How often each is done
    #[arg(long, default_value_t = 50)]
    pub kills: u32,
    /// What is done
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = How::ALL)]
    pub how: Vec<How>,
    /// Rooms whose worker dies at once, to see how fast they are rehydrated; 0: leave that out
    #[arg(long, default_value_t = 10_000)]
    pub takeover_rooms: u32,
    /// How often that is done
    #[arg(long, default_value_t = 5)]
    pub takeovers: u32,
}

/// What is done to the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum How {
    /// A worker dies (`kill -9`).
    Kill,
    /// A worker stands still (SIGSTOP), and goes on once others have its rooms.
    Stop,
    /// A worker is asked to end, and hands over.
    Handover,
    /// NATS dies and is started again at once.
    Nats,
}

impl How {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Kill, Self::Stop, Self::Handover, Self::Nats];

    /// As in figures' names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Handover => "handover",
            Self::Nats => "nats",
        }
    }

    /// For people.
    fn label(self) -> &'static str {
        match self {
            Self::Kill => "worker killed (kill -9)",
            Self::Stop => "worker stopped (SIGSTOP)",
            Self::Handover => "planned handover (TERM)",
            Self::Nats => "NATS restarted",
        }
    }
}

/// How rooms fared over all rounds of one kind.
#[derive(Debug, Clone, Default)]
struct Fared {
    rounds: u32,
    rooms: u64,
    pauses: Latencies,
    waits: Latencies,
    /// The longest wait in rooms that nothing was done to.
    others: Latencies,
}

/// Runs it.
///
/// # Errors
/// If servers or clients cannot be had, or rooms do not come back.
pub async fn run(
    options: &Options,
    _: &Common,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let mut all = Vec::new();
    let mut counted = Tally::default();
    if !options.how.is_empty() && options.kills > 0 {
        progress.phase("starting");
        let mut servers = start(options.workers).await?;
        let mut load = players(&servers, options.rooms, progress).await?;
        round::balanced(&servers, &mut load).await?;
        load.tell(Command::Rate(options.rate)).await?;
        settle(2.0).await;
        for &how in &options.how {
            progress.phase(how.label());
            let mut fared = Fared::default();
            for kill in 0..options.kills {
                round::run(how, &mut servers, &mut load, &mut fared, kill as usize).await?;
                let p99 = fared.waits.quantile_ms(0.99).unwrap_or(0.0);
                let done = f64::from(kill + 1) / f64::from(options.kills);
                progress.step(
                    done,
                    &format!("{} of {}, wait p99 {p99:.0} ms", kill + 1, options.kills),
                );
            }
            all.push((how, fared));
        }
        load.tell(Command::Silence).await?;
        settle(3.0).await;
        counted = load.collect().await?;
    }
    let takeover = match options.takeover_rooms {
        0 => None,
        _ => Some(takeover::run(options, progress).await?),
    };
    Ok(report(options, &all, &counted, takeover.as_ref()))
}

async fn start(workers: usize) -> Result<Servers, BenchError> {
    let wanted = Wanted {
        workers,
        edges: 1,
        cores: Cores::SHARED,
    };
    Servers::start(wanted).await
}

async fn players(
    servers: &Servers,
    rooms: u32,
    progress: &mut Progress,
) -> Result<Load, BenchError> {
    progress.phase("connecting");
    let mut load = Load::start(&Job {
        rooms: Rooms {
            prefix: "relay-pause-".to_owned(),
            each: 2,
            per_connection: 1,
        },
        size: 64,
        ..job(
            servers.address(),
            LoadRole::Player,
            rooms * 2,
            Cores::SHARED,
        )
    })
    .await?;
    load.entered(progress).await?;
    Ok(load)
}

fn report(
    options: &Options,
    all: &[(How, Fared)],
    counted: &Tally,
    takeover: Option<&Takeover>,
) -> Outcome {
    let mut report = Report::new("pause");
    let settings = &mut report.settings;
    settings.put("rooms", options.rooms);
    settings.put_number("rate_per_s", options.rate);
    settings.put_number(
        "input_interval_ms",
        f64::from(options.rooms) * 1000.0 / options.rate,
    );
    settings.put("workers", options.workers);
    settings.put("kills", options.kills);
    let figures = &mut report.figures;
    for (how, fared) in all {
        let name = how.name();
        figures.put(format!("{name}_rounds"), fared.rounds);
        figures.put(format!("{name}_pauses"), fared.rooms);
        figures.put_latencies(&format!("{name}_pause_"), &fared.pauses);
        figures.put_latencies(&format!("{name}_wait_"), &fared.waits);
        figures.put_latencies(&format!("{name}_other_rooms_wait_"), &fared.others);
    }
    if !all.is_empty() {
        figures.put("inputs", counted.sent);
        figures.put("inputs_unanswered", counted.unacked);
        figures.put("inputs_rejected", counted.rejected);
        figures.put("errors", counted.errors);
    }
    if let Some(takeover) = takeover {
        takeover.put(figures);
    }
    if let Some(error) = &counted.error {
        report.warn(error.clone());
    }
    Outcome {
        chart: chart(options, all, &report),
        report,
    }
}

fn chart(options: &Options, all: &[(How, Fared)], report: &Report) -> Chart {
    let spread = |of: fn(&Fared) -> &Latencies| {
        let lines = all
            .iter()
            .map(|(how, fared)| Line::spread(how.label(), of(fared)));
        lines.collect::<Vec<_>>()
    };
    let rehydrated = report.figures.number("rehydrated_rooms_per_s");
    let rehydrated = rehydrated.map_or_else(String::new, |rate| {
        format!("; {rate:.0} rooms rehydrated a second")
    });
    Chart {
        title:
            "Pause of a room whose worker is killed, stopped or ended, or whose NATS is restarted"
                .to_owned(),
        subtitle: format!(
            "{} rooms of two players, {} inputs a second, {} workers, {} times each{rehydrated}",
            options.rooms, options.rate, options.workers, options.kills
        ),
        panels: vec![
            Panel {
                x: Axis::Percentile,
                y: "ms from last update to next",
                lines: spread(|fared| &fared.pauses),
            },
            Panel {
                x: Axis::Percentile,
                y: "ms an input waited, at most",
                lines: spread(|fared| &fared.waits),
            },
        ],
    }
}
