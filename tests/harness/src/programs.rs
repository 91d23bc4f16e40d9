//! Paths of the programs and of their logs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::RigError;

/// Returns the folder with the workspace's programs: `GRANDSTAND_BIN_DIR`, or the folder of the running program. For a
/// test, which cargo puts into `deps`, it is the parent folder.
pub fn bin_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("GRANDSTAND_BIN_DIR") {
        return dir.into();
    }
    let own = own_dir();
    match own.parent() {
        Some(above) if own.ends_with("deps") => above.into(),
        _ => own,
    }
}

/// Returns the folder for logs of processes: in cargo's target folder for a test, else in the system's temporary
/// folder.
pub(crate) fn log_dir() -> PathBuf {
    let own = own_dir();
    match own.ancestors().nth(2) {
        Some(target) if own.ends_with("deps") => target.join("test-logs"),
        _ => std::env::temp_dir().join("grandstand-logs"),
    }
}

/// Returns the program whose subcommands are the processes of a cluster. This is the running program, so that `chaos`
/// and `bench` of an author's program run the author's games. For a test it is `grandstand` in [`bin_dir`].
///
/// # Errors
/// If it was not built.
pub fn grandstand() -> Result<PathBuf, RigError> {
    match std::env::current_exe() {
        Ok(own) if std::env::var_os("GRANDSTAND_BIN_DIR").is_none() && !is_test(&own) => Ok(own),
        _ => find("grandstand"),
    }
}

/// Returns the path of another program of the workspace.
///
/// # Errors
/// If it was not built.
pub fn find(name: &str) -> Result<PathBuf, RigError> {
    let path = bin_dir().join(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(RigError::NoProgram { path })
    }
}

/// Returns the NATS server's program: `GRANDSTAND_NATS_SERVER`, or `nats-server` in `PATH`.
///
/// # Errors
/// If it cannot be run.
pub fn find_nats() -> Result<PathBuf, RigError> {
    let program = std::env::var_os("GRANDSTAND_NATS_SERVER")
        .map_or_else(|| PathBuf::from("nats-server"), PathBuf::from);
    let found = Command::new(&program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match found {
        Ok(status) if status.success() => Ok(program),
        _ => Err(RigError::NoNats { program }),
    }
}

fn own_dir() -> PathBuf {
    let own = std::env::current_exe().ok();
    let dir = own.as_deref().and_then(Path::parent);
    dir.unwrap_or(Path::new(".")).into()
}

/// Whether cargo built this program for tests.
fn is_test(program: &Path) -> bool {
    program.parent().is_some_and(|dir| dir.ends_with("deps"))
}
