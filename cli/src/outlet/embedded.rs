//! The outlet within `grandstand dev`, on a thread of its own because endpoints' names are looked up there.

use std::path::Path;
use std::sync::Arc;

use grandstand_common::bus::{Bus, BusRole};
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::follow::follow;
use grandstand_common::process::admin::Component;
use grandstand_common::process::config::{Sources, load};
use grandstand_common::process::drain;
use grandstand_common::supervisor::Supervisor;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use super::config::OutletConfig;
use super::metrics::OutletMetrics;
use super::session::{Outlet, Targets};
use crate::beside::Beside;

/// An outlet that is about to run.
pub(crate) struct EmbeddedOutlet {
    targets: Targets,
    metrics: OutletMetrics,
}

impl EmbeddedOutlet {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// If the file, or one that it names, cannot be used.
    pub(crate) fn open(file: &Path, registry: &mut Registry) -> Result<Self, Failure> {
        let config: OutletConfig = load(&Sources::new(Some(file.to_owned())))?;
        let metrics = OutletMetrics::register(registry);
        let targets = Targets::open(&config.outlet, &metrics)
            .map_err(|why| Failure::new(Exit::Config, why.to_string()))?;
        Ok(Self { targets, metrics })
    }
}

impl Beside for EmbeddedOutlet {
    const NAME: &'static str = "outlet";
    const ROLE: BusRole = BusRole::Outlet;
    type Ready = Outlet;

    fn ready(
        self,
        bus: Bus,
        component: Component,
        watch: drain::Watch,
        supervisor: &Supervisor,
    ) -> Outlet {
        Outlet {
            layout: follow(&bus, supervisor),
            bus,
            // They stay as they are: without a sender the channel has no further value.
            targets: watch::channel(Arc::new(self.targets)).1,
            metrics: self.metrics,
            component,
            watch,
        }
    }

    async fn run(outlet: Outlet) -> Result<(), Failure> {
        outlet.run().await;
        Ok(())
    }
}
