//! The health and the readiness of a process, in words.

use serde_json::{Map, Value};

use super::ask::Answer;

/// The states of a part, in which it does its work.
const WELL: [&str; 9] = [
    "ok",
    "healthy",
    "ready",
    "up",
    "alive",
    "pass",
    "connected",
    "running",
    "turns",
];

/// The members of a part that name it, and those that say why it is in its state.
const NAMES: [&str; 3] = ["name", "component", "dependency"];
const REASONS: [&str; 7] = [
    "why", "reason", "message", "detail", "details", "error", "phase",
];

/// The most nested objects that are looked at.
const MAX_DEPTH: u32 = 4;

/// The answer of a process about its health or readiness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// The state of the process in its own words; that of HTTP if it says none.
    pub(crate) status: String,
    /// The parts that are not well, in the words of the process.
    pub(crate) problems: Vec<String>,
}

impl Report {
    /// Reads an answer in JSON or text. An answer without a status of its own has that of HTTP.
    pub(crate) fn read(answer: &Answer) -> Self {
        match serde_json::from_slice(&answer.body) {
            Ok(Value::Object(members)) => Self::of_json(answer.status, &members),
            _ => Self::of_text(answer.status, &String::from_utf8_lossy(&answer.body)),
        }
    }

    fn of_json(code: u16, members: &Map<String, Value>) -> Self {
        let mut problems = Vec::new();
        for (name, value) in members {
            collect(name, value, MAX_DEPTH, &mut problems);
        }
        if let Some(why) = text_of(members, &REASONS)
            && code != 200
        {
            problems.insert(0, why.to_owned());
        }
        Self {
            status: state_of(members).map_or_else(|| word_of(code), str::to_owned),
            problems,
        }
    }

    /// A line per component (`edge: ready`), or a line with one word.
    fn of_text(code: u16, text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let is_problem = |line: &&str| match line.split_once(": ") {
            Some((_, state)) => !WELL.contains(&state),
            None => code != 200,
        };
        Self {
            status: word_of(code),
            problems: lines.filter(is_problem).map(str::to_owned).collect(),
        }
    }
}

fn word_of(code: u16) -> String {
    match code {
        200 => "ok".to_owned(),
        code => code.to_string(),
    }
}

/// Adds the parts within a value that are not well.
fn collect(name: &str, value: &Value, depth: u32, problems: &mut Vec<String>) {
    if depth == 0 {
        return;
    }
    match value {
        Value::Array(parts) => {
            for part in parts {
                collect(name, part, depth - 1, problems);
            }
        }
        Value::Object(members) => {
            let name = text_of(members, &NAMES).unwrap_or(name);
            match state_of(members).filter(|state| !WELL.contains(state)) {
                Some(state) => problems.push(match text_of(members, &REASONS) {
                    Some(why) => format!("{name}: {state} ({why})"),
                    None => format!("{name}: {state}"),
                }),
                None => members
                    .iter()
                    .for_each(|(name, value)| collect(name, value, depth - 1, problems)),
            }
        }
        _ => {}
    }
}

fn state_of(members: &Map<String, Value>) -> Option<&str> {
    text_of(members, &["status", "state"])
}

fn text_of<'a>(members: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    let texts = names.iter().filter_map(|name| members.get(*name)?.as_str());
    texts.into_iter().find(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> (String, Vec<String>) {
        let answer = Answer {
            status,
            content_type: String::new(),
            body: body.to_owned().into(),
        };
        let Report { status, problems } = Report::read(&answer);
        (status, problems)
    }

    fn report(status: &str, problems: &[&str]) -> (String, Vec<String>) {
        let problems = problems.iter().map(|text| (*text).to_owned());
        (status.to_owned(), problems.collect())
    }

    #[test]
    fn text_names_the_components_that_are_not_ready() {
        assert_eq!(read(200, "alive\n"), report("ok", &[]));
        assert_eq!(read(200, "edge: ready\nnats: ready\n"), report("ok", &[]));
        let text = "edge: ready\nnats: not ready (no answer)\n";
        let problems = ["nats: not ready (no answer)"];
        assert_eq!(read(503, text), report("503", &problems));
        let silent = "edge-0 has not answered for 7 s\n";
        assert_eq!(read(503, silent), report("503", &[silent.trim()]));
    }

    #[test]
    fn json_names_the_dependencies_that_are_not_well() {
        let well = r#"{"status":"healthy","memory":{"used":1},"dependencies":{"nats":{"status":"healthy"}}}"#;
        assert_eq!(read(200, well), report("healthy", &[]));
        let listed = r#"{"status":"degraded","uptime":3.5,"dependencies":[
            {"name":"nats","state":"not_ready","reason":"no route","since":"2026-01-01T00:00:00Z","response_time_ms":null},
            {"name":"edge","state":"ready"}],"loops":[{"name":"edge-0","state":"turns","silent_s":0.1}]}"#;
        assert_eq!(
            read(200, listed),
            report("degraded", &["nats: not_ready (no route)"])
        );
        let keyed = r#"{"status":"unhealthy","reason":"draining","checks":{"loops":{"edge-0":{"status":"silent"}}}}"#;
        assert_eq!(
            read(503, keyed),
            report("unhealthy", &["draining", "edge-0: silent"])
        );
        assert_eq!(read(503, "{}"), report("503", &[]));
    }
}
