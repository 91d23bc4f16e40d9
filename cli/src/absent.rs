//! Commands of features with which this program was not built.

use std::ffi::OsString;

use grandstand_common::bus::{Bus, BusRole};
use grandstand_common::exit::{Exit, Failure};
use grandstand_common::process::admin::Component;
use grandstand_common::process::drain;
use grandstand_common::supervisor::Supervisor;

use crate::beside::Beside;

/// Not part of this build
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    _all: Vec<OsString>,
}

/// The failure, which says how to build the program with the command.
pub(crate) fn failure(command: &str) -> Failure {
    let message = format!(
        "this program was built without `{command}`; build it with the feature: \
         cargo run --release --features grandstand/{command} -- {command}"
    );
    Failure::new(Exit::Usage, message)
}

/// A part of `dev` that this program does not have.
pub(crate) enum Absent {}

impl Beside for Absent {
    const NAME: &'static str = "absent";
    const ROLE: BusRole = BusRole::Tool;
    type Ready = Self;

    fn ready(self, _: Bus, _: Component, _: drain::Watch, _: &Supervisor) -> Self {
        self
    }

    async fn run(ready: Self) -> Result<(), Failure> {
        match ready {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_says_how_to_build_the_command() {
        let failure = failure("chaos");
        assert_eq!(failure.exit(), Exit::Usage);
        let text = failure.to_string();
        assert!(text.contains("--features grandstand/chaos"), "{text}");
    }
}
