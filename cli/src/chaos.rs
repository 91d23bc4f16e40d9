//! `grandstand chaos`: fault injection into a cluster of real processes, and checks that no input is lost.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser};
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::supervisor::Supervisor;
use grandstand_game::Games;
use grandstand_harness::chaos::schedule::Kind;
use grandstand_harness::chaos::{OwnGame, Progress, Report, Settings, Stage, run as run_chaos};
use grandstand_harness::rig::Plan;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::print::say;
use crate::runtime;

/// The name that stands for all kinds.
const ALL: &str = "all";

/// The free space that a run needs, GiB. NATS takes a share of what is free as the limit of its store each time it starts;
/// below what its streams may have, it does not load them.
const MIN_FREE_GIB: u64 = 8;

/// The period of progress lines if standard error is not a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Kill, pause and restart workers, edges and NATS under load, and check that no input is lost
///
/// Starts workers, edges and a NATS server on free ports, with players and spectators in many rooms. The seed and
/// `--kinds` determine the faults. At the end every room must hold each acked input exactly once and in order, all
/// clients must show the same view, and no room may have had two owners. Ctrl-C ends the run early and prints the
/// report. nats-server must be in PATH or GRANDSTAND_NATS_SERVER. Exits with 0 if every check passes and with 1
/// otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Duration of the faults, minutes
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = minutes)]
    minutes: f64,
    /// Seed of the schedule; random by default
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Kinds of faults, separated by commas; `all` for all of them
    ///
    /// Without it, processes are killed, paused and restarted: the kinds of worker, edge and nats.
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kinds())]
    kinds: Vec<String>,
    /// Game to play instead of relay and memory; it needs a scripted player
    ///
    /// `games.add::<G>().played_by(play)` names one. The processes are those of this program.
    #[arg(long, value_name = "NAME")]
    game: Option<String>,
    /// Number of players of each room
    #[arg(long, value_name = "N", default_value_t = 2, requires = "game", value_parser = clap::value_parser!(u16).range(1..=64))]
    players: u16,
    /// Parameters of the rooms: a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}", requires = "game", value_parser = params)]
    params: Value,
    /// Number of concurrent rooms
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rooms: u32,
    /// Number of workers
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
    /// Number of edges
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    edges: u32,
    /// Mean time between two inputs of a player in a room, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pace_ms: u64,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Also write the report as JSON to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write the logs of the processes to this folder and keep them
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
}

/// The names of kinds, each with its help.
fn kinds() -> PossibleValuesParser {
    let kinds = Kind::ALL.map(|kind| PossibleValue::new(kind.name()).help(kind.help()));
    let all = PossibleValue::new(ALL).help("All kinds");
    PossibleValuesParser::new(kinds.into_iter().chain([all]))
}

/// The kinds that the names stand for.
fn chosen(names: &[String]) -> Vec<Kind> {
    if names.is_empty() {
        return Kind::USUAL.to_vec();
    }
    if names.iter().any(|name| name == ALL) {
        return Kind::ALL.to_vec();
    }
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

fn params(text: &str) -> Result<Value, String> {
    let members = serde_json::from_str::<Map<String, Value>>(text);
    members
        .map(Value::Object)
        .map_err(|error| format!("must be a JSON object: {error}"))
}

fn minutes(text: &str) -> Result<f64, &'static str> {
    match text.parse() {
        Ok(minutes) if (0.01..=10_000.0).contains(&minutes) => Ok(minutes),
        _ => Err("must be a number of minutes, 0.01 to 10000"),
    }
}

impl Args {
    /// The built-in games that the run plays.
    pub(crate) fn needed(&self) -> &'static [&'static str] {
        match self.game {
            Some(_) => &[],
            None => &["relay", "memory"],
        }
    }

    /// The game of this program that the run plays.
    fn own_game(&self, games: &Games) -> Result<Option<OwnGame>, Failure> {
        let Some(name) = &self.game else {
            return Ok(None);
        };
        let scripted = games.scripted(name);
        let player = scripted.map_err(|error| {
            Failure::new(Exit::Usage, format!("`chaos --game {name}`: {error}"))
        })?;
        Ok(Some(OwnGame {
            name: name.clone(),
            params: self.params.clone(),
            players: self.players.into(),
            play: player.play,
            reduce: player.reduce,
            is_realtime: player.is_realtime,
        }))
    }
}

