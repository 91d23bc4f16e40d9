//! A scenario's figures, printed as one line of JSON or as a table.

use std::fmt::Write as _;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::load::tally::Latencies;

/// Names and values in insertion order. A name carries its unit: `p99_ms`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures(Vec<(String, Value)>);

impl Figures {
    /// Adds a value.
    pub fn put(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.push((name.into(), value.into()));
    }

    /// Adds a number, rounded to four significant digits.
    pub fn put_number(&mut self, name: impl Into<String>, value: f64) {
        self.put(name, rounded(value));
    }

    /// Adds p50, p99, p99.9 and the maximum of latencies in milliseconds.
    pub fn put_latencies(&mut self, name: &str, latencies: &Latencies) {
        for (quantile, share) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)] {
            let value = latencies.quantile_ms(share);
            self.put(format!("{name}{quantile}_ms"), value.map(rounded));
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn get(&self, name: &str) -> Option<&Value> {
        let (_, value) = self.0.iter().find(|(other, _)| other == name)?;
        Some(value)
    }

    /// The number of this name.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.as_f64()
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The figures of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// The scenario.
    pub scenario: &'static str,
    /// The options.
    pub settings: Figures,
    /// The name of the variant, if several were measured.
    #[serde(skip_serializing_if = "str::is_empty")]
    name: String,
    /// The results.
    pub figures: Figures,
    /// The minimum and maximum of each figure over several rounds.
    #[serde(skip_serializing_if = "Figures::is_empty")]
    spread: Figures,
    /// Variants that were measured in alternation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    beside: Vec<Beside>,
    /// Doubts about the figures.
    pub warnings: Vec<String>,
    /// The targets that were missed, a text for each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<String>,
}

/// The figures of another variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Beside {
    name: String,
    figures: Figures,
    #[serde(skip_serializing_if = "Figures::is_empty")]
    spread: Figures,
}

impl Report {
    /// A report without figures.
    pub fn new(scenario: &'static str) -> Self {
        Self {
            scenario,
            ..Self::default()
        }
    }

    /// The median, minimum and maximum of each figure over several rounds; empty if there was no round.
    pub fn median(rounds: &[&Self]) -> Self {
        let Some((&first, others)) = rounds.split_first() else {
            return Self::default();
        };
        let mut median = first.clone();
        if others.is_empty() {
            return median;
        }
        median.figures = Figures::default();
        // Figures that only a later round has are included.
        let mut all = Figures::default();
        for (name, value) in rounds.iter().flat_map(|round| round.figures.iter()) {
            if all.get(name).is_none() {
                all.put(name, value.clone());
            }
        }
        for (name, value) in all.iter() {
            let numbers = rounds.iter().filter_map(|round| round.figures.number(name));
            let mut numbers: Vec<_> = numbers.collect();
            numbers.sort_by(f64::total_cmp);
            let (Some(&least), Some(&most)) = (numbers.first(), numbers.last()) else {
                median.figures.put(name, value.clone());
                continue;
            };
            let low = (numbers.len() - 1) / 2;
            let high = numbers.len() / 2;
            let middle = (numbers[low] + numbers[high]) / 2.0;
            // Counts stay integers.
            if value.is_u64() && middle.fract() == 0.0 {
                median.figures.put(name, middle as u64)
            } else {
                median.figures.put_number(name, middle)
            }
            let spread = [least, most].map(rounded);
            median.spread.put(name, spread.to_vec());
        }
        let warnings = others.iter().flat_map(|round| &round.warnings);
        for warning in warnings {
            median.warn_once(warning);
        }
        median
    }

