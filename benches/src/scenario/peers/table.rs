//! The table of servers as Markdown.

use std::fmt::Write as _;
use std::path::Path;

use super::options::Options;
use super::peer::Peer;
use super::row::{Connects, ENOUGH_PERCENT, Fanout, LAG_S, Resumed, Row};
use crate::error::BenchError;

/// The lines of a file between which a table is.
type Markers = [&'static str; 2];

const PLAIN: Markers = [
    "<!-- peers: written by `grandstand bench peers --write` -->",
    "<!-- /peers -->",
];
const TLS: Markers = [
    "<!-- peers-tls: written by `grandstand bench peers --tls --write` -->",
    "<!-- /peers-tls -->",
];

/// Returns the table. Ratios compare with Grandstand, if it was measured.
pub(super) fn markdown(rows: &[Row], options: &Options, seconds: f64) -> String {
    let ours = rows.iter().find(|row| row.peer == Peer::Grandstand);
    let rounds = match options.rounds {
        1 => "one run".to_owned(),
        rounds => format!("medians of {rounds} rounds in alternation"),
    };
    let tls = if options.tls {
        "TLS 1.3 with AES-128-GCM, X25519 and a P-256 certificate, "
    } else {
        ""
    };
    let mut text = format!(
        "{} spectators of one room, messages of {} bytes, {tls}{seconds} s per rate, {rounds}. Ratios to Grandstand are in parentheses. \
         A server collapses if it lags by more than {LAG_S} s, loses messages, or delivers less than {ENOUGH_PERCENT} % of the \
         offered rate.\n\n\
         | server | memory per idle connection |{}",
        options.spectators,
        options.size,
        if options.tls {
            " CPU per connect, full handshake | resumed (of its own full one) |"
        } else {
            ""
        }
    );
    for rate in &options.rates {
        write!(text, " {rate} msg/s: deliveries/s, p99, CPU per delivery |").ok();
    }
    write!(
        text,
        "\n| --- | --- |{}\n",
        " --- |".repeat(options.rates.len() + if options.tls { 2 } else { 0 })
    )
    .ok();
    for row in rows {
        let own = ours.filter(|ours| ours.peer != row.peer);
        let memory = times(row.connects.bytes, own.map(|ours| ours.connects.bytes));
        let kb = row.connects.bytes / 1000.0;
        write!(text, "| {} | {kb:.2} KB{memory} |", row.peer.label()).ok();
        if options.tls {
            text += &row.connects.cells(own.map(|ours| &ours.connects));
        }
        for &rate in &options.rates {
            let own = own.and_then(|ours| ours.fanout(rate));
            let cell = row.fanout(rate).map(|fanout| fanout.cell(own));
            write!(text, " {} |", cell.as_deref().unwrap_or("not measured")).ok();
        }
        text.push('\n');
    }
    text
}

impl Connects {
    fn cells(&self, ours: Option<&Self>) -> String {
        let full = times(self.cpu_us, ours.map(|ours| ours.cpu_us));
        let resumed = match self.resumed.filter(Resumed::is_real) {
            Some(resumed) => {
                let share = times(resumed.cpu_us, Some(self.cpu_us));
                format!("{:.0} µs{share}", resumed.cpu_us)
            }
            None => "not resumed".to_owned(),
        };
        format!(" {:.0} µs{full} | {resumed} |", self.cpu_us)
    }
}

impl Fanout {
    fn cell(&self, ours: Option<&Self>) -> String {
        let per_second = per_second(self.per_second);
        if self.collapsed {
            return format!("collapses at {per_second}");
        }
        // Latency and CPU time of a collapsed server are meaningless.
        let ours = ours.filter(|ours| !ours.collapsed);
        format!(
            "{per_second}, {:.0} ms{}, {:.2} µs{}",
            self.p99_ms,
            times(self.p99_ms, ours.map(|ours| ours.p99_ms)),
            self.cpu_us,
            times(self.cpu_us, ours.map(|ours| ours.cpu_us)),
        )
    }
}

fn times(value: f64, ours: Option<f64>) -> String {
    match ours {
        Some(ours) if ours > 0.0 => format!(" ({:.2})", value / ours),
        _ => String::new(),
    }
}

/// `600 k/s`, `1.95 M/s`.
pub(super) fn per_second(value: f64) -> String {
    match value {
        1e6.. => format!("{:.2} M/s", value / 1e6),
        _ => format!("{:.0} k/s", value / 1e3),
    }
}

/// Replaces the text between the markers of a file by the table, which is that with TLS or the other.
pub(super) fn write(path: &Path, table: &str, tls: bool) -> Result<(), BenchError> {
    let fault = |source| BenchError::File {
        path: path.display().to_string(),
        source,
    };
    let text = std::fs::read_to_string(path).map_err(fault)?;
    let markers = if tls { TLS } else { PLAIN };
    let Some(text) = between(&text, table, markers) else {
        let [begin, end] = markers;
        let missing = format!("the file has no lines `{begin}` and `{end}`");
        return Err(fault(std::io::Error::other(missing)));
    };
    std::fs::write(path, text).map_err(fault)
}

fn between(text: &str, table: &str, [begin, end]: Markers) -> Option<String> {
    let start = text.find(begin)? + begin.len();
    let end = start + text[start..].find(end)?;
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

    fn row(peer: Peer, factor: f64, collapsed: bool) -> Row {
        let fanout = |rate| Fanout {
            rate,
            collapsed: collapsed && rate > 100.0,
            delivered_percent: 100.0,
            per_second: rate * 10_000.0 / factor,
            p99_ms: 100.0 * factor,
            cpu_us: factor,
            generator_percent: 50.0,
        };
        Row {
            peer,
            connects: Connects {
                bytes: 1000.0 * factor,
                cpu_us: 400.0 * factor,
                resumed: Some(Resumed {
                    percent: if collapsed { 0.0 } else { 100.0 },
                    cpu_us: 100.0 * factor,
                }),
            },
            fanouts: vec![fanout(60.0), fanout(200.0)],
        }
    }

    fn options() -> Options {
        Options {
            spectators: 10_000,
            rates: vec![60.0, 200.0],
            size: 128,
            rounds: 3,
            dir: "x".into(),
            only: Vec::new(),
            tls: false,
            write: None,
        }
    }

    #[test]
    fn servers_are_compared_with_grandstand_and_collapses_are_named() {
        let rows = [
            row(Peer::Grandstand, 1.0, false),
            row(Peer::Ws, 2.5, true),
            Row {
                fanouts: Vec::new(),
                ..row(Peer::Bun, 1.0, false)
            },
        ];
        let text = markdown(&rows, &options(), 20.0);
        assert!(text.contains("medians of 3 rounds"), "{text}");
        let lines: Vec<_> = text.lines().skip(4).collect();
        assert_eq!(
            lines,
            [
                "| Grandstand | 1.00 KB | 600 k/s, 100 ms, 1.00 µs | 2.00 M/s, 100 ms, 1.00 µs |",
                "| Node ws | 2.50 KB (2.50) | 240 k/s, 250 ms (2.50), 2.50 µs (2.50) | collapses at 800 k/s |",
                "| Bun (uWebSockets) | 1.00 KB (1.00) | not measured | not measured |",
            ]
        );
    }

    #[test]
    fn with_tls_the_cost_of_connects_is_compared() {
        let options = Options {
            tls: true,
            rates: vec![60.0],
            ..options()
        };
        let rows = [
            row(Peer::Grandstand, 1.0, false),
            row(Peer::Bun, 2.0, false),
            row(Peer::Ws, 2.5, true),
        ];
        let text = markdown(&rows, &options, 20.0);
        let lines: Vec<_> = text.lines().skip(4).collect();
        assert_eq!(
            lines,
            [
                "| Grandstand | 1.00 KB | 400 µs | 100 µs (0.25) | 600 k/s, 100 ms, 1.00 µs |",
                "| Bun (uWebSockets) | 2.00 KB (2.00) | 800 µs (2.00) | 200 µs (0.25) | 300 k/s, 200 ms (2.00), 2.00 µs (2.00) |",
                "| Node ws | 2.50 KB (2.50) | 1000 µs (2.50) | not resumed | 240 k/s, 250 ms (2.50), 2.50 µs (2.50) |",
            ]
        );
        assert!(text.contains("| --- | --- | --- | --- | --- |\n"), "{text}");
    }

    #[test]
    fn only_text_between_the_markers_is_replaced() {
        for [begin, end] in [PLAIN, TLS] {
            let text = format!("a\n{begin}\nold\n{end}\nb\n");
            let once = between(&text, "new\n", [begin, end]).unwrap();
            assert_eq!(once, format!("a\n{begin}\nnew\n{end}\nb\n"));
            assert_eq!(between(&once, "new\n", [begin, end]).unwrap(), once);
        }
        assert_eq!(between("no markers", "new", PLAIN), None);
    }

    #[test]
    fn the_readme_has_the_markers() {
        let readme = include_str!("../../../README.md");
        assert!(between(readme, "x", PLAIN).is_some());
        assert!(between(readme, "x", TLS).is_some());
    }
}
