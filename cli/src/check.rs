//! `grandstand check`: checks the stored rooms of a cluster or a folder with this build.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::str::FromStr;

use grandstand_common::bus::{Bus, BusOptions, BusRole};
use grandstand_common::exit::{Exit, Failure};
use grandstand_game::Games;
use grandstand_worker::check::{self, CheckReport, CheckRequest};

use crate::nats::NatsArgs;
use crate::print::{cannot_print, ignore_closed_pipe, print_panics_once};
use crate::progress::Progress;
use crate::runtime;

/// Check stored rooms with this build, before it is deployed
///
/// Loads every stored room, migrates it to this build's version of its game, shows it, stores it and loads it once more,
/// begins the stored worlds of rooms in real time, and replays the logs of some. Writes nothing; rooms may be played
/// meanwhile.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// NATS servers of a cluster, separated by commas, or the folder of a `grandstand dev --data` that is not running
    #[arg(long, value_name = "URL|DIR")]
    against: Place,
    /// Configuration file of a worker, with the credentials of NATS
    #[arg(long, value_name = "FILE", env = "GRANDSTAND_WORKER_CONFIG")]
    config: Option<PathBuf>,
    /// Number of rooms whose logs are replayed
    #[arg(long, value_name = "N", default_value_t = 0)]
    replay: usize,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

const HELP: &str = "Exit codes: 0 all rooms are the same for this build, 1 some differ, 65 the folder is damaged, 66 there is no such \
                    folder or cluster, 69 NATS or the folder is unavailable, 78 NATS refuses the login or denies a permission";

/// The place of the rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Nats(String),
    Folder(PathBuf),
}

impl FromStr for Place {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text.contains("://") {
            Self::Nats(text.to_owned())
        } else {
            Self::Folder(text.into())
        })
    }
}

/// Checks the rooms and prints the result.
pub(crate) fn run(args: Args, games: &Games) -> Result<(), Failure> {
    print_panics_once();
    let is_json = args.json;
    let report = runtime::block_on(drive(args, games))??;
    let printed = print(is_json, &report);
    printed.or_else(ignore_closed_pipe).map_err(cannot_print)?;
    if report.is_well() {
        return Ok(());
    }
    let message = format!(
        "{} of {} rooms differ, or cannot be used by this build",
        report.faulty, report.rooms
    );
    Err(Failure::new(Exit::Faults, message))
}

async fn drive(args: Args, games: &Games) -> Result<CheckReport, Failure> {
    let bus = match args.against {
        Place::Nats(url) => {
            let nats = NatsArgs::new(url, args.config);
            nats.inspect("check", BusRole::Tool).await?
        }
        Place::Folder(dir) => Bus::inspect_folder(&dir, &BusOptions::default()).await?,
    };
    let request = CheckRequest {
        replays: args.replay,
    };
    let mut progress = Progress::new();
    let report = check::check(&bus, games, request, &mut |step| progress.show(step)).await;
    progress.end();
    Ok(report?)
}

fn print(is_json: bool, report: &CheckReport) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if is_json {
        serde_json::to_writer(&mut out, report)?;
        writeln!(out)?;
    } else {
        write!(out, "{report}")?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_cluster_and_anything_else_a_folder() {
        let place = |text: &str| text.parse::<Place>().unwrap();
        let urls = "nats://a:4222,nats://b:4222";
        assert_eq!(place(urls), Place::Nats(urls.to_owned()));
        assert_eq!(place("data"), Place::Folder("data".into()));
        assert_eq!(place("/var/data"), Place::Folder("/var/data".into()));
    }
}
