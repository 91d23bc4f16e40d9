//! `grandstand doctor`: checks a machine and a cluster for a number of connections.

mod finding;

mod target;

mod machine;

mod limits;

mod network;

mod cluster;

mod settings;

mod sysctl;

mod print;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use grandstand_common::bus::{BusOptions, BusRole, survey};
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::supervisor::Supervisor;

use crate::print::{cannot_print, ignore_closed_pipe, say};
use crate::runtime;
use cluster::Wanted;
use finding::Finding;
use machine::Machine;
use print::Counts;
use settings::Settings;

/// Check this machine and a cluster for a number of connections
///
/// Says for each limit and setting what it is, what it should be, why, and how to set it. Changes nothing, and needs no
/// rights: what it may not read, it says.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Connections of one edge on this machine
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=50_000_000))]
    connections: u64,
    /// NATS servers to check, separated by commas [default: those of --config, or none]
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    /// Configuration file of an edge or a worker, with which the machine and NATS are compared
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Process whose permissions in NATS are tried [default: that of --config, or worker]
    #[arg(long, value_name = "ROLE")]
    role: Option<Role>,
    /// Write the settings of the kernel that this number needs to a file for `sysctl -p`
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Exit with 1 also if something could be better or cannot be told
    #[arg(long)]
    strict: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

const HELP: &str = "Exit codes: 0 nothing must change, 1 something must (with --strict: or could, or cannot be told), 64 wrong \
                    command line, 66 a file cannot be read or written, 78 wrong configuration";

/// A process with permissions of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    Edge,
    Worker,
    Archive,
    Outlet,
    Tool,
    Operator,
}

impl From<Role> for BusRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Edge => Self::Edge,
            Role::Worker => Self::Worker,
            Role::Archive => Self::Archive,
            Role::Outlet => Self::Outlet,
            Role::Tool => Self::Tool,
            Role::Operator => Self::Operator,
        }
    }
}

/// Checks, and prints the findings.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let settings = Settings::load(args.config.as_deref(), args.nats.as_deref())?;
    let target = settings.target(args.connections);
    let machine = Machine::read(Path::new("/"));
    let mut findings = limits::check(&machine, &target);
    findings.extend(network::check(&machine, &target));
    let place = if settings.has_cluster {
        let role = args.role.map_or(settings.role, BusRole::from);
        let found = runtime::block_on(check_cluster(&settings, role))?;
        findings.extend(found);
        "NATS was asked as well"
    } else {
        "no cluster was named (--nats, --config)"
    };
    if let Some(file) = &args.write {
        sysctl::write(file, &sysctl::content(&findings, args.connections))?;
        say(format_args!("wrote {}", file.display()));
    }
    let text = if args.json {
        let json = print::json(&findings, args.connections);
        json.map_err(|e| Failure::new(Exit::Internal, format!("cannot encode the result: {e}")))?
    } else {
        print::text(&findings, args.connections, place)
    };
    io::stdout()
        .write_all(text.as_bytes())
        .or_else(ignore_closed_pipe)
        .map_err(cannot_print)?;
    judge(Counts::of(&findings), args.strict)
}

async fn check_cluster(settings: &Settings, role: BusRole) -> Vec<Finding> {
    let cluster = &settings.cluster;
    let options = BusOptions {
        role: Some(role),
        ..cluster.bus_options("doctor", &Supervisor::default())
    };
    let wanted = Wanted {
        replicas: options.replicas,
        streams: options.streams,
        log_limit: options.log_limit,
    };
    match survey(&cluster.url, &options).await {
        Ok(survey) => cluster::check(&survey, wanted),
        Err(error) => vec![cluster::unreachable(&error)],
    }
}

/// The result of the command.
fn judge(counts: Counts, is_strict: bool) -> Result<(), Failure> {
    let Counts {
        fault,
        advice,
        unknown,
        ..
    } = counts;
    if fault > 0 {
        let text = format!("{fault} must change, see above");
        return Err(Failure::new(Exit::Faults, text));
    }
    if is_strict && advice + unknown > 0 {
        let text = format!("--strict: {advice} could be better, {unknown} cannot be told");
        return Err(Failure::new(Exit::Faults, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
