//! The report of `pause`.

use super::options::{Fault, Options};
use super::pauses::FaultPauses;
use super::takeover::Takeover;
use crate::load::tally::{Latencies, Tally};
use crate::outcome::Outcome;
use crate::plot::{Axis, Chart, Line, Panel};
use crate::report::Report;

pub(super) fn outcome(
    options: &Options,
    all: &[(Fault, FaultPauses)],
    counted: &Tally,
    takeover: Option<&Takeover>,
) -> Outcome {
    let mut report = Report::new("pause");
    let (probes, others) = options.parted();
    let settings = &mut report.settings;
    settings.put("rooms", options.rooms);
    settings.put("probes", probes);
    settings.put_number("probe_interval_ms", options.probe_interval_ms);
    settings.put_number("probe_rate_per_s", options.probe_rate());
    settings.put_number("rate_per_s", options.rate);
    settings.put_number(
        "input_interval_ms",
        f64::from(others) * 1000.0 / options.rate,
    );
    settings.put("idle_rooms", options.idle_rooms);
    settings.put("workers", options.workers);
    settings.put("kills", options.kills);
    let figures = &mut report.figures;
    for (fault, totals) in all {
        let name = fault.name();
        figures.put(format!("{name}_rounds"), totals.rounds);
        figures.put_number(
            format!("{name}_worker_memory_max_mib"),
            totals.memory as f64 / 1024.0 / 1024.0,
        );
        for (of, spread) in [("probe_", &totals.probes), ("", &totals.all)] {
            figures.put(format!("{name}_{of}pauses"), spread.rooms);
            figures.put_latencies(&format!("{name}_{of}pause_"), &spread.pauses);
            figures.put_latencies(&format!("{name}_{of}wait_"), &spread.waits);
        }
        figures.put_latencies(&format!("{name}_other_rooms_wait_"), &totals.unmoved);
    }
    if !all.is_empty() {
        figures.put("inputs", counted.sent);
        figures.put("inputs_unsent", counted.unsent);
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

fn chart(options: &Options, all: &[(Fault, FaultPauses)], report: &Report) -> Chart {
    let spread = |of: fn(&FaultPauses) -> &Latencies| {
        let lines = all
            .iter()
            .map(|(fault, totals)| Line::spread(fault.label(), of(totals)));
        lines.collect::<Vec<_>>()
    };
    let rehydrated = report.figures.number("rehydrated_rooms_per_s");
    let rehydrated = rehydrated.map_or_else(String::new, |rate| {
        format!("; {rate:.0} rooms rehydrated per second")
    });
    let (probes, _) = options.parted();
    Chart {
        title:
            "Pause of a room whose worker is killed, paused or shut down, or whose NATS restarts"
                .to_owned(),
        subtitle: format!(
            "{} rooms of two players, {probes} of them probes with an input every {} ms, {} workers, {} times each{rehydrated}",
            options.rooms, options.probe_interval_ms, options.workers, options.kills
        ),
        panels: vec![
            Panel {
                x: Axis::Percentile,
                y: "ms from a probe's last update to its next",
                lines: spread(|totals| &totals.probes.pauses),
            },
            Panel {
                x: Axis::Percentile,
                y: "longest wait of a probe's input, ms",
                lines: spread(|totals| &totals.probes.waits),
            },
        ],
    }
}
