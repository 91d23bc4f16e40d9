//! Commands of features with which this program was not built.

use std::ffi::OsString;

use grandstand_common::exit::{Exit, Failure};

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
