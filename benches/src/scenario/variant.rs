//! Variants of a scenario, measured in alternation so that drift of the machine affects all of them alike.

use std::str::FromStr;

use clap::ValueEnum;
use grandstand_common::envelope::Encoding;

use crate::error::BenchError;
use crate::load::dialect::Dialect;
use crate::outcome::Outcome;
use crate::plot::Chart;
use crate::progress::Progress;
use crate::report::{Figures, Report};

/// The variants and rounds
#[derive(Debug, Clone, clap::Args)]
pub struct Repeat {
    /// Repetitions of each variant, in alternation (A B, A B, …) and with fresh servers; figures are medians
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Encoding of messages; `json,proto` measures both
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Coding::Json])]
    pub encoding: Vec<Coding>,
    /// A key of config/edge.toml, for example rooms.flush_interval_us=2000; repeat it for another key, or for another
    /// value to compare
    #[arg(long, value_name = "KEY=VALUE")]
    pub edge_set: Vec<Setting>,
    /// Clients use TLS, which the edge terminates
    #[arg(long)]
    pub tls: bool,
}

/// Encodings of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Coding {
    /// `grandstand.v1.json`
    Json,
    /// `grandstand.v1.proto`
    Proto,
}

/// A key of the edge's configuration and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    key: String,
    value: String,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if key.contains('.') => Ok(Self {
                key: key.trim().to_owned(),
                value: value.trim().to_owned(),
            }),
            _ => Err(
                "it must be SECTION.KEY=VALUE, for example rooms.flush_interval_us=2000".to_owned(),
            ),
        }
    }
}

impl Setting {
    /// The environment variable of this setting.
    fn variable(&self) -> (String, String) {
        let name = self.key.replace(['.', '-'], "_").to_ascii_uppercase();
        (format!("GRANDSTAND_EDGE_{name}"), self.value.clone())
    }
}

/// A variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The difference from the other variants; empty if there is only one.
    pub name: String,
    /// The protocol.
    pub dialect: Dialect,
    /// Whether clients use TLS.
    pub tls: bool,
    /// Further variables of the edges.
    pub edge: Vec<(String, String)>,
}

impl Repeat {
    /// Every encoding with every value of every key.
    pub fn variants(&self) -> Vec<Variant> {
        let mut variants: Vec<Variant> = Vec::new();
        for &coding in &self.encoding {
            let (name, encoding) = match coding {
                Coding::Json => ("json", Encoding::Json),
                Coding::Proto => ("proto", Encoding::Proto),
            };
            variants.push(Variant {
                name: if self.encoding.len() > 1 { name } else { "" }.to_owned(),
                dialect: Dialect::new(encoding),
                tls: self.tls,
                edge: Vec::new(),
            });
        }
        let mut keys: Vec<&str> = Vec::new();
        for setting in &self.edge_set {
            if !keys.contains(&setting.key.as_str()) {
                keys.push(&setting.key);
            }
        }
        for key in keys {
            let values: Vec<_> = self.edge_set.iter().filter(|set| set.key == key).collect();
            let with = |variant: &Variant, setting: &Setting| {
                let mut variant = variant.clone();
                if values.len() > 1 {
                    let space = if variant.name.is_empty() { "" } else { " " };
                    variant.name += &format!("{space}{key}={}", setting.value);
                }
                variant.edge.push(setting.variable());
                variant
            };
            variants = (variants.iter())
                .flat_map(|variant| values.iter().map(move |setting| with(variant, setting)))
                .collect();
        }
        variants
    }

    /// Measures all variants in alternation, `rounds` times. A variant's chart is that of the round with the median of
    /// `key`.
    ///
    /// # Errors
    /// As `once`.
    pub async fn run(
        &self,
        key: &str,
        progress: &mut Progress,
        mut once: impl AsyncFnMut(&Variant, &mut Progress) -> Result<Outcome, BenchError>,
    ) -> Result<Outcome, BenchError> {
        let variants = self.variants();
        let mut outcomes = vec![Vec::new(); variants.len()];
        for round in 1..=self.rounds {
            for (variant, outcomes) in variants.iter().zip(&mut outcomes) {
                progress.within(&part(variant, round, self.rounds));
                outcomes.push(once(variant, progress).await?);
            }
        }
        progress.within("");
        let medians = outcomes.iter().map(|outcomes| median(outcomes, key));
        let mut outcome = beside(&variants, medians.collect());
        self.put(&mut outcome.report.settings);
        Ok(outcome)
    }

    fn put(&self, settings: &mut Figures) {
        let names = self.encoding.iter().filter_map(Coding::to_possible_value);
        let names: Vec<_> = names.map(|value| value.get_name().to_owned()).collect();
        settings.put("encoding", names.join(","));
        for setting in &self.edge_set {
            settings.put(format!("edge {}", setting.key), setting.value.clone());
        }
        if self.tls {
            settings.put("tls", true);
        }
        settings.put("rounds", self.rounds);
    }
}

fn part(variant: &Variant, round: u32, rounds: u32) -> String {
    let mut part = variant.name.clone();
    if rounds > 1 {
        let comma = if part.is_empty() { "" } else { ", " };
        part += &format!("{comma}round {round} of {rounds}");
    }
    part
}

