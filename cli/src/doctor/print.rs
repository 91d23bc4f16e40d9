//! The findings, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::finding::{Finding, Verdict, thousands};

/// The width of a line.
const WIDTH: usize = 100;
/// The width of the text below a finding.
const INDENT: &str = "        ";

/// The numbers of findings by their verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    pub(super) fault: usize,
    pub(super) advice: usize,
    pub(super) unknown: usize,
    pub(super) well: usize,
}

impl Counts {
    pub(super) fn of(findings: &[Finding]) -> Self {
        let count = |verdict| findings.iter().filter(|f| f.verdict == verdict).count();
        Self {
            fault: count(Verdict::Fault),
            advice: count(Verdict::Advice),
            unknown: count(Verdict::Unknown),
            well: count(Verdict::Well),
        }
    }
}

/// The result, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Json<'a> {
    connections: u64,
    counts: Counts,
    findings: &'a [Finding],
}

/// The result as a line of JSON.
pub(super) fn json(findings: &[Finding], connections: u64) -> Result<String, serde_json::Error> {
    let counts = Counts::of(findings);
    let json = Json {
        connections,
        counts,
        findings,
    };
    serde_json::to_string(&json).map(|text| text + "\n")
}

/// The result for people: the worst first. What is well has one line.
pub(super) fn text(findings: &[Finding], connections: u64, place: &str) -> String {
    let mut text = format!(
        "For {} connections of one edge on this machine; {place}.\n\n",
        thousands(connections)
    );
    let mut sorted: Vec<_> = findings.iter().collect();
    sorted.sort_by_key(|finding| finding.verdict);
    let width = findings.iter().map(|finding| finding.check.len()).max();
    let width = width.unwrap_or(0);
    for finding in sorted {
        let word = match finding.verdict {
            Verdict::Fault => "WRONG",
            Verdict::Advice => "could",
            Verdict::Unknown => "?",
            Verdict::Well => "ok",
        };
        let head = format!("{word:6}  {:width$}  ", finding.check);
        text += &wrapped(&head, &finding.is);
        if finding.verdict == Verdict::Well {
            continue;
        }
        for (label, words) in [
            ("should: ", &finding.should),
            ("why: ", &finding.why),
            ("set: ", &finding.fix),
        ] {
            if !words.is_empty() {
                text += &wrapped(INDENT, &format!("{label}{words}"));
            }
        }
    }
    let Counts {
        fault,
        advice,
        unknown,
        well,
    } = Counts::of(findings);
    // Writing to a string does not fail.
    writeln!(
        text,
        "\n{fault} must change, {advice} could be better, {unknown} cannot be told, {well} ok"
    )
    .ok();
    text
}

/// Words in lines of a limited width. The first line begins with `head`.
fn wrapped(head: &str, words: &str) -> String {
    let mut text = String::new();
    let mut line = head.to_owned();
    for (number, word) in words.split_whitespace().enumerate() {
        let is_first = number == 0;
        if !is_first && line.chars().count() + 1 + word.chars().count() > WIDTH {
            text += &line;
            text.push('\n');
            line = format!("{INDENT}  {word}");
        } else {
            if !is_first {
                line.push(' ');
            }
            line += word;
        }
    }
    text + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_first_and_what_is_well_has_one_line() {
        let well = Finding::machine("kernel", "6.1");
        let wrong = Finding::machine("fs.nr_open", "1,024")
            .should("at least 2,048", "files ".repeat(30))
            .unless(false, Verdict::Fault, "")
            .set("fs.nr_open", "2048");
        let findings = [well, wrong];
        let text = text(&findings, 1000, "no cluster was named");
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[2].starts_with("WRONG   fs.nr_open  1,024"), "{text}");
        assert!(text.contains("set: sysctl -w fs.nr_open=2048"), "{text}");
        assert!(text.contains("\nok      kernel      6.1\n"), "{text}");
        assert!(
            lines.iter().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        let counts = Counts::of(&findings);
        assert_eq!((counts.fault, counts.well), (1, 1));
        let json = json(&findings, 1000).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["findings"][1]["sysctl"][1], "2048");
        assert_eq!(json["counts"]["fault"], 1);
    }
}
