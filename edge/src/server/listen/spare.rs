//! Keeps file descriptors for what is not a client: the admin port, connections to NATS, files.
//!
//! The kernel gives a new socket the lowest free descriptor. If that is close to the limit, few are left: the client waits,
//! as in the listener's backlog, until another descriptor is free.

use std::os::fd::AsRawFd;
use std::time::Duration;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, getrlimit};
use tokio::net::TcpStream;
use tracing::warn;

use crate::server::metrics::{AcceptFailure, ServerMetrics};

/// The most descriptors that are kept.
const MAX: u64 = 64;

/// The least.
const MIN: u64 = 8;

/// The share of the limit that is kept, between these two.
const SHARE: u64 = 16;

/// The first pause of a client that waits for a descriptor, doubled each time up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The descriptors that clients may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpareFiles {
    /// The first descriptor that clients may not use.
    first: u64,
}

impl SpareFiles {
    /// Keeps a share of this process' limit.
    pub(super) fn of_this_process() -> Self {
        let limit = getrlimit(Resource::Nofile).current;
        let limit = limit.unwrap_or(u64::MAX);
        Self {
            first: limit - (limit / SHARE).clamp(MIN, MAX).min(limit),
        }
    }

    /// Returns an accepted socket on a descriptor that clients may use, and waits until there is one. `None` if the socket
    /// is lost.
    pub(super) async fn keep(
        self,
        mut socket: TcpStream,
        metrics: &ServerMetrics,
    ) -> Option<TcpStream> {
        let mut pause = MIN_PAUSE;
        while self.is_spare(&socket) {
            if pause == MIN_PAUSE {
                metrics.on_accept_failure(AcceptFailure::Exhausted);
                warn!(
                    limit = self.first,
                    "clients have all file descriptors that they may use: further ones wait; raise the limit of open files"
                );
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
            let high = socket.into_std().ok()?;
            // The copy takes the lowest free descriptor, if there is any.
            let low = fcntl_dupfd_cloexec(&high, 0).map(std::net::TcpStream::from);
            let socket_again = match low {
                Ok(low) if low.as_raw_fd() < high.as_raw_fd() => low,
                _ => high,
            };
            socket = TcpStream::from_std(socket_again).ok()?;
        }
        Some(socket)
    }

    fn is_spare(self, socket: &TcpStream) -> bool {
        u64::try_from(socket.as_raw_fd()).is_ok_and(|file| file >= self.first)
    }
}