/// The median of each figure.
fn median(outcomes: &[Outcome], key: &str) -> Outcome {
    let reports: Vec<_> = outcomes.iter().map(|outcome| &outcome.report).collect();
    let mut order: Vec<_> = outcomes.iter().collect();
    let figure = |outcome: &Outcome| outcome.report.figures.number(key).unwrap_or(f64::MAX);
    order.sort_by(|a, b| figure(a).total_cmp(&figure(b)));
    let mut chart = order[(order.len() - 1) / 2].chart.clone();
    if outcomes.len() > 1 {
        chart.subtitle += &format!("; the median of {} rounds", outcomes.len());
    }
    Outcome {
        report: Report::median(&reports),
        chart,
    }
}

/// Combines variants into one report and one chart.
fn beside(variants: &[Variant], outcomes: Vec<Outcome>) -> Outcome {
    let mut all = variants.iter().zip(outcomes);
    // There is always at least one, because the encodings have a default and cannot be empty.
    let Some((first, mut outcome)) = all.next() else {
        return Outcome::default();
    };
    if variants.len() == 1 {
        return outcome;
    }
    outcome.report.name(&first.name);
    name(&mut outcome.chart, &first.name);
    outcome.chart.subtitle = format!("{} variants side by side", variants.len());
    for (variant, mut other) in all {
        name(&mut other.chart, &variant.name);
        for (panel, other) in outcome.chart.panels.iter_mut().zip(other.chart.panels) {
            for line in other.lines {
                // The offered rate is the same for all.
                if !panel.lines.iter().any(|known| known.name == line.name) {
                    panel.lines.push(line);
                }
            }
        }
        outcome.report.put_beside(&variant.name, other.report);
    }
    for panel in &mut outcome.chart.panels {
        // A variant has one colour in all panels.
        panel.lines.sort_by_key(|line| line.name == OFFERED);
    }
    outcome
}

fn name(chart: &mut Chart, variant: &str) {
    let lines = chart.panels.iter_mut().flat_map(|panel| &mut panel.lines);
    for line in lines.filter(|line| line.name != OFFERED) {
        line.name = format!("{variant}: {}", line.name);
    }
}

/// The name of the line with the offered rate, which belongs to no variant.
pub const OFFERED: &str = "offered";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{Axis, Line, Panel};

    fn repeat(encoding: &[Coding], settings: &[&str]) -> Repeat {
        Repeat {
            rounds: 3,
            encoding: encoding.to_vec(),
            edge_set: settings.iter().map(|text| text.parse().unwrap()).collect(),
            tls: false,
        }
    }

    #[test]
    fn variants_are_all_combinations_of_encodings_and_values() {
        let settings = ["rooms.flush_interval_us=0", "tcp.unsent_bytes=1"];
        let [one] = &repeat(&[Coding::Json], &settings).variants()[..] else {
            panic!("two keys must give one variant");
        };
        assert_eq!((one.name.as_str(), one.dialect), ("", Dialect::Grandstand));
        assert_eq!(
            one.edge[0],
            (
                "GRANDSTAND_EDGE_ROOMS_FLUSH_INTERVAL_US".to_owned(),
                "0".to_owned()
            )
        );
        assert_eq!(one.edge[1].0, "GRANDSTAND_EDGE_TCP_UNSENT_BYTES");
        let settings = ["rooms.a=0", "tcp.b=9", "rooms.a=2"];
        let variants = repeat(&[Coding::Json, Coding::Proto], &settings).variants();
        let names: Vec<_> = variants
            .iter()
            .map(|variant| variant.name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "json rooms.a=0",
                "json rooms.a=2",
                "proto rooms.a=0",
                "proto rooms.a=2"
            ]
        );
        assert!(variants.iter().all(|variant| variant.edge.len() == 2));
        for wrong in ["rooms.a", "a=1", ""] {
            assert!(wrong.parse::<Setting>().is_err(), "{wrong}");
        }
    }

    fn outcome(p99: f64) -> Outcome {
        let mut report = Report::new("fanout");
        report.figures.put_number("p99_ms", p99);
        let line = |name: &str| Line::new(name, vec![(0.0, p99)]);
        let chart = Chart {
            panels: vec![Panel {
                x: Axis::Seconds,
                y: "",
                lines: vec![line("latency"), line(OFFERED)],
            }],
            ..Chart::default()
        };
        Outcome { report, chart }
    }

    #[tokio::test]
    async fn variants_alternate_and_figures_are_medians() {
        let repeat = repeat(&[Coding::Json, Coding::Proto], &[]);
        let (mut order, mut next) = (Vec::new(), [5.0, 50.0, 9.0, 90.0, 1.0, 10.0].into_iter());
        let mut progress = Progress::new();
        let run = repeat.run("p99_ms", &mut progress, async |variant, _| {
            order.push(variant.name.clone());
            Ok(outcome(next.next().unwrap()))
        });
        let Outcome { report, chart } = run.await.unwrap();
        assert_eq!(order, ["json", "proto"].repeat(3));
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["figures"]["p99_ms"], 5.0);
        assert_eq!(json["spread"]["p99_ms"], serde_json::json!([1.0, 9.0]));
        assert_eq!(json["name"], "json");
        assert_eq!(json["beside"][0]["name"], "proto");
        assert_eq!(json["beside"][0]["figures"]["p99_ms"], 50.0);
        assert_eq!(json["settings"]["rounds"], 3);
        let lines = &chart.panels[0].lines;
        let names: Vec<_> = lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["json: latency", "proto: latency", OFFERED]);
        assert_eq!(
            lines[1].points[0].1, 50.0,
            "the chart is not from the median round"
        );
    }
}
