//! `grandstand check-health`: asks a process whether it is healthy, for the health checks of containers.

use std::io::{self, Write as _};
use std::time::Duration;

use grandstand_common::exit::{Exit, Failure};

use crate::admin::{AdminUrl, Answer, Report, ask};
use crate::print::{cannot_print, ignore_closed_pipe};
use crate::runtime;

/// Ask a running process whether it is healthy, for the health checks of containers
///
/// Asks the admin port of an edge, a worker, an archive, an outlet or `dev`. Needs neither a shell nor another program.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Admin port of the process
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8081")]
    url: AdminUrl,
    /// Ask whether it should get clients (/ready), instead of whether it should live (/health)
    #[arg(long)]
    ready: bool,
    /// Most time for the answer, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    timeout_ms: u64,
}

const HELP: &str =
    "Exit codes: 0 the answer is 200, 1 it is another one, or there is none, 64 wrong command line";

/// Asks, and prints the answer in one line.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let path = if args.ready { "/ready" } else { "/health" };
    let within = Duration::from_millis(args.timeout_ms);
    let asked = runtime::block_on(ask(&args.url, path, None, within))?;
    let answer = asked.map_err(|error| Failure::new(Exit::Faults, error.to_string()))?;
    let line = judge(&answer)
        .map_err(|why| Failure::new(Exit::Faults, format!("{}{path} {why}", args.url)))?;
    writeln!(io::stdout(), "{}{path} {line}", args.url)
        .or_else(ignore_closed_pipe)
        .map_err(cannot_print)
}

/// The words about an answer; an error if the process is not well. Only the status of HTTP counts.
fn judge(answer: &Answer) -> Result<String, String> {
    let Report { status, problems } = Report::read(answer);
    let mut parts = vec![status];
    parts.extend(problems);
    parts.dedup();
    let what = parts.join(", ");
    match answer.status {
        200 => Ok(format!("answers 200: {what}")),
        404 => Err("answers 404: this is not the admin port of a Grandstand process; `edge.admin` and `worker.admin` have its \
                    address"
            .to_owned()),
        code => Err(match what.strip_prefix(&format!("{code}, ")) {
            Some(what) => format!("answers {code}: {what}"),
            None if what == code.to_string() => format!("answers {code}"),
            None => format!("answers {code}: {what}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer {
            status,
            content_type: String::new(),
            body: body.into(),
        }
    }

    #[test]
    fn the_status_of_http_decides_and_the_body_says_why() {
        let said = |status, body| judge(&answer(status, body));
        assert_eq!(said(200, "alive\n"), Ok("answers 200: ok".into()));
        let degraded = r#"{"status":"degraded","dependencies":{"nats":{"state":"slow"}}}"#;
        let words = "answers 200: degraded, nats: slow";
        assert_eq!(said(200, degraded), Ok(words.into()));
        let words = "answers 503: edge-0 has not answered for 7 s";
        let silent = "edge-0 has not answered for 7 s\n";
        assert_eq!(said(503, silent), Err(words.into()));
        assert_eq!(said(503, ""), Err("answers 503".into()));
        assert!(said(404, "").unwrap_err().contains("worker.admin"));
    }
}
