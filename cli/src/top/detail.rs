//! The details of one process.

use ratatui::style::{Color, Style};
use ratatui::text::Line;

use super::format::{bytes, cores, count, sparkline, time};
use super::problems::{self, Weight};
use super::process::Process;

/// The width of a sparkline.
const SPARKLINE: usize = 60;

/// All that is known of a process.
pub(super) fn lines(process: &Process) -> Vec<Line<'static>> {
    let now = &process.now;
    let limit = |used: String, most: Option<f64>| match most {
        Some(most) => format!("{used} of {}", count(Some(most))),
        None => used,
    };
    let mut lines = Vec::new();
    for (name, value) in [
        (
            "clients",
            limit(count(now.connections), now.max_connections),
        ),
        (
            "players, viewers",
            format!("{}, {}", count(now.players), count(now.viewers)),
        ),
        (
            "rooms, partitions",
            format!("{}, {}", count(now.rooms), count(now.partitions)),
        ),
        ("connects/s", count(now.accepted)),
        (
            "messages, inputs/s",
            format!("{}, {}", count(now.messages_in), count(now.inputs)),
        ),
        (
            "writes, errors/s",
            format!("{}, {}", count(now.deliveries), count(now.errors)),
        ),
        (
            "input p50, p99",
            format!("{}, {}", time(now.input_p50), time(now.input_p99)),
        ),
        ("spectators p99", time(now.spectators_p99)),
        ("loop lag p99", time(now.loop_lag_p99)),
        ("NATS round trip", time(now.bus_round_trip)),
        (
            "cpu, memory",
            format!("{}, {}", cores(now.cpu), bytes(now.memory)),
        ),
        ("open files", limit(count(now.files), now.max_files)),
    ] {
        lines.push(Line::from(format!("{name:20}{value}")));
    }
    for (name, history) in [("p99", &process.latencies), ("cpu", &process.loads)] {
        let bars = sparkline(history.iter(), SPARKLINE.min(history.len()));
        lines.push(Line::from(format!("{name:20}{bars}")));
    }
    for problem in problems::of(process) {
        let color = match problem.weight {
            Weight::Severe => Color::Red,
            Weight::Odd => Color::Yellow,
        };
        lines.push(Line::from(problem.text).style(Style::new().fg(color)));
    }
    lines
}
