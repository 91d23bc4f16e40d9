//! `peers`: Grandstand and other servers in one run.

mod peer;

pub mod options;

mod server;

mod running;

mod full;

mod row;

mod table;

use crate::error::BenchError;
use crate::outcome::{Outcome, RunOptions};
use crate::plot::{Axis, Chart, Line, Panel, short};
use crate::progress::Progress;
use crate::report::Report;
use full::Full;
pub use options::Options;
use peer::Peer;
use row::{Connects, Fanout, Resumed, Row};

/// Runs the scenario.
///
/// # Errors
/// If servers or clients are unavailable.
pub async fn run(
    options: &Options,
    common: &RunOptions,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let mut warnings = Vec::new();
    let mut peers = options.peers();
    let alone = peers.iter().all(|peer| peer.is_ours());
    peers.retain(|peer| match peer.installed(&options.dir, options.tls) {
        Ok(()) => true,
        Err(why) => {
            warnings.push(format!("{} is skipped: {why}", peer.label()));
            false
        }
    });
    let mut rounds = vec![Vec::new(); peers.len()];
    let mut reports = vec![Report::new("peers"); options.rounds as usize];
    for (round, report) in reports.iter_mut().enumerate() {
        if options.rounds > 1 {
            progress.within(&format!("round {} of {}", round + 1, options.rounds));
        }
        for (&peer, rows) in peers.iter().zip(&mut rounds) {
            match row(peer, options, common, progress).await {
                Ok(row) => {
                    row.put(&mut report.figures);
                    rows.push(row);
                }
                // The remaining servers are still measured.
                Err(error) => {
                    let why = format!("{} could not be measured: {error}", peer.label());
                    progress.note(&why);
                    warnings.push(why);
                }
            }
        }
    }
    progress.within("");
    let rows: Vec<_> = rounds.iter().filter_map(|rows| Row::median(rows)).collect();
    if rows.is_empty() || !alone && rows.iter().all(|row| row.peer.is_ours()) {
        return Err(BenchError::NoPeers {
            why: warnings.join("; "),
        });
    }
    let mut report = Report::median(&reports.iter().collect::<Vec<_>>());
    let settings = &mut report.settings;
    settings.put("spectators", options.spectators);
    settings.put("size_bytes", options.size);
    settings.put_number("seconds", common.seconds);
    if options.tls {
        settings.put("tls", true);
    }
    settings.put("rounds", options.rounds);
    warnings
        .into_iter()
        .for_each(|warning| report.warn(warning));
    warn_of_generator(&rows, &mut report);
    let table = table::markdown(&rows, options, common.seconds);
    if let Some(path) = &options.write {
        table::write(path, &table, options.tls)?;
    }
    if !common.json {
        progress.note(&table);
    }
    Ok(Outcome {
        chart: chart(&rows, options),
        report,
    })
}

fn warn_of_generator(rows: &[Row], report: &mut Report) {
    for row in rows {
        for fanout in row.fanouts.iter().filter(|f| f.generator_percent > 90.0) {
            report.warn(format!(
                "{} at {}/s: the load generator was busy for {:.0} % of the time and may limit the figures",
                row.peer.label(),
                fanout.rate,
                fanout.generator_percent
            ));
        }
    }
}

/// Measures one server, starting it again for each rate, so that no queue carries over to the next rate.
async fn row(
    peer: Peer,
    options: &Options,
    common: &RunOptions,
    progress: &mut Progress,
) -> Result<Row, BenchError> {
    let mut row = Row {
        peer,
        connects: Connects::default(),
        fanouts: Vec::new(),
    };
    for (at, &rate) in options.rates.iter().enumerate() {
        progress.phase(peer.label());
        let (mut full, connects) = Full::start(peer, options, progress).await?;
        if at == 0 {
            row.connects = connects;
        }
        progress.phase(format!("{}, {rate}/s", peer.label()));
        row.fanouts
            .push(full.fan_out(rate, common.seconds, progress).await?);
    }
    Ok(row)
}

fn chart(rows: &[Row], options: &Options) -> Chart {
    let names: Vec<_> = rows.iter().map(|row| row.peer.label().to_owned()).collect();
    let of_rates = |value: fn(&Fanout) -> f64, unit: &str| {
        let rates = options.rates.iter();
        rates.map(|&rate| line(rows, rate, value, unit)).collect()
    };
    let panel = |y, lines| Panel {
        x: Axis::Names(names.clone()),
        y,
        lines,
    };
    let of_connects = |name: &str, value: fn(&Connects) -> Option<f64>| {
        let points = rows.iter().enumerate();
        let points = points.filter_map(|(at, row)| Some((at as f64, value(&row.connects)?)));
        Line::new(name, points.collect())
    };
    let memory = of_connects("memory", |connects| Some(connects.bytes / 1000.0));
    let how = match options.rounds {
        1 => "one after the other in one run".to_owned(),
        rounds => format!("medians of {rounds} rounds in alternation"),
    };
    let mut chart = Chart {
        title: format!(
            "One room of {} spectators, messages of {} bytes{}",
            options.spectators,
            options.size,
            if options.tls { ", TLS 1.3" } else { "" }
        ),
        subtitle: format!("each server on one core, the load generator on another; {how}"),
        panels: vec![
            panel(
                "deliveries a second (more is better)",
                of_rates(|fanout| fanout.per_second, "/s"),
            ),
            panel(
                "p99 from send to receipt, ms (less is better)",
                of_rates(|fanout| fanout.p99_ms, " ms"),
            ),
            panel(
                "CPU per delivery, µs (less is better)",
                of_rates(|fanout| fanout.cpu_us, " µs"),
            ),
            panel(
                "memory per idle connection, KB (less is better)",
                vec![memory],
            ),
        ],
    };
    if options.tls {
        let full = of_connects("full handshake", |connects| Some(connects.cpu_us));
        let resumed = of_connects("resumed session", |connects| {
            let resumed = connects.resumed.filter(Resumed::is_real);
            resumed.map(|resumed| resumed.cpu_us)
        });
        let connects = panel("CPU per connect, µs (less is better)", vec![full, resumed]);
        chart.panels.push(connects);
    }
    chart
}

/// Draws a figure of each server at a rate.
fn line(rows: &[Row], rate: f64, value: fn(&Fanout) -> f64, unit: &str) -> Line {
    let mut points = Vec::new();
    let mut notes = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let Some(fanout) = row.fanout(rate) else {
            continue;
        };
        let reached = table::per_second(fanout.per_second);
        let (bar, note) = match fanout.collapsed {
            false => (value(fanout), format!("{}{unit}", short(value(fanout)))),
            true if unit == "/s" => (fanout.per_second, format!("collapses at {reached}")),
            true => (0.0, "collapses".to_owned()),
        };
        points.push((at as f64, bar));
        notes.push((at as f64, note));
    }
    let name = format!("{rate} messages a second");
    Line {
        notes,
        ..Line::new(name, points)
    }
}
