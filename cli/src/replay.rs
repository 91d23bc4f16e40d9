//! `grandstand replay`: replays a room from its log and compares the result with its stored snapshot.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use grandstand_common::bus::{Bus, BusOptions, BusRole};
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::id::RoomId;
use grandstand_game::Games;
use grandstand_worker::replay::{self, Line, Output, Progress, ReplayError, Report, Request};

use crate::nats::NatsArgs;
use crate::print::{cannot_print, ignore_closed_pipe, print_panics_once, say};
use crate::runtime;

/// Replay a room from its log and compare the result with its stored snapshot
///
/// Reads the bus and writes nothing; no worker takes part. Partitions and streams are read from the cluster or the
/// folder. The output shows the room's whole state, including hidden cards and the random seed.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Room to replay, for example memory-42
    room: RoomId,
    #[command(flatten)]
    nats: NatsArgs,
    /// Folder of a `grandstand dev --data` that is not running
    #[arg(long, value_name = "DIR", conflicts_with = "nats")]
    data: Option<PathBuf>,
    /// Show what can be read of a damaged folder
    #[arg(long, requires = "data")]
    accept_loss: bool,
    /// Sequence of the entry that created the room, if several had the name [default: the newest]
    #[arg(long, value_name = "SEQ")]
    instance: Option<u64>,
    /// Replay up to this entry
    #[arg(long, value_name = "SEQ")]
    until: Option<u64>,
    /// Start from the stored snapshot, for a room whose first entry is no longer in the log
    #[arg(long, conflicts_with_all = ["instance", "until"])]
    from_snapshot: bool,
    /// Print the room's history, one JSON object per line, instead of the report
    #[arg(long, conflicts_with = "state")]
    json: bool,
    /// Print the final state as JSON instead of the report
    #[arg(long)]
    state: bool,
}

const HELP: &str = "Exit codes: 0 the replay equals the stored snapshot, 1 it differs from the snapshot or between replays, or \
                    stops before the end, 65 the folder is damaged, 66 the room does not exist or its first entry is no \
                    longer in the log, 69 NATS, the folder or the game is unavailable";

/// Replays the room and prints the result.
pub(crate) fn run(args: Args, games: &Games) -> Result<(), Failure> {
    print_panics_once();
    let report = match runtime::block_on(drive(&args, games))? {
        Ok(report) => report,
        Err(ReplayEnd::PipeClosed) => return Ok(()),
        Err(ReplayEnd::Failed(failure)) => return Err(failure),
    };
    let printed = print(&args, &report);
    printed.or_else(ignore_closed_pipe).map_err(cannot_print)?;
    match report.fault() {
        None => Ok(()),
        Some(fault) => Err(Failure::new(Exit::Faults, fault)),
    }
}

/// The end of a replay without a report to print.
enum ReplayEnd {
    /// The reader of the output closed the pipe.
    PipeClosed,
    Failed(Failure),
}

impl From<Failure> for ReplayEnd {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

async fn drive(args: &Args, games: &Games) -> Result<Report, ReplayEnd> {
    let bus = connect(args).await?;
    let request = Request {
        room: args.room.clone(),
        instance: args.instance,
        until: args.until,
        from_snapshot: args.from_snapshot,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let mut write = |line: &Line| {
        serde_json::to_writer(&mut out, line)?;
        out.write_all(b"\n")
    };
    let output = Output {
        line: args.json.then_some(&mut write),
        progress: &mut print_progress,
    };
    let report = replay::replay(&bus, games, &request, output).await;
    let written = out.flush();
    match report {
        Err(ReplayError::Output(error)) => ignore_closed_pipe(error).map_err(cannot_print)?,
        Err(error) => return Err(Failure::from(error).into()),
        Ok(report) => match written {
            Ok(()) => return Ok(report),
            Err(error) => ignore_closed_pipe(error).map_err(cannot_print)?,
        },
    }
    Err(ReplayEnd::PipeClosed)
}

async fn connect(args: &Args) -> Result<Bus, Failure> {
    match &args.data {
        None => args.nats.inspect("replay", BusRole::Tool).await,
        Some(dir) => {
            let options = BusOptions {
                accept_loss: args.accept_loss,
                ..BusOptions::default()
            };
            Ok(Bus::inspect_folder(dir, &options).await?)
        }
    }
}

fn print(args: &Args, report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match &report.state {
        _ if args.json => {}
        Some(state) if args.state => {
            serde_json::to_writer_pretty(&mut out, &state.json)?;
            writeln!(out)?;
        }
        None if args.state => writeln!(out, "null")?,
        _ => return write!(out, "{report}").and_then(|()| out.flush()),
    }
    out.flush()?;
    if !report.is_well() {
        // A closed standard error changes nothing.
        write!(io::stderr(), "{report}").ok();
    }
    Ok(())
}

fn print_progress(progress: Progress) {
    let phase = if progress.second {
        "replaying"
    } else {
        "reading"
    };
    let Progress { read, behind, .. } = progress;
    say(format_args!(
        "grandstand: {phase}: {read} entries done, {behind} left"
    ));
}
