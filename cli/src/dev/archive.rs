//! The archive of results, if `--archive` asks for it.

use grandstand_common::bus::BusRole;
use grandstand_common::exit::Failure;
use grandstand_common::process::admin::{Component, Status};
use grandstand_common::supervisor::Supervisor;
use grandstand_edge::process::BusSource;
use prometheus_client::registry::Registry;

use super::args::Args;
use super::settings::Settings;
use crate::archive::{ArchiveThread, EmbeddedArchive};

/// The archive, if there is one.
pub(super) enum DevArchive {
    None,
    Open(Box<EmbeddedArchive>, Component),
    Running(ArchiveThread),
}

impl DevArchive {
    /// Opens the database.
    pub(super) fn open(
        args: &Args,
        status: &Status,
        registry: &mut Registry,
    ) -> Result<Self, Failure> {
        if !args.archive {
            return Ok(Self::None);
        }
        let archive = EmbeddedArchive::open(args.data.as_deref(), registry)?;
        Ok(Self::Open(Box::new(archive), status.component("archive")))
    }

    /// Starts to store results.
    pub(super) async fn start(
        self,
        bus: &BusSource,
        settings: &Settings,
        supervisor: &Supervisor,
    ) -> Result<Self, Failure> {
        let Self::Open(archive, component) = self else {
            return Ok(self);
        };
        let bus = match bus {
            BusSource::Shared(bus) => bus.clone(),
            BusSource::Nats => {
                let cluster = &settings.edge.cluster;
                let connected = cluster.start("dev", BusRole::Archive, &component, supervisor);
                connected.await?
            }
        };
        Ok(Self::Running(archive.start(bus, component, supervisor)?))
    }

    /// Waits until the archive ends unasked, which is a failure.
    pub(super) async fn ended(&mut self) -> Failure {
        match self {
            Self::Running(thread) => thread.ended().await,
            Self::None | Self::Open(..) => std::future::pending().await,
        }
    }

    /// Ends the archive after the batch under way.
    pub(super) async fn end(self) {
        if let Self::Running(thread) = self {
            thread.end().await;
        }
    }
}
