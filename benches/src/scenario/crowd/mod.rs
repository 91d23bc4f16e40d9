//! `crowd`: a giant crowd waits for a room, sees it, and sees its end, while another client of the shard pings.

mod options;

mod phase;

mod sockets;

mod core;

use crate::error::BenchError;
use crate::host::limits::{self, Demand};
use crate::load::swarm::PER_SOURCE;
use crate::outcome::{Outcome, RunOptions};
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;
use crate::scenario::variant::Variant;
pub use options::Options;
use phase::Phase;

/// Runs the scenario.
///
/// # Errors
/// If servers or clients are unavailable, or clients are not told.
pub async fn run(
    options: &Options,
    common: &RunOptions,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let small = limits::too_small(&Demand {
        connections: options.spectators.into(),
        per_source: options.spectators.min(PER_SOURCE as u32).into(),
        at_once: 256,
    });
    let mut outcome = options
        .repeat
        .run("worst_p99_ms", progress, async |variant, progress| {
            run_once(options, common, variant, progress).await
        })
        .await?;
    for limit in small {
        outcome.report.warn(limit.to_string());
    }
    Ok(outcome)
}

async fn run_once(
    options: &Options,
    common: &RunOptions,
    variant: &Variant,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let mut report = Report::new("crowd");
    let settings = &mut report.settings;
    settings.put("spectators", options.spectators);
    settings.put("members", options.members);
    settings.put_number("rate_per_s", options.rate);
    settings.put_number("pings_per_s", options.pings);
    settings.put_number("seconds", common.seconds);
    let sockets = sockets::run(options, common, variant, progress, &mut report).await?;
    progress.phase("the core without sockets");
    let core = match options.members {
        0 => Vec::new(),
        members => core::run(members, common.seconds),
    };
    let mut worst = 0.0_f64;
    for (prefix, phases) in [("", &sockets), ("core_", &core)] {
        for phase in phases {
            let name = format!("{prefix}{}_ping_", phase.name);
            report.figures.put_latencies(&name, &phase.pings);
            if let Some(seconds) = phase.seconds {
                let name = format!("{prefix}{}_seconds", phase.name);
                report.figures.put_number(name, seconds);
            }
            if let Some(step) = phase.step {
                let name = format!("{prefix}{}_step_max_ms", phase.name);
                (report.figures).put_number(name, step.as_secs_f64() * 1000.0);
            }
            worst = worst.max(phase.pings.quantile_ms(0.99).unwrap_or(0.0));
        }
    }
    report.figures.put_number("worst_p99_ms", worst);
    Ok(Outcome {
        chart: chart(options, worst, &sockets, &core),
        report,
    })
}

fn chart(options: &Options, worst: f64, sockets: &[Phase], core: &[Phase]) -> Chart {
    let panel = |y, phases: &[Phase]| Panel {
        x: Axis::Percentile,
        y,
        lines: (phases.iter())
            .map(|phase| Line::spread(phase.name, &phase.pings))
            .collect(),
    };
    let mut panels = vec![panel("ms from ping to pong, sockets", sockets)];
    if !core.is_empty() {
        panels.push(panel("ms from ping to pong, core only", core));
    }
    Chart {
        title: format!(
            "{} spectators wait for a room, see it, and see its end",
            options.spectators
        ),
        subtitle: format!(
            "the ping of another client of the shard: p99 at most {worst:.2} ms; a core alone has {} members",
            options.members
        ),
        panels,
    }
}
