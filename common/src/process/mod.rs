//! The frame of a process: from the command line to a running runtime, and back to an exit code with one line that says
//! why.

pub mod config;

pub mod lossy;

pub mod telemetry;

pub mod lag;

pub mod usage;

pub mod metrics;

pub mod described;

pub mod admin;

pub mod drain;

pub mod shutdown;

pub mod reload;

pub mod sys;

pub mod service_manager;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use self::config::{Config, Sources};
use self::shutdown::Signals;
use self::telemetry::{Log, LogFormat};
use crate::exit::{self, Exit, ExitError as _, Failure};
use crate::supervisor::{self, Failures, PartEnded, Supervisor};

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
    /// Log filter, as in RUST_LOG, instead of `log.filter`
    #[arg(long, value_name = "FILTER", env = "GRANDSTAND_LOG")]
    log: Option<String>,
}

impl ProcessArgs {
    /// The sources of a process' configuration: its file, and the flags, which set keys of `section` and `cluster.url`.
    pub fn sources(&self, section: &str, file: Option<PathBuf>) -> Sources {
        Sources::new(file)
            .flag("--admin", &format!("{section}.admin"), self.admin.as_ref())
            .flag("--nats", "cluster.url", self.nats.as_ref())
            .flag("--name", &format!("{section}.name"), self.name.as_ref())
            .flag("--log", "log.filter", self.log.as_ref())
    }
}

/// The most time for which the end waits for calls that block, such as reads of files.
const BLOCKED: Duration = Duration::from_secs(1);

/// The supervisor, the failures, the log and the signals that `main` hands to the process that it frames.
#[derive(Debug)]
pub struct Frame {
    /// Starts the parts of the process.
    pub supervisor: Supervisor,
    /// Says which part has failed.
    pub failures: Failures,
    /// The log, for its metrics.
    pub log: Log,
    /// The signals that ask the process to end.
    pub signals: Signals,
}

impl Frame {
    /// The result of an orderly shutdown: an error if a part failed meanwhile.
    ///
    /// # Errors
    /// The failure of the part.
    pub fn result(&self) -> Result<(), Failure> {
        self.failures
            .get()
            .map_or(Ok(()), |ended| Err(ended.into()))
    }
}

impl From<PartEnded> for Failure {
    fn from(ended: PartEnded) -> Self {
        let message = format!(
            "{ended}. The process exits rather than run without that part. This is a bug: the log shows where; \
             restart the process and report it"
        );
        Self::new(Exit::Internal, message)
    }
}

/// Loads the configuration (or only validates it), and frames `drive`.
pub fn run<C: Config, F>(name: &str, args: &ProcessArgs, sources: &Sources, drive: F) -> ExitCode
where
    F: AsyncFnOnce(C, &mut Frame) -> Result<(), Failure>,
{
    if args.check {
        let checked = config::check::<C>(sources, &mut std::io::stdout());
        // The exit code tells even if standard output is closed.
        let loaded = |_| config::load::<C>(sources).map_or_else(|e| e.exit(), |_| Exit::Ok);
        return checked.unwrap_or_else(loaded).into();
    }
    match config::load::<C>(sources) {
        Ok(config) => {
            let filter = config.log_filter().to_owned();
            frame(name, args.log_format, &filter, async |frame| {
                config::warn(&config);
                drive(config, frame).await
            })
        }
        Err(error) => exit::say(name, &error.into()),
    }
}

/// Sets up the log, runs `drive` to its end, and says why it failed.
pub fn frame<F>(name: &str, format: LogFormat, filter: &str, drive: F) -> ExitCode
where
    F: AsyncFnOnce(&mut Frame) -> Result<(), Failure>,
{
    let (supervisor, failures) = supervisor::channel();
    let log = match telemetry::init(format, filter, &supervisor) {
        Ok(log) => log,
        Err(error) => return exit::say(name, &Failure::new(Exit::Usage, error.to_string())),
    };
    let exit = match drive_frame(supervisor, failures, log.clone(), drive) {
        Ok(()) => Exit::Ok,
        Err(failure) => {
            log.say(&format!("{name}: {failure}"));
            failure.exit()
        }
    };
    log.finish();
    exit.into()
}

fn drive_frame<F>(
    supervisor: Supervisor,
    failures: Failures,
    log: Log,
    drive: F,
) -> Result<(), Failure>
where
    F: AsyncFnOnce(&mut Frame) -> Result<(), Failure>,
{
    let files = sys::raise_open_files();
    tracing::debug!(files, "limit of open files");
    if let Err(error) = sys::reserve_descriptors(files) {
        tracing::debug!(%error, "cannot reserve descriptors");
    }
    let failed = |e: std::io::Error| Failure::new(Exit::Internal, format!("cannot start: {e}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let result = runtime.block_on(async {
        let mut frame = Frame {
            supervisor: supervisor.clone(),
            failures,
            log,
            signals: Signals::new().map_err(failed)?,
        };
        supervisor.guard("main", drive(&mut frame)).await?
    });
    // A file system or a name server that does not answer would otherwise keep the process.
    runtime.shutdown_timeout(BLOCKED);
    result
}