    /// Sets the name of the variant.
    pub fn name(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    /// Adds another variant.
    pub fn put_beside(&mut self, name: &str, other: Self) {
        for warning in &other.warnings {
            self.warn_once(&format!("{name}: {warning}"));
        }
        self.beside.push(Beside {
            name: name.to_owned(),
            figures: other.figures,
            spread: other.spread,
        });
    }

    fn warn_once(&mut self, text: &str) {
        if !self.warnings.iter().any(|known| known == text) {
            self.warn(text);
        }
    }

    /// A figure; 0 without it.
    pub fn figure(&self, name: &str) -> f64 {
        self.figures.number(name).unwrap_or(0.0)
    }

    /// Adds a warning.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// Adds the load of the generators, and a warning if they may have limited the figures.
    pub fn put_generator(&mut self, share: f64) {
        self.figures
            .put_number("generator_cpu_percent", share * 100.0);
        if share > 0.9 {
            self.warn(format!(
                "the load generator was busy for {:.0} % of the time and may limit the figures",
                share * 100.0
            ));
        }
    }

    /// Formats the report as one line of JSON.
    pub fn json(&self) -> String {
        // Names are texts and values are JSON already, so this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Formats the report as a table.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.scenario);
        let settings = self.settings.iter();
        put_lines(
            &mut text,
            settings.map(|(name, value)| [name.to_owned(), shown(value)]),
        );
        writeln!(text, "figures").ok();
        if self.beside.is_empty() {
            let lines = self.figures.iter();
            put_lines(
                &mut text,
                lines.map(|(name, value)| [name.to_owned(), cell(name, value, &self.spread)]),
            );
        } else {
            let names = self.beside.iter().map(|other| other.name.clone());
            let head = ["".to_owned(), self.name.clone()].into_iter().chain(names);
            let lines = self.figures.iter().map(|(name, value)| {
                let others = self.beside.iter().map(|other| {
                    let value = other.figures.get(name).unwrap_or(&Value::Null);
                    cell(name, value, &other.spread)
                });
                let first = [name.to_owned(), cell(name, value, &self.spread)];
                first.into_iter().chain(others).collect::<Vec<_>>()
            });
            put_lines(
                &mut text,
                std::iter::once(head.collect::<Vec<_>>()).chain(lines),
            );
        }
        for warning in &self.warnings {
            writeln!(text, "warning: {warning}").ok();
        }
        text
    }
}

/// Appends lines with aligned columns.
fn put_lines<L: AsRef<[String]>>(text: &mut String, lines: impl Iterator<Item = L>) {
    let lines: Vec<L> = lines.collect();
    let mut widths = Vec::new();
    for line in &lines {
        for (at, cell) in line.as_ref().iter().enumerate() {
            widths.resize(widths.len().max(at + 1), 0);
            widths[at] = widths[at].max(cell.chars().count());
        }
    }
    for line in &lines {
        let cells = line.as_ref().iter().zip(&widths);
        let cells: Vec<_> = cells
            .map(|(cell, &width)| format!("{cell:<width$}"))
            .collect();
        writeln!(text, "  {}", cells.join("  ").trim_end()).ok();
    }
}

/// Formats a figure with its range over several rounds.
fn cell(name: &str, value: &Value, spread: &Figures) -> String {
    match spread
        .get(name)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    {
        Some([least, most]) => format!("{} ({} to {})", shown(value), shown(least), shown(most)),
        _ => shown(value),
    }
}

/// Rounds to four significant digits, and to an integer from 1000 on.
fn rounded(value: f64) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return 0.0;
    }
    let digits = (3 - value.abs().log10().floor() as i32).max(0);
    let scale = 10f64.powi(digits.min(9));
    (value * scale).round() / scale
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(integer), _) => thousands(integer),
            (None, Some(whole)) if whole.fract() == 0.0 && (0.0..1e15).contains(&whole) => {
                thousands(whole as u64)
            }
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// Separates groups of three digits by a space.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_in_insertion_order() {
        let mut report = Report::new("idle");
        report.settings.put("connections", 1_000_000);
        report.figures.put_number("z_ms", 1.23456);
        report.figures.put_number("a_percent", 123_456.7);
        report.figures.put_latencies("ack_", &Latencies::default());
        let json = report.json();
        assert!(!json.contains('\n'));
        let expected = r#"{"scenario":"idle","settings":{"connections":1000000},"figures":{"z_ms":1.235,"a_percent":123457.0,"ack_p50_ms":null"#;
        assert!(json.starts_with(expected), "{json}");
        serde_json::from_str::<Value>(&json).unwrap();
        assert!(
            report.text().contains("connections  1 000 000\n"),
            "{}",
            report.text()
        );
        assert_eq!(report.figures.number("z_ms"), Some(1.235));
    }

    #[test]
    fn rounds_have_a_median_and_a_spread() {
        let round = |p99: f64, count: u64| {
            let mut report = Report::new("fanout");
            report.figures.put_number("p99_ms", p99);
            report.figures.put("count", count);
            report.figures.put("missing", Value::Null);
            report.warn("noisy");
            report
        };
        let rounds = [round(9.0, 4), round(1.5, 8), round(3.0, 6)];
        let median = Report::median(&rounds.iter().collect::<Vec<_>>());
        assert_eq!(median.figures.number("p99_ms"), Some(3.0));
        assert_eq!(median.figures.get("count"), Some(&6.into()));
        assert_eq!(median.warnings.len(), 1);
        let text = median.text();
        assert!(text.contains("p99_ms   3 (1.5 to 9)\n"), "{text}");
        assert!(text.contains("missing  -\n"), "{text}");
        assert_eq!(Report::median(&[&rounds[0]]), rounds[0]);
        let two = Report::median(&[&rounds[0], &rounds[2]]);
        assert_eq!(two.figures.number("p99_ms"), Some(6.0));
    }

    #[test]
    fn variants_stand_side_by_side() {
        let mut report = Report::new("fanout");
        report.name("json");
        report.figures.put("p99_ms", 12);
        let mut other = Report::new("fanout");
        other.figures.put("p99_ms", 9);
        other.warn("slow");
        report.put_beside("proto", other);
        let text = report.text();
        assert!(
            text.contains("          json  proto\n  p99_ms  12    9\n"),
            "{text}"
        );
        assert!(text.contains("warning: proto: slow"), "{text}");
    }

    #[test]
    fn a_busy_generator_gives_a_warning() {
        let mut report = Report::new("fanout");
        report.put_generator(0.89);
        assert!(report.warnings.is_empty());
        report.put_generator(0.93);
        assert!(report.warnings[0].contains("93 %"));
        assert!(report.text().contains("warning: "));
    }
}
