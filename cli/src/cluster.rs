//! `grandstand cluster`: changes a running cluster, and prints the users of NATS.

use std::io::{self, Write as _};
use std::time::Duration;

use clap::Subcommand;
use grandstand_common::bus::{Bus, BusRole, authorization};
use grandstand_common::cluster::check_cluster_name;
use grandstand_common::exit::{Exit, Failure};
use grandstand_worker::repartition::{self, Done, Request};

use crate::nats::NatsArgs;
use crate::print::{cannot_print, ignore_closed_pipe};
use crate::progress::Progress;
use crate::runtime;

/// Change a running cluster, or print what NATS needs for one
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Repartition(Repartition),
    Users(Users),
}

/// Print the users of NATS that a cluster needs, each with only the permissions that it needs
///
/// The output is a part of a configuration of nats-server. The passwords are variables of the server's environment.
#[derive(Debug, clap::Args)]
struct Users {
    /// Name of the cluster, as `cluster.name` has it [default: none]
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true, value_parser = cluster_name)]
    name: String,
}

/// Move all rooms to another number of partitions, while players stay connected
///
/// Workers hand their partitions over, the rooms are copied to new streams of NATS, and workers take them from there.
/// Players see `degraded` until then; nothing that was acked is lost, and inputs that were not acked are applied once.
/// Edges and workers follow by themselves; their configuration needs no change. Ctrl-C before the last step goes back to
/// the present number. After a crash of this command run it again: it continues.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
struct Repartition {
    /// Number of partitions, 1 to 4096
    #[arg(required_unless_present = "abort", value_parser = clap::value_parser!(u16).range(1..=4096))]
    partitions: Option<u16>,
    /// Number of streams that partitions are spread over [default: as many as now]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    streams: Option<u16>,
    #[command(flatten)]
    nats: NatsArgs,
    /// Go back to the former number after a run that was interrupted
    #[arg(long, conflicts_with_all = ["partitions", "streams", "keep_old"])]
    abort: bool,
    /// Keep the former streams, and print how to delete them
    #[arg(long)]
    keep_old: bool,
    /// Seconds for which the former streams are kept after the move: longer than `sync_interval` of NATS, so that a
    /// power cut loses no room
    #[arg(long, value_name = "SECONDS", default_value_t = 150, conflicts_with_all = ["abort", "keep_old"])]
    keep_s: u32,
}

const HELP: &str = "NATS needs free storage for a second copy of all rooms.\n\nExit codes: 0 done or nothing to do, 64 the numbers \
                    are wrong, or a move to other numbers is under way, 66 there is no cluster, 69 NATS is unavailable, or a \
                    worker does not follow, 78 NATS refuses the login or denies a permission";

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let args = match args.command {
        Command::Repartition(args) => args,
        Command::Users(users) => return print_users(&users),
    };
    runtime::block_on(repartition(&args))?
}

fn cluster_name(text: &str) -> Result<String, String> {
    check_cluster_name(text)?;
    Ok(text.to_owned())
}

fn print_users(users: &Users) -> Result<(), Failure> {
    let text = authorization(&users.name);
    io::stdout()
        .write_all(text.as_bytes())
        .or_else(ignore_closed_pipe)
        .map_err(cannot_print)
}

async fn repartition(args: &Repartition) -> Result<(), Failure> {
    let bus = args
        .nats
        .inspect("repartition", BusRole::Repartition)
        .await?;
    let mut progress = Progress::new();
    let Some(partitions) = args.partitions else {
        return abort(&bus, &mut progress).await;
    };
    let request = Request {
        partitions,
        streams: args.streams,
        keep_old: args.keep_old,
        keep_for: Duration::from_secs(args.keep_s.into()),
    };
    let mut signals = runtime::signals()?;
    let mut tell = |step: &repartition::Step| progress.show(step);
    let done = tokio::select! {
        done = repartition::repartition(&bus, request, &mut tell) => Some(done),
        _ = signals.next() => None,
    };
    progress.end();
    match done {
        Some(Ok(done)) => {
            report(&done, &mut progress);
            Ok(())
        }
        Some(Err(error)) => Err(error.into()),
        None => match abort(&bus, &mut progress).await {
            // The rooms are moved; only the former streams may be left.
            Err(failure) if failure.exit() == Exit::Usage => Err(Failure::new(
                Exit::Unavailable,
                "interrupted after the move: run the same command again to delete the former streams",
            )),
            aborted => aborted,
        },
    }
}

async fn abort(bus: &Bus, progress: &mut Progress) -> Result<(), Failure> {
    let layout = repartition::abort(bus).await?;
    let partitions = layout.partitions;
    let streams = layout.streams;
    progress.note(&format!(
        "went back: the cluster has {partitions} partitions in {streams} streams, as before"
    ));
    Ok(())
}

fn report(done: &Done, progress: &mut Progress) {
    match done {
        Done::Nothing(layout) => progress.note(&format!(
            "nothing to do: the cluster has {} partitions in {} streams",
            layout.partitions, layout.streams
        )),
        Done::Moved {
            from,
            kept,
            to,
            rooms,
            entries,
            owned,
        } => {
            progress.note(&format!(
                "moved {rooms} rooms and {entries} entries from {} to {} partitions",
                from.partitions, to.partitions
            ));
            if !owned {
                progress.note(
                    "not all partitions have an owner yet: are workers running? They take the partitions as they start",
                );
            }
            if !kept.is_empty() {
                progress.note("the former streams are kept; to delete them:");
            }
            for name in kept {
                progress.note(&format!("  nats stream rm -f {name}"));
            }
        }
    }
}
