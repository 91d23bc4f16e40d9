//! What a scenario found: one line of JSON, or lines for people.

use std::fmt::Write as _;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::load::tally::Latencies;

/// Names and values in the order in which they were put. A name carries its unit: `p99_ms`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures(Vec<(String, Value)>);

impl Figures {
    /// Adds one.
    pub fn put(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.push((name.into(), value.into()));
    }

    /// Adds a number, rounded to what means something.
    pub fn put_number(&mut self, name: impl Into<String>, value: f64) {
        self.put(name, rounded(value));
    }

    /// Adds p50, p99, p99.9 and the longest of latencies, in milliseconds.
    pub fn put_latencies(&mut self, name: &str, latencies: &Latencies) {
        for (quantile, share) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)] {
            let value = latencies.quantile_ms(share);
            self.put(format!("{name}{quantile}_ms"), value.map(rounded));
        }
    }

    /// The number of that name.
    pub fn number(&self, name: &str) -> Option<f64> {
        let (_, value) = self.0.iter().find(|(other, _)| other == name)?;
        value.as_f64()
    }

    /// All of them.
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

/// What a scenario found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Which scenario.
    pub scenario: &'static str,
    /// What it was told.
    pub settings: Figures,
    /// What came of it.
    pub figures: Figures,
    /// What the reader should know before believing it.
    pub warnings: Vec<String>,
}

impl Report {
    /// Nothing yet.
    pub fn new(scenario: &'static str) -> Self {
        Self {
            scenario,
            settings: Figures::default(),
            figures: Figures::default(),
            warnings: Vec::new(),
        }
    }

    /// Adds a warning.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }

    /// Adds how busy the generators were, and a warning if they may have been what was measured.
    pub fn put_generator(&mut self, share: f64) {
        self.figures
            .put_number("generator_cpu_percent", share * 100.0);
        if share > 0.9 {
            self.warn(format!(
                "the load generator was busy for {:.0} % of the time: it may be what limits the figures",
                share * 100.0
            ));
        }
    }

    /// One line.
    pub fn json(&self) -> String {
        // Names are text and values are JSON already.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (title, figures) in [(self.scenario, &self.settings), ("found", &self.figures)] {
            let width = figures
                .iter()
                .map(|(name, _)| name.len())
                .max()
                .unwrap_or(0);
            writeln!(text, "{title}").ok();
            for (name, value) in figures.iter() {
                writeln!(text, "  {name:<width$}  {}", shown(value)).ok();
            }
        }
        for warning in &self.warnings {
            writeln!(text, "beware: {warning}").ok();
        }
        text
    }
}

/// Four significant digits, none behind the point from 1000 on.
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
        Value::Number(number) => match number.as_u64() {
            Some(integer) => thousands(integer),
            None => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// With a space between groups of three digits.
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
    fn a_report_is_one_line_in_the_order_of_its_making() {
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
    fn a_busy_generator_is_warned_of() {
        let mut report = Report::new("fanout");
        report.put_generator(0.89);
        assert!(report.warnings.is_empty());
        report.put_generator(0.93);
        assert!(report.warnings[0].contains("93 %"));
        assert!(report.text().contains("beware: "));
    }
}
