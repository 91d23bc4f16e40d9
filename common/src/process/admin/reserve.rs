//! Descriptors kept in reserve, so that the admin port accepts connections when the process is out of descriptors.
//!
//! To accept a connection, a reserved descriptor is closed, and the connection takes its place. When the connection
//! ends, a copy of the listener replaces its socket in one step, because a client would take a descriptor that is free
//! for a moment.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

// Held to push or pop a descriptor.
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, dup2, fcntl_dupfd_cloexec};
use tokio::net::{TcpListener, TcpStream};

/// The number of reserved descriptors: the connections that the port accepts once the process has none left.
const RESERVE: usize = 4;

/// The time between two looks for a connection while no descriptor is free.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A listener and its reserve.
#[derive(Debug)]
pub(super) struct Reserve {
    listener: TcpListener,
    files: Mutex<Vec<OwnedFd>>,
}

impl Reserve {
    /// Fills the reserve of a listener.
    pub(super) fn new(listener: TcpListener) -> Self {
        let reserve = Self {
            listener,
            files: Mutex::default(),
        };
        reserve.fill();
        reserve
    }

    /// Takes descriptors until the reserve is full, or there is none left.
    pub(super) fn fill(&self) {
        let mut files = self.files.lock();
        while files.len() < RESERVE
            && let Ok(copy) = fcntl_dupfd_cloexec(&self.listener, 0)
        {
            files.push(copy);
        }
    }

    /// Accepts a connection. Returns the address that it is from, and whether it uses a descriptor of the reserve.
    ///
    /// # Errors
    /// If one has come and cannot be accepted.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr, bool)> {
        let mut is_spent = false;
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => return Ok((stream, from, is_spent)),
                // The kernel looks for a free descriptor before it looks for a connection.
                Err(error) if is_out_of_files(&error) && !self.has_connection() => {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                // Another thread may be faster than this one: then the next descriptor is spent.
                Err(error) if is_out_of_files(&error) && self.files.lock().pop().is_some() => {
                    is_spent = true;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a connection waits to be accepted.
    fn has_connection(&self) -> bool {
        let mut file = [PollFd::new(&self.listener, PollFlags::IN)];
        // If the poll fails, `accept` reports why.
        poll(&mut file, Some(&Timespec::default())) != Ok(0)
    }

    /// Ends a connection and puts its descriptor back.
    pub(super) fn take_back(&self, stream: TcpStream) {
        let Ok(stream) = stream.into_std() else {
            return;
        };
        let mut file = OwnedFd::from(stream);
        if dup2(&self.listener, &mut file).is_ok() {
            self.files.lock().push(file);
        }
    }
}

/// Whether an error says that the process, or the system, is out of descriptors.
fn is_out_of_files(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE)
    )
}
