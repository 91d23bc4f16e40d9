//! A part beside the edge and the worker, if a flag asks for it: the archive, the outlet.

use std::future::pending;

use grandstand_common::exit::Failure;
use grandstand_common::process::admin::{Component, Status};
use grandstand_common::supervisor::Supervisor;
use grandstand_edge::process::BusSource;
#[cfg(any(feature = "archive", feature = "outlet"))]
use prometheus_client::registry::Registry;

use super::args::Args;
use super::settings::Settings;
#[cfg(not(all(feature = "archive", feature = "outlet")))]
use crate::absent::{self, Absent};
#[cfg(feature = "archive")]
use crate::archive::EmbeddedArchive;
use crate::beside::{Beside, PartThread};
#[cfg(feature = "outlet")]
use crate::outlet::EmbeddedOutlet;

/// A part that is about to run.
pub(super) struct DevPart<P>(Option<(P, Component)>);

/// A running part, if there is one.
pub(super) struct RunningPart(Option<PartThread>);

impl<P: Beside> DevPart<P> {
    /// Opens the part, if it is asked for.
    ///
    /// # Errors
    /// Those of `open`.
    pub(super) fn open(status: &Status, part: Option<Result<P, Failure>>) -> Result<Self, Failure> {
        let part = part.transpose()?;
        Ok(Self(part.map(|part| (part, status.component(P::NAME)))))
    }

    /// Starts the part.
    ///
    /// # Errors
    /// If NATS or the system refuses.
    pub(super) async fn start(
        self,
        bus: &BusSource,
        settings: &Settings,
        supervisor: &Supervisor,
    ) -> Result<RunningPart, Failure> {
        let Some((part, component)) = self.0 else {
            return Ok(RunningPart(None));
        };
        let bus = match bus {
            BusSource::Shared(bus) => bus.clone(),
            BusSource::Nats => {
                let cluster = &settings.edge.cluster;
                let connected = cluster.start("dev", P::ROLE, &component, supervisor);
                connected.await?
            }
        };
        let thread = PartThread::start(part, bus, component, supervisor)?;
        Ok(RunningPart(Some(thread)))
    }
}

impl RunningPart {
    /// Waits until the part ends unasked, which is a failure.
    pub(super) async fn ended(&mut self) -> Failure {
        match &mut self.0 {
            Some(thread) => thread.ended().await,
            None => pending().await,
        }
    }

    /// Ends the part after the work under way.
    pub(super) async fn end(self) {
        if let Some(thread) = self.0 {
            thread.end().await;
        }
    }
}

/// The archive of results, if `--archive` asks for it.
#[cfg(feature = "archive")]
pub(super) fn archive(
    args: &Args,
    registry: &mut Registry,
) -> Option<Result<EmbeddedArchive, Failure>> {
    let open = || EmbeddedArchive::open(args.data.as_deref(), registry);
    args.archive.then(open)
}

/// The refusal of `--archive`.
#[cfg(not(feature = "archive"))]
pub(super) fn archive<R>(args: &Args, _: &mut R) -> Option<Result<Absent, Failure>> {
    args.archive.then(|| Err(absent::failure("archive")))
}

/// The outlet, if `--outlet` asks for it.
#[cfg(feature = "outlet")]
pub(super) fn outlet(
    args: &Args,
    registry: &mut Registry,
) -> Option<Result<EmbeddedOutlet, Failure>> {
    let file = args.outlet.as_ref();
    file.map(|file| EmbeddedOutlet::open(file, registry))
}

/// The refusal of `--outlet`.
#[cfg(not(feature = "outlet"))]
pub(super) fn outlet<R>(args: &Args, _: &mut R) -> Option<Result<Absent, Failure>> {
    let is_asked_for = args.outlet.is_some();
    is_asked_for.then(|| Err(absent::failure("outlet")))
}
