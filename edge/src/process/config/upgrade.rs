//! The section of upgrades in place.

use std::path::{Path, PathBuf};

use grandstand_common::process::config::Checks;
use serde::{Deserialize, Serialize};

/// The most bytes of the path: the kernel takes 107, of which a process id needs a part.
const MAX_PATH: usize = 95;

/// The takeover by a new process from the one that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpgradeSection {
    /// Path of the Unix socket at which a new process gets the listening sockets; empty for none.
    pub socket: PathBuf,
}

impl UpgradeSection {
    /// The path; `None` if there is none.
    pub fn path(&self) -> Option<&Path> {
        (!self.socket.as_os_str().is_empty()).then_some(&*self.socket)
    }

    pub(super) fn validate(&self, checks: &mut Checks) {
        let Some(path) = self.path() else { return };
        checks.require("upgrade.socket", path.is_absolute(), || {
            format!("must be an absolute path, is {}", path.display())
        });
        let bytes = path.as_os_str().len();
        checks.require("upgrade.socket", bytes <= MAX_PATH, || {
            format!("must have at most {MAX_PATH} bytes, has {bytes}")
        });
    }
}