/// Runs to the end of the schedule, or until TERM or INT.
pub(crate) fn run(args: &Args, games: &Games) -> Result<(), Failure> {
    let game = args.own_game(games)?;
    if let Some(file) = &args.report {
        // Reports a bad path now instead of after the run.
        write(file, "")?;
    }
    check_space(&std::env::temp_dir())?;
    let seed = args.seed.unwrap_or_else(rand::random);
    let settings = Settings {
        seed,
        duration: Duration::from_secs_f64(args.minutes * 60.0),
        rooms: args.rooms as usize,
        game,
        pace: Duration::from_millis(args.pace_ms),
        keep_logs: args.logs.is_some(),
        kinds: chosen(&args.kinds),
        rig: Plan {
            workers: args.workers as usize,
            edges: args.edges as usize,
            own_group: true,
            logs: args.logs.clone(),
            ..Plan::default()
        },
    };
    say(format_args!(
        "grandstand chaos: seed {seed}, {} min, {} rooms, {} workers, {} edges, NATS",
        args.minutes, args.rooms, args.workers, args.edges
    ));
    let report = runtime::block_on(drive(settings))??;
    print(args, &report)
}

/// Checks that the disk of a folder has space for the store of NATS.
fn check_space(folder: &Path) -> Result<(), Failure> {
    let Ok(disk) = rustix::fs::statvfs(folder) else {
        return Ok(());
    };
    let free_gib = disk.f_bavail.saturating_mul(disk.f_frsize) >> 30;
    if free_gib >= MIN_FREE_GIB {
        return Ok(());
    }
    Err(Failure::new(
        Exit::NoInput,
        format!(
            "{} has {free_gib} GiB free, and the store of NATS needs {MIN_FREE_GIB}; free some, or set TMPDIR to another folder",
            folder.display()
        ),
    ))
}

async fn drive(settings: Settings) -> Result<Report, Failure> {
    let mut signals = runtime::signals()?;
    let (stop, stopped) = watch::channel(false);
    let interrupt = Supervisor::default().run("interrupt", async move {
        let signal = signals.next().await;
        say(format_args!(
            "{signal}: ending the run early; a second signal ends it immediately"
        ));
        stop.send_replace(true);
        signals.next().await;
        std::process::exit(130);
    });
    let mut shown = Shown::new(settings.duration);
    let done = run_chaos(settings, &mut |progress| shown.show(&progress), stopped).await;
    shown.end();
    interrupt.abort();
    Ok(done?)
}

fn print(args: &Args, report: &Report) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(report)
        .map_err(|e| Failure::new(Exit::Internal, format!("the report cannot be encoded: {e}")))?;
    if let Some(file) = &args.report {
        write(file, &(json.clone() + "\n"))?;
    }
    let mut out = std::io::stdout().lock();
    // A closed standard output does not change the result.
    if args.json {
        writeln!(out, "{json}").ok()
    } else {
        writeln!(out, "{report}").ok()
    };
    match report.violations.total {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Faults, "1 violation")),
        many => Err(Failure::new(Exit::Faults, format!("{many} violations"))),
    }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| {
        let message = format!("--report: {} cannot be written: {error}", file.display());
        Failure::new(Exit::NoInput, message)
    })
}

/// The progress of the run: a bar on a terminal, lines elsewhere.
struct Shown {
    bar: Option<ProgressBar>,
    duration: Duration,
    last_line: Option<(Stage, Duration)>,
}

impl Shown {
    fn new(duration: Duration) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(duration.as_secs());
            let style = ProgressStyle::with_template("{bar:30} {pos:>4}/{len} s  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self {
            bar,
            duration,
            last_line: None,
        }
    }

    fn show(&mut self, progress: &Progress) {
        let Progress { acked, waiting, .. } = progress;
        let stage = match progress.stage {
            Stage::Gathering => "players come in",
            Stage::Chaos => "chaos",
            Stage::Healing => "healing",
        };
        let wrong = match progress.violations {
            0 => String::new(),
            wrong => format!(", {wrong} WRONG"),
        };
        let message = format!("{stage}: {acked} inputs acked, {waiting} wait{wrong}");
        for event in &progress.events {
            self.line(&format!("{:8.2} s  {event}", event.at.as_secs_f64()));
        }
        match &self.bar {
            Some(bar) => {
                let seconds = match progress.stage {
                    Stage::Gathering => 0,
                    Stage::Chaos => progress.elapsed.as_secs(),
                    Stage::Healing => self.duration.as_secs(),
                };
                bar.set_position(seconds);
                bar.set_message(message);
            }
            None => {
                let due = self.last_line.is_none_or(|(stage, at)| {
                    stage != progress.stage || progress.elapsed >= at + LINE_INTERVAL
                });
                if due {
                    self.last_line = Some((progress.stage, progress.elapsed));
                    let seconds = progress.elapsed.as_secs_f64();
                    self.line(&format!("{seconds:8.2} s  {message}"));
                }
            }
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => say(format_args!("{text}")),
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
