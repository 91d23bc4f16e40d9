//! Checks of NATS and of the cluster on it.

use std::time::Duration;

use grandstand_common::bus::{ConnectError, LogLimit, StreamUse, Survey};
use grandstand_common::exit::{Exit, ExitError as _};

use super::finding::{Finding, Verdict, size, thousands};

/// The version of NATS from which on all that is needed is there, and one that is known to be better.
const LEAST_VERSION: (u64, u64) = (2, 11);
/// The longest name of a server that is shown.
const MAX_NAME: usize = 40;
/// The most bytes of a message that is needed: a snapshot of a room has up to 768 KiB.
const PAYLOAD: usize = 1 << 20;
/// The least usable one.
const LEAST_PAYLOAD: usize = 16 << 10;
/// The clocks may differ by so much.
const SKEW_ADVICE_MS: u64 = 100;
const SKEW_FAULT_MS: u64 = 1000;
/// The round trip to NATS, of which an input needs several.
const TRIP_ADVICE: Duration = Duration::from_millis(5);
const TRIP_FAULT: Duration = Duration::from_millis(50);
/// The share of a limit from which on it is nearly reached, percent.
const NEARLY_FULL: u64 = 80;

/// The part of the configuration that is compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) replicas: usize,
    pub(super) streams: u16,
    pub(super) log_limit: LogLimit,
}

/// The finding about a NATS server that cannot be asked.
pub(super) fn unreachable(error: &ConnectError) -> Finding {
    let verdict = match error.exit() {
        Exit::Config | Exit::Unavailable => Verdict::Fault,
        _ => Verdict::Unknown,
    };
    let why = "edges and workers wait for NATS, and end with 69 or 78 without it";
    let finding = Finding::cluster("nats", error.to_string());
    let fix = "`cluster.url` and the login, and what is between here and there";
    finding
        .should("reachable with this login", why)
        .unless(false, verdict, fix)
}

/// Checks what NATS says.
pub(super) fn check(survey: &Survey, wanted: Wanted) -> Vec<Finding> {
    let mut found = vec![version(survey), payload(survey), jetstream(survey)];
    found.push(permissions(survey));
    found.push(skew(survey));
    found.push(round_trip(survey));
    if survey.has_jetstream {
        found.push(account(survey, wanted));
        found.push(replicas(survey, wanted));
        found.push(streams(survey));
    }
    found
}

fn version(survey: &Survey) -> Finding {
    let mut parts = survey.version.split(['.', '-']).map(str::parse::<u64>);
    let version = match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    };
    // A server without a name of its own has a random one, which tells nothing.
    let name = match survey.server.len() {
        0..=MAX_NAME => format!("{}, ", survey.server),
        _ => String::new(),
    };
    let servers = survey.servers;
    let is = format!("{} ({name}one of {servers})", survey.version);
    let (major, minor) = LEAST_VERSION;
    let finding = Finding::cluster("nats version", is).should(
        format!("{major}.{minor} or newer"),
        "keys with a lifetime of their own came with it",
    );
    let is_well = version.is_some_and(|version| version >= LEAST_VERSION);
    finding.unless(is_well, Verdict::Fault, "a newer nats-server")
}

fn payload(survey: &Survey) -> Finding {
    let max = survey.max_payload;
    let verdict = if max < LEAST_PAYLOAD {
        Verdict::Fault
    } else {
        Verdict::Advice
    };
    Finding::cluster("max_payload", thousands(max as u64))
        .should(
            format!("at least {}", thousands(PAYLOAD as u64)),
            "a smaller one limits the state of rooms; a larger one has no effect",
        )
        .unless(
            max >= PAYLOAD,
            verdict,
            "max_payload: 1MB in the configuration of nats-server",
        )
}

fn jetstream(survey: &Survey) -> Finding {
    let is = if survey.has_jetstream { "on" } else { "off" };
    Finding::cluster("jetstream", is)
        .should(
            "on",
            "the log of inputs and the snapshots of rooms are there",
        )
        .unless(
            survey.has_jetstream,
            Verdict::Fault,
            "jetstream { store_dir: … } in the configuration of nats-server",
        )
}

fn permissions(survey: &Survey) -> Finding {
    let finding = Finding::cluster("permissions", "").should(
        "all that the role needs",
        "each was tried; a process that lacks one ends with 78",
    );
    match &survey.denied {
        Err(why) => finding.unknown(format!("they cannot be tried: {why}")),
        Ok(denied) if denied.is_empty() => Finding {
            is: "all that the role needs".to_owned(),
            ..finding
        },
        Ok(denied) => Finding {
            is: format!("denied: {}", denied.join(", ")),
            ..finding
        }
        .unless(
            false,
            Verdict::Fault,
            "the users that `grandstand cluster users` prints, and the right one in `cluster.url`",
        ),
    }
}

fn skew(survey: &Survey) -> Finding {
    let finding = Finding::cluster("clock skew", "").should(
        format!("under {SKEW_ADVICE_MS} ms"),
        "tokens expire by this clock, timers of rooms count by that of NATS; to within a round trip",
    );
    let Some(skew) = survey.clock_skew_ms else {
        return finding.unknown("NATS says its time only with a stream, and there is none yet");
    };
    let ahead = if skew < 0 { "behind" } else { "ahead of" };
    let skew = skew.unsigned_abs();
    let verdict = if skew >= SKEW_FAULT_MS {
        Verdict::Fault
    } else {
        Verdict::Advice
    };
    Finding {
        is: format!("{} ms {ahead} NATS", thousands(skew)),
        ..finding
    }
    .unless(
        skew < SKEW_ADVICE_MS,
        verdict,
        "NTP on this machine and on those of NATS: `timedatectl set-ntp true`",
    )
}

