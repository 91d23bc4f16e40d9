//! `grandstand outlet` as a process.

use std::path::PathBuf;
use std::sync::Arc;

use grandstand_common::exit::{Exit, Failure};
use grandstand_common::follow::follow;
use grandstand_common::process::config::Sources;
use grandstand_common::process::{Frame, ProcessArgs, drain};
use tokio::sync::watch;

use super::config::OutletConfig;
use super::dead::Command;
use super::metrics::OutletMetrics;
use super::session::{Outlet, Targets};
use crate::service::Service;

/// Deliver what games emit to webhooks, and answer the calls of games
///
/// Without a command it delivers until it is told to end.
#[derive(Debug, clap::Args)]
#[command(version, after_help = grandstand_common::exit::HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    /// Configuration file with the endpoints; config/outlet.toml lists every key
    #[arg(
        long,
        value_name = "FILE",
        env = "GRANDSTAND_OUTLET_CONFIG",
        global = true
    )]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) process: ProcessArgs,
}

impl Args {
    /// The sources of the configuration.
    pub(super) fn sources(&self) -> Sources {
        self.process.sources("outlet", self.config.clone())
    }
}

/// Runs until TERM or INT.
pub(super) async fn drive(
    config: OutletConfig,
    sources: Sources,
    frame: &mut Frame,
) -> Result<(), Failure> {
    let register = OutletMetrics::register;
    let (mut service, metrics) = Service::start(config.clone(), sources, frame, register)?;
    let targets = Targets::open(&config.outlet, &metrics)
        .map_err(|why| Failure::new(Exit::Config, why.to_string()))?;
    let (current, targets) = watch::channel(Arc::new(targets));
    let Some(bus) = service.connect().await? else {
        return Ok(());
    };
    let (signal, drained) = drain::channel();
    let outlet = Outlet {
        layout: follow(&bus, &service.scope()),
        bus,
        targets,
        metrics: metrics.clone(),
        component: service.component(),
        watch: drained,
    };
    let work = async {
        outlet.run().await;
        Ok(())
    };
    let late = "the requests under way take too long; they are sent again at the next start";
    let reload = |config: &OutletConfig| {
        let targets = Targets::open(&config.outlet, &metrics).map_err(|why| why.to_string())?;
        targets.replace(&current, &metrics);
        Ok(())
    };
    service.run(signal, work, reload, late).await
}
