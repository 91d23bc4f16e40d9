//! The frame of a process: from the command line to a running runtime, and back to an exit code with one line that says
//! why.

pub mod config;

pub mod telemetry;

pub mod metrics;

pub mod admin;

pub mod drain;

pub mod shutdown;

pub mod sys;

use std::path::PathBuf;
use std::process::ExitCode;

use self::config::{Config, ConfigError, Sources};
use self::telemetry::LogFormat;
use crate::exit::{BindError, Exit, Failure};

/// Flags of the processes of a cluster.
#[derive(Debug, clap::Args)]
pub struct ProcessArgs {
    /// Address for health checks and metrics
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// NATS servers, separated by commas
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    /// Name with which the ids of the process begin
    #[arg(long)]
    name: Option<String>,
    /// Validate the configuration, report every problem and exit
    #[arg(long)]
    check: bool,
    /// Format of log lines
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
    /// Log filter, as in RUST_LOG
    #[arg(long, value_name = "FILTER", default_value = telemetry::DEFAULT_FILTER, env = "GRANDSTAND_LOG")]
    log: String,
}

impl ProcessArgs {
    /// The sources of a process' configuration: its file, and the flags, which set keys of `section` and `cluster.url`.
    pub fn sources(&self, section: &str, file: Option<PathBuf>) -> Sources {
        Sources::new(file)
            .flag("--admin", &format!("{section}.admin"), self.admin.as_ref())
            .flag("--nats", "cluster.url", self.nats.as_ref())
            .flag("--name", &format!("{section}.name"), self.name.as_ref())
    }
}

/// Loads the configuration (or only validates it), sets up the log, and runs `drive` to its end.
pub fn run<C: Config, F>(name: &str, args: &ProcessArgs, sources: &Sources, drive: F) -> ExitCode
where
    F: AsyncFnOnce(C) -> Result<(), Failure>,
{
    if args.check {
        let checked = config::check::<C>(sources, &mut std::io::stdout());
        return checked.unwrap_or(Exit::Internal).into();
    }
    match try_run(args, sources, drive) {
        Ok(()) => Exit::Ok.into(),
        Err(failure) => {
            eprintln!("{name}: {failure}");
            failure.exit().into()
        }
    }
}

fn try_run<C: Config, F>(args: &ProcessArgs, sources: &Sources, drive: F) -> Result<(), Failure>
where
    F: AsyncFnOnce(C) -> Result<(), Failure>,
{
    let config: C = config::load(sources).map_err(|e| Failure::new(e.exit(), e.to_string()))?;
    telemetry::init(args.log_format, &args.log)
        .map_err(|e| Failure::new(Exit::Usage, e.to_string()))?;
    config::warn(&config);
    let files = sys::raise_open_files();
    tracing::debug!(files, "limit of open files");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(Exit::Internal, e.to_string()))?;
    runtime.block_on(drive(config))
}

/// The exit code of the first error in `error`'s chain that has one: a [`Failure`], a [`BindError`] or a
/// [`ConfigError`]. [`Exit::Internal`] if none has.
pub fn exit_code(error: &(dyn std::error::Error + 'static)) -> Exit {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain
        .filter_map(|error| {
            if let Some(failure) = error.downcast_ref::<Failure>() {
                return Some(failure.exit());
            }
            if let Some(bind) = error.downcast_ref::<BindError>() {
                return Some(bind.exit());
            }
            let config = error.downcast_ref::<ConfigError>()?;
            Some(config.exit())
        })
        .next()
        .unwrap_or(Exit::Internal)
}

#[cfg(test)]
mod tests {
    use std::{fmt, io};

    use super::*;

    #[test]
    fn an_exit_code_is_found_at_any_depth_of_the_error() {
        let taken = BindError {
            key: "admin.listen",
            address: ([127, 0, 0, 1], 8081).into(),
            source: io::ErrorKind::AddrInUse.into(),
        };
        assert!(taken.to_string().contains("127.0.0.1:8081"));
        let error = anyhow::Error::new(taken)
            .context("admin")
            .context("starting");
        assert_eq!(exit_code(error.as_ref()), Exit::AddressInUse);

        let error = anyhow::Error::new(Failure::new(Exit::Unavailable, "no NATS")).context("x");
        assert_eq!(exit_code(error.as_ref()), Exit::Unavailable);
        assert_eq!(exit_code(&fmt::Error), Exit::Internal);
    }
}