fn round_trip(survey: &Survey) -> Finding {
    let finding = Finding::cluster("round trip", "").should(
        format!("under {} ms", TRIP_ADVICE.as_millis()),
        "each input waits for the log, the worker and the edge, and each is a round trip",
    );
    let Some(median) = survey.round_trips.get(survey.round_trips.len() / 2) else {
        return finding.unknown("no message came back");
    };
    let verdict = if *median >= TRIP_FAULT {
        Verdict::Fault
    } else {
        Verdict::Advice
    };
    Finding {
        is: format!("{:.2} ms", median.as_secs_f64() * 1e3),
        ..finding
    }
    .unless(
        *median < TRIP_ADVICE,
        verdict,
        "edges, workers and NATS in one zone, or near ones",
    )
}

/// The storage of the account against that of the streams of the configuration.
fn account(survey: &Survey, wanted: Wanted) -> Finding {
    let finding = Finding::cluster("jetstream storage", "").should(
        "room for the limits of all streams",
        "a log that is full takes no inputs; players see `degraded`",
    );
    let account = match &survey.account {
        Ok(account) => account,
        Err(why) => return finding.unknown(why.clone()),
    };
    let streams = u64::from(
        survey
            .layout
            .map_or(wanted.streams, |layout| layout.streams),
    ) + 1;
    let used = size(account.storage);
    let Ok(most) = u64::try_from(account.max_storage) else {
        let is = format!("{used} in use, no limit of the account");
        return Finding { is, ..finding };
    };
    let needed = match wanted.log_limit {
        LogLimit::Bytes(bytes) => Some(bytes * streams),
        LogLimit::Share | LogLimit::Unlimited => None,
    };
    let is_nearly_full = account.storage * 100 >= most * NEARLY_FULL;
    let finding = Finding {
        is: format!("{used} of {} in use", size(most)),
        ..finding
    };
    match needed {
        Some(needed) if needed > most => finding.unless(
            false,
            Verdict::Fault,
            format!(
                "{} for {streams} streams of cluster.log_max_bytes: a higher limit of the account, or a lower \
                 cluster.log_max_bytes",
                size(needed)
            ),
        ),
        _ => finding.unless(
            !is_nearly_full,
            Verdict::Fault,
            "a higher limit of the account, or a lower cluster.log_max_age_s",
        ),
    }
}

fn replicas(survey: &Survey, wanted: Wanted) -> Finding {
    let found: Vec<_> = survey
        .streams
        .iter()
        .map(|stream| stream.replicas)
        .collect();
    let (least, most) = (found.iter().min(), found.iter().max());
    let is = match (least, most) {
        (Some(least), Some(most)) if least == most => format!("{least} of each stream"),
        (Some(least), Some(most)) => format!("{least} to {most}"),
        _ => "no stream yet".to_owned(),
    };
    let should = if survey.servers >= 3 {
        3
    } else {
        wanted.replicas
    };
    let finding = Finding::cluster("replicas", is).should(
        format!("{should}, as cluster.replicas has it"),
        "with one copy the loss of a disk is the loss of all rooms on it",
    );
    if least.is_some_and(|least| *least != wanted.replicas) {
        let fix = format!(
            "the same cluster.replicas in all configurations; `nats stream edit STREAM --replicas={}`",
            wanted.replicas
        );
        return finding.unless(false, Verdict::Fault, fix);
    }
    let fix = "cluster.replicas = 3, because there are three servers";
    finding.unless(wanted.replicas >= should, Verdict::Advice, fix)
}

/// The streams that are nearly full, have no limit, or are missing.
fn streams(survey: &Survey) -> Finding {
    let finding = Finding::cluster("streams", "").should(
        "all there, under 80 % of their limits",
        "a full stream of the log takes no inputs; without a limit a full disk stops all rooms",
    );
    if survey.layout.is_none() {
        return finding.unknown("there is no cluster here yet; a worker creates it when it starts");
    }
    if !survey.missing.is_empty() {
        let is = format!("missing: {}", survey.missing.join(", "));
        let fix = "a worker creates them within half a minute; is one running?";
        return Finding { is, ..finding }.unless(false, Verdict::Fault, fix);
    }
    let is_full = |stream: &&StreamUse| {
        let limit = u64::try_from(stream.max_bytes).unwrap_or(0);
        limit > 0 && stream.bytes * 100 >= limit * NEARLY_FULL
    };
    let full: Vec<_> = survey.streams.iter().filter(is_full).collect();
    if let Some(first) = full.first() {
        let limit = u64::try_from(first.max_bytes).unwrap_or(0);
        let is = format!(
            "{} has {} of {}",
            first.name,
            size(first.bytes),
            size(limit)
        );
        let fix = format!(
            "`nats stream edit {} --max-bytes={}`",
            first.name,
            limit * 2
        );
        return Finding { is, ..finding }.unless(false, Verdict::Fault, fix);
    }
    let bytes: u64 = survey.streams.iter().map(|stream| stream.bytes).sum();
    let is = format!("{} with {} in all", survey.streams.len(), size(bytes));
    Finding { is, ..finding }
}
