//! Listening sockets that come from another process.

use std::os::fd::{AsFd, IntoRawFd as _, OwnedFd};
use std::path::Path;

use rustix::io::{FdFlags, fcntl_setfd};

use super::error::UpgradeError;
use crate::server::listen::HandedOver;

/// The first descriptor of the service manager (sd_listen_fds(3)).
const FIRST: u32 = 3;

/// Open sockets, each named by the configuration key of its address, such as `edge.listen`, or by what it is for.
/// Several may have one name: one per shard.
#[derive(Debug, Default)]
pub struct Sockets(Vec<HandedOver>);

impl Sockets {
    /// Adds a copy of a socket.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub(crate) fn push_copy(
        &mut self,
        name: impl Into<String>,
        socket: impl AsFd,
    ) -> std::io::Result<()> {
        self.push(name, socket.as_fd().try_clone_to_owned()?);
        Ok(())
    }

    /// Adds a socket.
    pub(crate) fn push(&mut self, name: impl Into<String>, file: OwnedFd) {
        let name = name.into();
        self.0.push(HandedOver { name, file });
    }

    /// Takes the sockets of this name.
    pub(crate) fn take(&mut self, name: &str) -> Vec<HandedOver> {
        self.take_where(|found| found == name)
    }

    /// Takes the sockets whose names are of a kind.
    pub(crate) fn take_where(&mut self, is_wanted: impl Fn(&str) -> bool) -> Vec<HandedOver> {
        self.0
            .extract_if(.., |socket| is_wanted(&socket.name))
            .collect()
    }

    /// The sockets of this name.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &HandedOver> {
        self.0.iter().filter(move |socket| socket.name == name)
    }

    /// All sockets.
    pub(super) fn iter(&self) -> impl Iterator<Item = &HandedOver> {
        self.0.iter()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sockets that the service manager has opened (`LISTEN_FDS`), by the names that it gives them (`LISTEN_FDNAMES`). Must
    /// be called before the process opens files of its own, because these would be taken for sockets of the service manager.
    ///
    /// # Errors
    /// If its variables are malformed, or name what is not open.
    pub(crate) fn activated() -> Result<Self, UpgradeError> {
        if !are_open() {
            return Err(UpgradeError::Activation);
        }
        let mut sockets = Self::default();
        for (name, file) in sd_listen_fds::get().map_err(|_| UpgradeError::Activation)? {
            let file = file.into_std();
            // Children do not need it.
            if fcntl_setfd(&file, FdFlags::CLOEXEC).is_err() {
                // It is not open, so that it must not be closed.
                let _ = file.into_raw_fd();
                return Err(UpgradeError::Activation);
            }
            sockets.push(name.unwrap_or_default(), file);
        }
        Ok(sockets)
    }

    /// Closes the sockets that nothing has taken, and logs their names.
    pub(crate) fn close_rest(self) {
        for HandedOver { name, .. } in self.0 {
            tracing::warn!(
                name,
                "a socket was handed over that this configuration does not use: it is closed. A socket is named by the key of \
                 its address, for example FileDescriptorName=edge.listen, and has that address"
            );
        }
    }
}

/// Whether the descriptors that the service manager names are open.
fn are_open() -> bool {
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    let (Some(count), Some(process)) = (number("LISTEN_FDS"), number("LISTEN_PID")) else {
        return true;
    };
    let folder = Path::new("/dev/fd");
    if process != std::process::id() || !folder.exists() {
        return true;
    }
    let mut descriptors = (FIRST..).take(count as usize);
    descriptors.all(|fd| folder.join(fd.to_string()).symlink_metadata().is_ok())
}
