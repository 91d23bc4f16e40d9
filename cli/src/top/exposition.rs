//! Metrics in the text formats of Prometheus and OpenMetrics.

use std::collections::HashMap;

use super::histogram::Buckets;

/// The metrics of a process, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Metrics(HashMap<String, Vec<Series>>);

/// A value with its labels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    labels: Vec<(String, String)>,
    pub(super) value: f64,
}

impl Series {
    /// The value of a label.
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        let label = self.labels.iter().find(|(label, _)| label == name);
        label.map(|(_, value)| value.as_str())
    }

    fn fits(&self, labels: &[(&str, &str)]) -> bool {
        let mut labels = labels.iter();
        labels.all(|(name, value)| self.label(name) == Some(value))
    }
}

impl Metrics {
    /// Reads a page of metrics. Lines that are none are left out.
    pub(super) fn parse(text: &str) -> Self {
        let mut all = HashMap::<String, Vec<Series>>::new();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        for (name, series) in lines.filter_map(parse_line) {
            all.entry(name).or_default().push(series);
        }
        Self(all)
    }

    /// All values of a name.
    pub(super) fn all(&self, name: &str) -> &[Series] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The sum of the values of a name with these labels; `None` if there is none.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fitting = self.all(name).iter().filter(|series| series.fits(labels));
        fitting.map(|series| series.value).reduce(|a, b| a + b)
    }

    /// A histogram, summed over all label values but these.
    pub(super) fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Option<Buckets> {
        let series = self.all(&format!("{name}_bucket"));
        let fitting = series.iter().filter(|series| series.fits(labels));
        let bounds = fitting.filter_map(|series| {
            let bound = series.label("le")?.parse().ok()?;
            Some((bound, series.value))
        });
        Buckets::of(bounds)
    }
}

/// Reads `name{label="value",…} 1.5`. A timestamp and an exemplar may follow.
fn parse_line(line: &str) -> Option<(String, Series)> {
    let end = line.find(['{', ' '])?;
    let name = line[..end].to_owned();
    let mut labels = Vec::new();
    let mut rest = &line[end..];
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.push((label.trim_start_matches(',').trim().to_owned(), value));
            rest = after;
        }
        rest = &rest[1..];
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some((name, Series { labels, value }))
}

/// Reads up to the closing quote, and returns what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_labels_and_exemplars_are_read() {
        let text = "# TYPE a counter\na_total 3\nb{x=\"1\",y=\"q\\\"}\"} 1.5 1767225600\nb{x=\"2\",y=\"\"} 2\nbroken{x=\n\
                    h_bucket{le=\"0.1\"} 3 # {trace_id=\"ab\"} 0.09\nh_bucket{le=\"+Inf\"} 4\n# EOF\n";
        let metrics = Metrics::parse(text);
        assert_eq!(metrics.sum("a_total", &[]), Some(3.0));
        assert_eq!(metrics.sum("b", &[]), Some(3.5));
        assert_eq!(metrics.sum("b", &[("x", "2")]), Some(2.0));
        assert_eq!(metrics.all("b")[0].label("y"), Some("q\"}"));
        assert_eq!(metrics.sum("b", &[("x", "3")]), None);
        assert_eq!(metrics.sum("missing", &[]), None);
        assert!(metrics.histogram("h", &[]).is_some());
        assert!(metrics.histogram("a", &[]).is_none());
    }
}
