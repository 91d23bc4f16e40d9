//! The runtime and the signals of commands that end by themselves.

use grandstand_common::exit::{Exit, Failure};
use grandstand_common::process::shutdown::Signals;
use tokio::runtime::Builder;

/// Runs a command to its end, on this thread.
pub(crate) fn block_on<T>(command: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|e| Failure::new(Exit::Internal, format!("cannot start: {e}")))?;
    Ok(runtime.block_on(command))
}

/// Receives TERM and INT in place of their default, which ends the process.
pub(crate) fn signals() -> Result<Signals, Failure> {
    Signals::new()
        .map_err(|e| Failure::new(Exit::Internal, format!("cannot wait for signals: {e}")))
}
