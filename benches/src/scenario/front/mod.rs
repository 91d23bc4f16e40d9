//! `ramp`, `stress`, `spike`, `soak`: players against a Grandstand that runs already, with targets to pass or to miss.

mod address;

mod profile;

mod targets;

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use grandstand_common::process::sys;
use tokio::time::{Instant, sleep_until};

use crate::error::BenchError;
use crate::host::pin::Cores;
use crate::host::servers::ServersUsage;
use crate::load::job::{Command, Job, LoadRole, Rooms};
use crate::load::remote::Load;
use crate::load::tally::{Latencies, Tally};
use crate::outcome::Outcome;
use crate::plot::{Axis, Chart, Line, Panel};
use crate::progress::Progress;
use crate::report::Report;
use crate::scenario::jobs::job;
use crate::scenario::measure::{Measured, Sample, drain, measure_until, settle};
use address::FrontUrl;
pub use profile::Profile;
use targets::{Reached, Targets};

/// Clients that may be connecting at a time.
const AT_ONCE: u32 = 256;
/// The open files that the generators need besides their connections.
const OTHER_FILES: u64 = 300;
/// The most time in which the players of one step connect, seconds.
const MOST_CONNECTING_S: f64 = 600.0;

/// The options of the profiles.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Address for clients: ws:// or wss://, with /v1/ws as the path unless there is one
    #[arg(long, value_name = "URL")]
    url: FrontUrl,
    /// Secret of the edges, which signs the players' tokens (visible to other users in the list of processes)
    #[arg(
        long,
        value_name = "TEXT",
        env = "GRANDSTAND_SECRET",
        hide_env_values = true
    )]
    secret: String,
    /// PEM file with the authority that signed the certificate of the front, instead of those that the system trusts
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Most players at a time, two in each room [default: that of the profile]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    players: Option<u32>,
    /// Minutes for which so many play [default: that of the profile]
    #[arg(long, value_name = "MINUTES", value_parser = positive)]
    minutes: Option<f64>,
    /// Time in which they connect, seconds [default: that of the profile]
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    connect_s: Option<f64>,
    /// Inputs of each player in a second
    #[arg(long, value_name = "N", default_value_t = 0.2, value_parser = positive)]
    inputs_per_player: f64,
    /// Size of an input's data in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    size: u32,
    #[command(flatten)]
    targets: Targets,
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    (number > 0.0 && number.is_finite())
        .then_some(number)
        .ok_or_else(|| "must be above 0".to_owned())
}

/// Runs a profile.
///
/// # Errors
/// If the address cannot be resolved or a generator fails. Missed targets are in the outcome.
pub async fn run(
    profile: Profile,
    options: &Options,
    progress: &mut Progress,
) -> Result<Outcome, BenchError> {
    let plan = profile.plan(options.players, options.minutes, options.connect_s);
    check_files(plan.players)?;
    let target = options.url.resolve().await?;
    let mut run = Run {
        loads: Vec::new(),
        connects: Tally::default(),
        while_connecting: Tally::default(),
        stopped: None,
        samples: Vec::new(),
    };
    let begun = Instant::now();
    let mut first = 0;
    for step in &plan.steps {
        sleep_until(begun + Duration::from_secs_f64(step.at_s)).await;
        let job = Job {
            targets: vec![target],
            tls: options.ca_file.clone(),
            front: Some(options.url.front()),
            source: 1,
            secret: options.secret.clone(),
            rooms: Rooms {
                prefix: format!("relay-{}-", profile.name()),
                each: 2,
                per_connection: 1,
            },
            first_player: first,
            at_once: AT_ONCE,
            size: options.size,
            ..job(target, LoadRole::Player, step.players, Cores::SHARED)
        };
        first += step.players;
        progress.phase(format!("connecting {first} of {}", plan.players));
        run.connect(&job, options.inputs_per_player, progress)
            .await?;
    }
    progress.phase("playing");
    let seconds = plan.minutes * 60.0;
    let mut measured = run.measure(seconds, progress, |_| false).await?;
    progress.phase("waiting for late messages");
    for load in &mut run.loads {
        load.tell(Command::Silence).await?;
    }
    drain(&mut run.loads.iter_mut().collect::<Vec<_>>(), &mut measured).await?;
    run.samples.extend(&measured.samples);
    Ok(outcome(profile, options, &plan, &run, &measured))
}

/// The generators and what they have counted before all players were there.
struct Run {
    loads: Vec<Load>,
    /// The connects.
    connects: Tally,
    /// The counts of players while others connected.
    while_connecting: Tally,
    /// The reason why not all could connect.
    stopped: Option<String>,
    samples: Vec<Sample>,
}

