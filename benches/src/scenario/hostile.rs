//! `hostile`: two-player rooms on a shard that strangers attack.

use grandstand_harness::hostile::{self, Attack, Ends, Running};

use crate::error::BenchError;
use crate::host::pin::{Cores, Pinned};
use crate::host::priority::Priority;
use crate::host::servers::{Servers, Wanted};
use crate::load::job::{Command, Job};
use crate::load::remote::Load;
use crate::load::tally::Latencies;
use crate::outcome::{Outcome, RunOptions};
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;
use crate::scenario::figures::put_servers;
use crate::scenario::measure::{Measured, drain, measure, settle, warm_up};
use crate::scenario::rooms::pairs;

/// Two-player rooms on a shard that hostile clients attack: latency from input to ack without them, beside each kind of
/// them, and beside all kinds at once
///
/// The servers share one core. The players and the hostile clients share another, and the players come first there.
/// Each kind has an address of its own, so that the limits of the edge's default configuration hold for it.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Number of two-player rooms
    #[arg(long, default_value_t = 50)]
    pub rooms: u32,
    /// Inputs per second, over all rooms
    #[arg(long, default_value_t = 250.0)]
    pub rate: f64,
    /// Size of an input's data in bytes
    #[arg(long, default_value_t = 64)]
    pub size: u32,
    /// The kinds to measure, separated by commas, for example ping_flood,never_reads; without it all, and then all at once
    #[arg(long, value_delimiter = ',', value_parser = kind)]
    pub only: Vec<Attack>,
}

/// A part of the measurement: its name, the latency, and what the hostile clients got.
struct Part {
    name: &'static str,
    acks: Latencies,
    ends: Ends,
    missing: u64,
}

/// Runs the scenario.
///
/// # Errors
/// If servers or clients are unavailable.
pub async fn run(
    options: &Options,
    common: &RunOptions,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    progress.phase("starting");
    let cores = Cores::apart();
    let stage = hostile::Stage::new().map_err(BenchError::Runtime)?;
    let variables: Vec<_> = stage.variables("GRANDSTAND_EDGE_", &[]).collect();
    let wanted = Wanted {
        workers: 1,
        edges: 1,
        cores,
    };
    let servers = Servers::start_with(wanted, &variables).await?;
    let target = stage.target(servers.address());
    progress.phase("connecting");
    let players = Job {
        priority: Priority::First,
        ..pairs(&servers, options.rooms, options.size, cores)
    };
    let mut load = Load::connect_all(&players, progress).await?;
    load.tell(Command::Rate(options.rate)).await?;
    warm_up(common).await;
    progress.phase("without hostile clients");
    let mut last = measure(&servers, &mut [&mut load], common, progress).await?;
    let mut parts = vec![part("alone", &last, &[])];
    let (kinds, all_at_once) = if options.only.is_empty() {
        (Attack::ALL.to_vec(), true)
    } else {
        (options.only.clone(), options.only.len() > 1)
    };
    let rounds = kinds.iter().map(|&kind| (kind.name(), vec![kind]));
    let all = all_at_once.then(|| ("all", kinds.clone()));
    // Hostile clients are tasks of this thread.
    let pinned = Pinned::to(cores.client).map_err(BenchError::Pin)?;
    for (name, kinds) in rounds.chain(all) {
        progress.phase(format!("beside {name}"));
        let attacks: Vec<_> = kinds
            .into_iter()
            .map(|kind| hostile::start(kind, target.clone()))
            .collect();
        warm_up(common).await;
        last = measure(&servers, &mut [&mut load], common, progress).await?;
        parts.push(part(name, &last, &attacks));
        drop(attacks);
        // The next kind does not find what is left of this one.
        settle(1.0).await;
    }
    drop(pinned);
    load.tell(Command::Silence).await?;
    let mut late = last.clone();
    drain(&mut [&mut load], &mut late).await?;
    let mut report = Report::new("hostile");
    let settings = &mut report.settings;
    settings.put("rooms", options.rooms);
    settings.put_number("rate_per_s", options.rate);
    settings.put("size_bytes", options.size);
    settings.put_number("seconds", common.seconds);
    put(&mut report, &parts);
    put_servers(&mut report, &last);
    report.put_generator(last.generator);
    Ok(Outcome {
        chart: chart(&parts, options),
        report,
    })
}

fn part(name: &'static str, measured: &Measured, attacks: &[Running]) -> Part {
    let tally = &measured.tallies[0];
    let mut ends = Ends::default();
    for attack in attacks {
        ends.merge(&attack.ends());
    }
    Part {
        name,
        acks: tally.acks.clone(),
        ends,
        missing: tally.sent_in_window.saturating_sub(tally.acks.count()),
    }
}

/// Adds p50, p99 and the ratio to the first part, for each part.
fn put(report: &mut Report, parts: &[Part]) {
    let p99 = |part: &Part| part.acks.quantile_ms(0.99).unwrap_or(f64::NAN);
    let alone = parts.first().map_or(f64::NAN, p99);
    let mut worst: f64 = 0.0;
    for part in parts {
        let figures = &mut report.figures;
        let name = part.name;
        figures.put_number(
            format!("{name}_ack_p50_ms"),
            part.acks.quantile_ms(0.5).unwrap_or(f64::NAN),
        );
        figures.put_number(format!("{name}_ack_p99_ms"), p99(part));
        if name != "alone" {
            let ratio = p99(part) / alone;
            worst = worst.max(ratio);
            figures.put_number(format!("{name}_ratio"), ratio);
            figures.put(format!("{name}_ends"), part.ends.to_string());
        }
        if part.missing > 0 {
            // Those of the last moments are on their way when the window closes.
            figures.put(format!("{name}_acks_late"), part.missing);
        }
    }
    report.figures.put_number("worst_ratio", worst);
}

fn chart(parts: &[Part], options: &Options) -> Chart {
    let lines = parts.iter().filter(|p| ["alone", "all"].contains(&p.name));
    Chart {
        title: format!(
            "{} two-player rooms on a shard that hostile clients attack",
            options.rooms
        ),
        subtitle: format!("{} inputs a second; from input to ack", options.rate),
        panels: vec![Panel {
            x: Axis::Percentile,
            y: "ms from input to ack",
            lines: lines
                .map(|part| Line::spread(part.name, &part.acks))
                .collect(),
        }],
    }
}

fn kind(text: &str) -> Result<Attack, String> {
    let found = Attack::ALL.into_iter().find(|kind| kind.name() == text);
    found.ok_or_else(|| {
        let names: Vec<_> = Attack::ALL.map(Attack::name).to_vec();
        format!("it must be one of {}", names.join(", "))
    })
}
