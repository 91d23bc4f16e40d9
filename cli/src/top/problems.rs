//! Problems of processes: degraded parts, with the reasons.

use super::process::{Numbers, Process, Reading};

/// The weight of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// Clients suffer, or soon will.
    Severe,
    /// Somebody should look.
    Odd,
}

/// A problem of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) weight: Weight,
    pub(super) text: String,
}

/// A gauge that is 0 if all is well, and the words about it.
type Gauge = (&'static str, Weight, &'static str);

const GAUGES: [Gauge; 7] = [
    (
        "grandstand_worker_quarantined_rooms",
        Weight::Severe,
        "rooms in quarantine: `grandstand rooms list --state quarantined`",
    ),
    (
        "grandstand_worker_stuck_loops",
        Weight::Severe,
        "loops of rooms in a game that does not return",
    ),
    (
        "grandstand_worker_rooms_held",
        Weight::Severe,
        "rooms that NATS does not take, because its limits have become lower",
    ),
    (
        "grandstand_worker_rooms_waiting",
        Weight::Odd,
        "rooms that wait until what they have sent out is stored",
    ),
    (
        "grandstand_worker_rooms_too_new",
        Weight::Odd,
        "rooms of a later version of their game",
    ),
    (
        "grandstand_outlet_endpoint_disabled",
        Weight::Odd,
        "endpoints that want no more calls",
    ),
    (
        "grandstand_edge_stale_clients",
        Weight::Odd,
        "clients that read too slowly",
    ),
];

/// The days before the end of a certificate from which on it is a problem.
const CERTIFICATE_DAYS: f64 = 14.0;
/// The share of a limit from which on it is nearly reached.
const NEARLY_FULL: f64 = 0.8;
/// Seconds; the difference of clocks that workers log.
const CLOCK_SKEW: f64 = 1.0;

/// The problems of a process, the worst first.
pub(super) fn of(process: &Process) -> Vec<Problem> {
    if let Some(why) = &process.failure {
        return vec![severe(why.clone())];
    }
    let Some(reading) = &process.last else {
        return Vec::new();
    };
    let mut found = Vec::new();
    found.extend(unready(reading));
    found.extend(degraded(reading));
    found.extend(refused(reading));
    found.extend(gauges(reading));
    found.extend(limits(&process.now));
    found.extend(certificates(reading));
    found.sort_by_key(|problem| problem.weight);
    found.dedup();
    found
}

fn severe(text: String) -> Problem {
    Problem {
        weight: Weight::Severe,
        text,
    }
}

fn unready(reading: &Reading) -> Vec<Problem> {
    let (code, report) = &reading.ready;
    let weight = if *code == 200 {
        Weight::Odd
    } else {
        Weight::Severe
    };
    let problems = report.problems.iter();
    let mut found: Vec<_> = problems
        .map(|text| Problem {
            weight,
            text: text.clone(),
        })
        .collect();
    if found.is_empty() && *code != 200 {
        found.push(severe(format!("/ready says {}", report.status)));
    }
    found
}

fn degraded(reading: &Reading) -> Vec<Problem> {
    let series = reading.metrics.all("grandstand_edge_degraded").iter();
    let degraded = series.filter(|series| series.value > 0.0);
    degraded
        .filter_map(|series| series.label("why"))
        .map(|why| {
            severe(format!(
                "clients are told `degraded`: {}",
                match why {
                    "nats" => "the connection to NATS is lost",
                    "owners" => "partitions have no owner; are workers running?",
                    "log" => "the log refuses entries",
                    "memory" => "memory is short",
                    other => other,
                }
            ))
        })
        .collect()
}

/// Operations that NATS refuses.
fn refused(reading: &Reading) -> Vec<Problem> {
    let mut found = Vec::new();
    for part in ["edge", "worker", "archive", "outlet"] {
        let refused = reading
            .metrics
            .all(&format!("grandstand_{part}_bus_refused"));
        for series in refused.iter().filter(|series| series.value > 0.0) {
            let kind = series.label("kind").unwrap_or("something");
            found.push(severe(format!("NATS refuses: {kind}")));
        }
        let connected = format!("grandstand_{part}_bus_connected");
        if reading.metrics.sum(&connected, &[]) == Some(0.0) {
            found.push(severe("the connection to NATS is lost".to_owned()));
        }
    }
    found
}

fn gauges(reading: &Reading) -> Vec<Problem> {
    let mut found = Vec::new();
    for (name, weight, words) in GAUGES {
        let value = reading.metrics.sum(name, &[]).unwrap_or(0.0);
        if value > 0.0 {
            let text = format!("{value} {words}");
            found.push(Problem { weight, text });
        }
    }
    let open = reading
        .metrics
        .all("grandstand_outlet_breaker_state")
        .iter();
    for series in open.filter(|series| series.value > 0.0) {
        let endpoint = series.label("endpoint").unwrap_or_default();
        found.push(severe(format!(
            "the endpoint {endpoint} fails, its breaker is open"
        )));
    }
    let skew = reading
        .metrics
        .sum("grandstand_worker_clock_skew_seconds", &[]);
    if let Some(skew) = skew.filter(|skew| skew.abs() >= CLOCK_SKEW) {
        let text = format!("its clock is {skew:.1} s ahead of NATS");
        let weight = Weight::Odd;
        found.push(Problem { weight, text });
    }
    found
}

fn limits(now: &Numbers) -> Vec<Problem> {
    let mut found = Vec::new();
    for (what, used, most) in [
        ("connections", now.connections, now.max_connections),
        ("open files", now.files, now.max_files),
    ] {
        let Some((used, most)) = used.zip(most).filter(|(_, most)| *most > 0.0) else {
            continue;
        };
        if used >= most {
            found.push(severe(format!("all {most} {what} are in use")));
        } else if used >= most * NEARLY_FULL {
            let text = format!("{used} of {most} {what} are in use");
            let weight = Weight::Odd;
            found.push(Problem { weight, text });
        }
    }
    found
}

fn certificates(reading: &Reading) -> Vec<Problem> {
    let days = reading
        .metrics
        .all("grandstand_edge_tls_certificate_days_left");
    let ending = days.iter().filter(|series| series.value < CERTIFICATE_DAYS);
    ending
        .map(|series| {
            let file = series.label("file").unwrap_or_default();
            let text = format!("the certificate {file} expires in {} days", series.value);
            let weight = if series.value < 3.0 {
                Weight::Severe
            } else {
                Weight::Odd
            };
            Problem { weight, text }
        })
        .collect()
}
