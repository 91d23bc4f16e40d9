//! `--archive` in a program that was built without it.

use std::convert::Infallible;

use grandstand_common::exit::Failure;
use grandstand_common::process::admin::Status;
use grandstand_common::supervisor::Supervisor;
use grandstand_edge::process::BusSource;

use super::args::Args;
use super::settings::Settings;
use crate::absent;

/// No archive.
pub(super) struct DevArchive;

impl DevArchive {
    /// Refuses the flag.
    pub(super) fn open<R>(args: &Args, _: &Status, _: &mut R) -> Result<Self, Failure> {
        if args.archive {
            return Err(absent::failure("archive"));
        }
        Ok(Self)
    }

    pub(super) async fn start(
        self,
        _: &BusSource,
        _: &Settings,
        _: &Supervisor,
    ) -> Result<Self, Failure> {
        Ok(self)
    }

    pub(super) async fn ended(&mut self) -> Failure {
        let never: Infallible = std::future::pending().await;
        match never {}
    }

    pub(super) async fn end(self) {}
}
