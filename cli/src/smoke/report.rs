//! The result of a smoke test.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::session::Times;

/// The result, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) ok: bool,
    /// The reason of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<String>,
    pub(super) url: String,
    pub(super) game: String,
    pub(super) room: String,
    pub(super) seconds: f64,
    connect_ms: Summary,
    join_ms: Summary,
    input_to_ack_ms: Summary,
    input_to_spectator_ms: Summary,
}

/// Measured times in milliseconds; `null` if nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Summary {
    count: usize,
    median: Option<f64>,
    max: Option<f64>,
}

impl Summary {
    fn of(times: &mut [Duration]) -> Self {
        times.sort_unstable();
        let ms = |time: Option<&Duration>| time.map(|t| (t.as_secs_f64() * 1e6).round() / 1e3);
        Self {
            count: times.len(),
            median: ms(times.get(times.len() / 2)),
            max: ms(times.last()),
        }
    }
}

impl Report {
    pub(super) fn new(url: String, game: String, room: String) -> Self {
        let none = Summary::of(&mut []);
        Self {
            ok: false,
            failure: None,
            url,
            game,
            room,
            seconds: 0.0,
            connect_ms: none,
            join_ms: none,
            input_to_ack_ms: none,
            input_to_spectator_ms: none,
        }
    }

    /// Adds the times.
    pub(super) fn measured(&mut self, times: &mut Times, all: Duration) {
        self.seconds = (all.as_secs_f64() * 1e3).round() / 1e3;
        self.connect_ms = Summary::of(&mut times.connect);
        self.join_ms = Summary::of(&mut times.join);
        self.input_to_ack_ms = Summary::of(&mut times.ack);
        self.input_to_spectator_ms = Summary::of(&mut times.seen);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            room, url, seconds, ..
        } = self;
        if self.ok {
            writeln!(f, "passed: {room} at {url} was played in {seconds} s\n")?;
        } else {
            writeln!(f, "failed: {room} at {url}, after {seconds} s\n")?;
        }
        writeln!(f, "{:20} {:>6} {:>12} {:>12}", "", "count", "median", "max")?;
        for (name, summary) in [
            ("connect", self.connect_ms),
            ("join", self.join_ms),
            ("input to ack", self.input_to_ack_ms),
            ("input to spectator", self.input_to_spectator_ms),
        ] {
            let ms =
                |ms: Option<f64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"));
            let (median, max) = (ms(summary.median), ms(summary.max));
            writeln!(f, "{name:20} {:>6} {median:>12} {max:>12}", summary.count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_medians_and_maxima() {
        let ms = Duration::from_millis;
        let mut times = Times {
            ack: vec![ms(9), ms(1), ms(2)],
            ..Times::default()
        };
        let mut report = Report::new("ws://a/v1/ws".into(), "relay".into(), "relay-1".into());
        report.measured(&mut times, ms(41));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(
            json["input_to_ack_ms"],
            serde_json::json!({"count": 3, "median": 2.0, "max": 9.0})
        );
        assert_eq!(json["join_ms"]["median"], serde_json::Value::Null);
        let text = report.to_string();
        assert!(text.starts_with("failed: relay-1"), "{text}");
        assert!(text.contains("2.0 ms") && text.contains("9.0 ms"), "{text}");
    }
}
