//! The table of servers, as Markdown.

use std::fmt::Write as _;
use std::path::Path;

use super::Options;
use super::server::Peer;
use crate::error::BenchError;
use crate::report::Figures;
use crate::scenario::common::Measured;

const BEGIN: &str = "<!-- peers: written by `grandstand bench peers --write` -->";
const END: &str = "<!-- /peers -->";

/// What a server did at one rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fanout {
    pub(super) rate: f64,
    pub(super) delivered_percent: f64,
    pub(super) per_second: f64,
    pub(super) p99_ms: f64,
    pub(super) cpu_us: f64,
    pub(super) generator_percent: f64,
}

impl Fanout {
    pub(super) fn new(rate: f64, watchers: u32, measured: &Measured) -> Self {
        let (watching, publishing) = (&measured.tallies[0], &measured.tallies[1]);
        let due = publishing.sent_in_window + publishing.unsent;
        let offered = (due * u64::from(watchers)).max(1);
        Self {
            rate,
            delivered_percent: watching.in_window as f64 / offered as f64 * 100.0,
            per_second: measured.received as f64 / measured.seconds,
            p99_ms: watching.latencies.quantile_ms(0.99).unwrap_or(0.0),
            cpu_us: measured.used.edges.cpu_s * 1e6 / measured.received.max(1) as f64,
            generator_percent: measured.generator * 100.0,
        }
    }
}

/// A server.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) peer: Peer,
    pub(super) bytes_per_connection: f64,
    pub(super) fanouts: Vec<Fanout>,
}

impl Row {
    pub(super) fn put(&self, figures: &mut Figures) {
        let name = self.peer.name();
        figures.put_number(
            format!("{name}_bytes_per_connection"),
            self.bytes_per_connection,
        );
        for fanout in &self.fanouts {
            for (what, value) in [
                ("delivered_percent", fanout.delivered_percent),
                ("deliveries_per_s", fanout.per_second),
                ("p99_ms", fanout.p99_ms),
                ("cpu_us_per_delivery", fanout.cpu_us),
                ("generator_cpu_percent", fanout.generator_percent),
            ] {
                figures.put_number(format!("{name}_{}_{what}", fanout.rate), value);
            }
        }
    }
}

/// The table; ratios are to ours, if we are in it.
pub(super) fn markdown(rows: &[Row], options: &Options, seconds: f64) -> String {
    let ours = rows.iter().find(|row| row.peer == Peer::Grandstand);
    let mut text = format!(
        "{} spectators of one room, messages of {} bytes, {seconds} s each; in brackets: how many times ours.\n\n\
         | server | memory per connection |",
        options.spectators, options.size
    );
    for rate in &options.rates {
        write!(text, " {rate}/s: delivered, p99, CPU per delivery |").ok();
    }
    write!(
        text,
        "\n| --- | --- |{}\n",
        " --- |".repeat(options.rates.len())
    )
    .ok();
    for row in rows {
        let own = ours.filter(|ours| ours.peer != row.peer);
        let times = |value: f64, ours: Option<f64>| match ours {
            Some(ours) if ours > 0.0 => format!(" ({:.2})", value / ours),
            _ => String::new(),
        };
        let memory = times(
            row.bytes_per_connection,
            own.map(|ours| ours.bytes_per_connection),
        );
        let kb = row.bytes_per_connection / 1000.0;
        write!(text, "| {} | {kb:.2} KB{memory} |", row.peer.label()).ok();
        for (at, fanout) in row.fanouts.iter().enumerate() {
            let own = own.and_then(|ours| ours.fanouts.get(at));
            let p99 = times(fanout.p99_ms, own.map(|ours| ours.p99_ms));
            let cpu = times(fanout.cpu_us, own.map(|ours| ours.cpu_us));
            write!(
                text,
                " {:.1} % at {:.0} k/s, {:.0} ms{p99}, {:.2} µs{cpu} |",
                fanout.delivered_percent,
                fanout.per_second / 1000.0,
                fanout.p99_ms,
                fanout.cpu_us,
            )
            .ok();
        }
        text.push('\n');
    }
    text
}

/// Puts the table between the markers of a file.
pub(super) fn write(path: &Path, table: &str) -> Result<(), BenchError> {
    let fault = |source| BenchError::File {
        path: path.display().to_string(),
        source,
    };
    let text = std::fs::read_to_string(path).map_err(fault)?;
    let Some(text) = between(&text, table) else {
        let missing = format!("it has no lines `{BEGIN}` and `{END}`");
        return Err(fault(std::io::Error::other(missing)));
    };
    std::fs::write(path, text).map_err(fault)
}

fn between(text: &str, table: &str) -> Option<String> {
    let start = text.find(BEGIN)? + BEGIN.len();
    let end = start + text[start..].find(END)?;
    Some(format!(
        "{}\n{}\n{}",
        &text[..start],
        table.trim_end(),
        &text[end..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(peer: Peer, factor: f64) -> Row {
        Row {
            peer,
            bytes_per_connection: 1000.0 * factor,
            fanouts: vec![Fanout {
                rate: 60.0,
                delivered_percent: 100.0,
                per_second: 600_000.0,
                p99_ms: 100.0 * factor,
                cpu_us: factor,
                generator_percent: 50.0,
            }],
        }
    }

    fn options() -> Options {
        Options {
            spectators: 10_000,
            rates: vec![60.0],
            size: 128,
            dir: "x".into(),
            only: Vec::new(),
            write: None,
        }
    }

    #[test]
    fn others_are_compared_with_ours() {
        let rows = [row(Peer::Grandstand, 1.0), row(Peer::Bun, 2.5)];
        let text = markdown(&rows, &options(), 20.0);
        let lines: Vec<_> = text.lines().skip(4).collect();
        assert_eq!(
            lines,
            [
                "| Grandstand | 1.00 KB | 100.0 % at 600 k/s, 100 ms, 1.00 µs |",
                "| Bun (uWebSockets) | 2.50 KB (2.50) | 100.0 % at 600 k/s, 250 ms (2.50), 2.50 µs (2.50) |",
            ]
        );
    }

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let once = between(&text, "new\n").unwrap();
        assert_eq!(once, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(between(&once, "new\n").unwrap(), once);
        assert_eq!(between("no markers", "new"), None);
    }

    #[test]
    fn the_readme_has_the_markers() {
        let readme = include_str!("../../../README.md");
        assert!(between(readme, "x").is_some());
    }
}