impl Run {
    /// Connects the players of a job, while those before them play and are measured.
    async fn connect(
        &mut self,
        job: &Job,
        inputs_per_player: f64,
        progress: &mut Progress,
    ) -> Result<(), BenchError> {
        let mut load = Load::start(job).await?;
        let done = Cell::new(false);
        let connecting = async {
            let ramp = load.ramp(|_| None).await;
            done.set(true);
            ramp
        };
        let ramp = if self.loads.is_empty() {
            connecting.await?
        } else {
            let playing = self.measure(MOST_CONNECTING_S, progress, |_| done.get());
            let (ramp, measured) = tokio::join!(connecting, playing);
            let measured = measured?;
            for tally in &measured.tallies {
                self.while_connecting.add(tally);
            }
            self.samples.extend(measured.samples);
            ramp?
        };
        if ramp.live == 0 && self.loads.is_empty() {
            return Err(BenchError::NotConnected {
                live: 0,
                wanted: job.connections,
                seconds: ramp.seconds as u64,
                error: ramp.tally.error.or(ramp.stopped),
            });
        }
        load.tell(Command::Rate(inputs_per_player * f64::from(ramp.live)))
            .await?;
        settle(0.5).await;
        self.connects.add(&ramp.tally);
        self.stopped = self.stopped.take().or(ramp.stopped);
        self.loads.push(load);
        Ok(())
    }

    async fn measure(
        &mut self,
        seconds: f64,
        progress: &mut Progress,
        enough: impl Fn(&Measured) -> bool,
    ) -> Result<Measured, BenchError> {
        let mut loads: Vec<_> = self.loads.iter_mut().collect();
        // The servers are elsewhere.
        let usage = || Ok(ServersUsage::default());
        measure_until(usage, &mut loads, seconds, progress, enough).await
    }
}

/// Refuses more players than this process' generators can have open files for.
fn check_files(players: u32) -> Result<(), BenchError> {
    let files = sys::raise_open_files();
    if u64::from(players) + OTHER_FILES <= files {
        return Ok(());
    }
    let most = files.saturating_sub(OTHER_FILES);
    Err(BenchError::Impossible(format!(
        "{players} players need as many open files, and the limit is {files}: name at most {most} with --players, or raise \
         the limit (`ulimit -n`)"
    )))
}

fn outcome(
    profile: Profile,
    options: &Options,
    plan: &profile::Plan,
    run: &Run,
    measured: &Measured,
) -> Outcome {
    let mut at_last = Tally::default();
    for tally in &measured.tallies {
        at_last.add(tally);
    }
    let mut played = run.while_connecting.clone();
    played.add(&at_last);
    let reached = Reached::of(&run.connects, &played, &at_last);
    let mut report = Report::new(profile.name());
    let settings = &mut report.settings;
    settings.put("url", options.url.to_string());
    settings.put("players", plan.players);
    settings.put_number("minutes", plan.minutes);
    settings.put_number("inputs_per_player_per_s", options.inputs_per_player);
    let figures = &mut report.figures;
    figures.put("connected", run.connects.entered);
    figures.put("connected_at_the_end", at_last.live);
    put(figures, "connect", &run.connects.entries);
    put(figures, "ack", &played.acks);
    put(figures, "update", &played.latencies);
    figures.put("inputs", reached.inputs);
    figures.put("inputs_acked", reached.acked);
    figures.put("errors", reached.errors);
    figures.put_number("success_percent", reached.success_percent());
    figures.put_number("error_percent", reached.error_percent());
    report.missed = options.targets.missed(&reached);
    report.figures.put("passed", report.missed.is_empty());
    let troubles = [&run.stopped, &run.connects.error, &played.error];
    for trouble in troubles.into_iter().flatten() {
        report.warn(trouble.clone());
    }
    report.put_generator(measured.generator);
    let chart = chart(profile, options, run);
    Outcome { report, chart }
}

fn put(figures: &mut crate::report::Figures, name: &str, latencies: &Latencies) {
    for (quantile, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)] {
        let value = latencies.quantile_ms(share);
        figures.put(format!("{name}_{quantile}_ms"), value.map(f64::round));
    }
}

fn chart(profile: Profile, options: &Options, run: &Run) -> Chart {
    // Each measurement counts its seconds from its own start.
    let points = |of: fn(&Sample) -> f64| {
        let samples = run.samples.iter().enumerate();
        samples
            .map(|(second, sample)| (second as f64, of(sample)))
            .collect()
    };
    let panel = |y, name: &str, of| Panel {
        x: Axis::Seconds,
        y,
        lines: vec![Line::new(name, points(of))],
    };
    Chart {
        title: format!("{}: {} players", profile.name(), run.connects.entered),
        subtitle: options.url.to_string(),
        panels: vec![
            panel("p99 of updates, ms", "first players", |sample| {
                sample.p99_ms
            }),
            panel("messages received / s", "first players", |sample| {
                sample.received
            }),
        ],
    }
}
