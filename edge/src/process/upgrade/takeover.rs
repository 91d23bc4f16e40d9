//! The side of a new process: it takes the sockets of the process that runs, and says when it uses them.

use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::process::geteuid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::error::UpgradeError;
use super::sockets::Sockets;
use super::wire;

/// The time within which the process that runs must hand its sockets over.
const HAND_OVER: Duration = Duration::from_secs(10);

/// The time within which that process must stop reading packets of QUIC.
const RELEASE: Duration = Duration::from_secs(5);

/// A takeover that has begun. Dropping it leaves everything to the process that runs.
#[derive(Debug)]
pub struct Takeover {
    stream: UnixStream,
    from: Option<i32>,
}

/// The process that this one has replaced.
#[derive(Debug)]
pub struct Earlier {
    /// Its id.
    pub process: u32,
    /// The socket to it, over which it answers until it ends.
    pub stream: UnixStream,
}

impl Takeover {
    /// Takes the sockets of the process behind `path`. `None` if there is no process.
    ///
    /// # Errors
    /// See [`UpgradeError`].
    pub async fn begin(path: &Path) -> Result<Option<(Self, Sockets)>, UpgradeError> {
        let own = || path.to_owned();
        let stream = match UnixStream::connect(path).await {
            Ok(stream) => stream,
            Err(source) => {
                return match source.kind() {
                    io::ErrorKind::NotFound => Ok(None),
                    // The process that has created it has died, if it is a socket.
                    io::ErrorKind::ConnectionRefused => {
                        if is_socket(path) {
                            Ok(None)
                        } else {
                            Err(UpgradeError::NotASocket { path: own() })
                        }
                    }
                    _ => Err(UpgradeError::Connect {
                        path: own(),
                        source,
                    }),
                };
            }
        };
        let broken = |source| UpgradeError::Broken {
            path: own(),
            source,
        };
        let peer = stream.peer_cred().map_err(broken)?;
        let theirs = peer.uid();
        let ours = geteuid().as_raw();
        if theirs != ours {
            return Err(UpgradeError::OtherUser {
                path: own(),
                theirs,
                ours,
            });
        }
        let received = tokio::time::timeout(HAND_OVER, wire::receive(&stream)).await;
        let received = received.map_err(|_| UpgradeError::Silent { path: own() })?;
        let sockets = received.map_err(broken)?;
        let from = peer.pid();
        let names: Vec<_> = sockets.iter().map(|socket| socket.name.as_str()).collect();
        let names = names.join(" ");
        tracing::info!(from, names, "taking over from the process that runs");
        Ok(Some((Self { stream, from }, sockets)))
    }

    /// Tells the earlier process that this one accepts, so that it ends. Returns once that process reads no packets of QUIC
    /// any more, with the socket to it, unless it has ended or is of an earlier version.
    pub async fn complete(mut self) -> Option<Earlier> {
        let from = self.from;
        if self.stream.write_all(wire::READY).await.is_err() {
            tracing::info!(from, "taken over: the earlier process has ended already");
            return None;
        }
        tracing::info!(from, "taken over: the earlier process ends now");
        let mut answer = [0; wire::RELEASED.len()];
        let released = tokio::time::timeout(RELEASE, self.stream.read_exact(&mut answer)).await;
        match released {
            Ok(Ok(_)) => Some(Earlier {
                process: from.and_then(|from| u32::try_from(from).ok())?,
                stream: self.stream,
            }),
            Ok(Err(_)) => None,
            Err(_) => {
                tracing::warn!(
                    from,
                    "the earlier process does not say that it reads no packets of QUIC any more: connections over QUIC may \
                     be lost"
                );
                None
            }
        }
    }
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.file_type().is_socket())
}
