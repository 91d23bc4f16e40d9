//! Describes metrics from their own text, for documentation that cannot differ from the code.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A metric, as it describes itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Described {
    /// The name of its series; that of a counter ends in `_total`.
    pub name: String,
    /// `counter`, `gauge`, `histogram` or `info`.
    pub kind: String,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// The meaning.
    pub help: String,
}

impl Described {
    /// The unit, from the name.
    fn unit(&self) -> &'static str {
        let name = self.name.trim_end_matches("_total");
        match name {
            _ if name.ends_with("_seconds") => "seconds",
            _ if name.ends_with("_bytes") => "bytes",
            _ if name.ends_with("_days_left") => "days",
            _ => "",
        }
    }

    /// Its row in a table of Markdown.
    pub fn row(&self) -> String {
        let labels: Vec<_> = self.labels.iter().map(|l| format!("`{l}`")).collect();
        let help = self.help.replace('|', "\\|");
        format!(
            "| `{}` | {} | {} | {} | {help} |\n",
            self.name,
            self.kind,
            labels.join(", "),
            self.unit()
        )
    }
}

/// A table of metrics in Markdown.
pub fn table(metrics: &[Described]) -> String {
    let mut table =
        "| name | type | labels | unit | meaning |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for metric in metrics {
        // Writing to a string does not fail.
        write!(table, "{}", metric.row()).ok();
    }
    table
}

/// The metrics of a text in the OpenMetrics format, by name. Each needs a series, whose labels are its own.
pub fn describe(text: &str) -> Vec<Described> {
    let mut metrics = BTreeMap::<String, Described>::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some((name, help)) = described(line, "# HELP ") {
            name.clone_into(&mut family);
            let metric = metrics.entry(name.to_owned()).or_default();
            help.trim_end_matches('.').clone_into(&mut metric.help);
        } else if let Some((name, kind)) = described(line, "# TYPE ") {
            name.clone_into(&mut family);
            let metric = metrics.entry(name.to_owned()).or_default();
            kind.clone_into(&mut metric.kind);
            metric.name = series_name(name, kind);
        } else if !line.starts_with('#')
            && let Some(metric) = metrics.get_mut(&family)
            && metric.labels.is_empty()
        {
            metric.labels = labels(line);
        }
    }
    let mut all: Vec<_> = metrics.into_values().collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn described<'a>(line: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    line.strip_prefix(prefix)?.split_once(' ')
}

/// The name of the series of a family, as queries use it.
fn series_name(family: &str, kind: &str) -> String {
    let suffix = match kind {
        "counter" => "_total",
        "info" => "_info",
        _ => "",
    };
    format!("{family}{suffix}")
}

/// The names of the labels of a series, without the bounds of buckets.
fn labels(line: &str) -> Vec<String> {
    let Some((_, rest)) = line.split_once('{') else {
        return Vec::new();
    };
    let mut names = Vec::new();
    let mut rest = rest;
    while let Some((name, after)) = rest.split_once("=\"") {
        let name = name.trim_start_matches(',');
        if name != "le" {
            names.push(name.to_owned());
        }
        // No label of a description has an escaped quote.
        let Some((_, after)) = after.split_once('"') else {
            break;
        };
        rest = after;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_has_the_labels_of_its_series_and_the_unit_of_its_name() {
        let text = "# HELP a_seconds Waits, or lags.\n# TYPE a_seconds histogram\na_seconds_sum{x=\"1\",y=\"\"} 0\n\
                    a_seconds_bucket{le=\"+Inf\",x=\"1\",y=\"\"} 0\n# HELP b Things\n# TYPE b counter\nb_total 0\n# EOF\n";
        let described = describe(text);
        let rows: String = described.iter().map(Described::row).collect();
        let expected = "| `a_seconds` | histogram | `x`, `y` | seconds | Waits, or lags |\n\
                        | `b_total` | counter |  |  | Things |\n";
        assert_eq!(rows, expected);
    }
}
