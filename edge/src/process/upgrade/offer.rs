//! The side of the process that runs: it offers its sockets to the next one.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::geteuid;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use super::error::UpgradeError;
use super::sockets::Sockets;
use super::wire;

/// Processes that wait for the running one.
const BACKLOG: i32 = 16;

/// The pause after an accept fails.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket at which the next process takes over. Its file is removed when it is dropped.
#[derive(Debug)]
pub struct Offer {
    listener: UnixListener,
    /// The path for other processes.
    path: PathBuf,
    /// The path of the socket at the moment.
    current: PathBuf,
    inode: (u64, u64),
}

impl Offer {
    /// Creates the socket beside `path`, for the processes of this user alone.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn new(path: &Path) -> Result<Self, UpgradeError> {
        Self::create(path).map_err(|source| UpgradeError::Create {
            path: path.to_owned(),
            source,
        })
    }

    fn create(path: &Path) -> io::Result<Self> {
        // The process that runs has the path until this one is ready.
        let mut current = path.to_owned().into_os_string();
        current.push(format!(".{}", std::process::id()));
        let current = PathBuf::from(current);
        match std::fs::remove_file(&current) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(&current)?)?;
        std::fs::set_permissions(&current, std::fs::Permissions::from_mode(0o600))?;
        let inode = inode(&current)?;
        socket.set_nonblocking(true)?;
        // Nobody can connect before this, whatever the umask.
        socket.listen(BACKLOG)?;
        Ok(Self {
            listener: UnixListener::from_std(StdListener::from(socket))?,
            path: path.to_owned(),
            current,
            inode,
        })
    }

    /// Moves the socket to its path, in place of that of the earlier process.
    ///
    /// # Errors
    /// If it cannot be moved.
    pub fn publish(&mut self) -> Result<(), UpgradeError> {
        let renamed = std::fs::rename(&self.current, &self.path);
        renamed.map_err(|source| UpgradeError::Create {
            path: self.path.clone(),
            source,
        })?;
        self.current.clone_from(&self.path);
        Ok(())
    }

    /// Hands the sockets over to the next process, and waits until it uses them. A process that ends before changes
    /// nothing.
    pub async fn taken(&self, sockets: &Sockets) -> Successor {
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "upgrade: accept failed");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let Ok(peer) = stream.peer_cred() else {
                continue;
            };
            let pid = peer.pid();
            let uid = peer.uid();
            if uid != geteuid().as_raw() {
                tracing::warn!(pid, uid, "upgrade: refused a process of another user");
                continue;
            }
            tracing::info!(pid, "upgrade: a new process starts to take over");
            match hand_over(stream, sockets).await {
                Ok(successor) => {
                    tracing::info!(pid, "upgrade: the new process has taken over");
                    return successor;
                }
                Err(error) => tracing::warn!(
                    pid,
                    %error,
                    "upgrade: the new process ended before it was ready: this one goes on"
                ),
            }
        }
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        // The next process may have put its socket there.
        if inode(&self.current).is_ok_and(|now| now == self.inode) {
            std::fs::remove_file(&self.current).ok();
        }
    }
}

/// A new process that has taken over.
#[derive(Debug)]
pub struct Successor(UnixStream);

impl Successor {
    /// Tells it that this process reads no packets of QUIC any more. Returns the socket to it, over which it asks what this
    /// process does from then on.
    pub async fn release(mut self) -> UnixStream {
        // If it has ended, there is no one left to tell.
        self.0.write_all(wire::RELEASED).await.ok();
        self.0
    }
}

async fn hand_over(mut stream: UnixStream, sockets: &Sockets) -> io::Result<Successor> {
    wire::send(&stream, sockets).await?;
    let mut answer = [0; wire::READY.len()];
    stream.read_exact(&mut answer).await?;
    if answer == wire::READY {
        Ok(Successor(stream))
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it has answered something else",
        ))
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    let file = std::fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::super::takeover::Takeover;
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn sockets() -> (Sockets, std::net::TcpListener) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sockets = Sockets::default();
        sockets.push_copy("edge.listen", &listener).unwrap();
        (sockets, listener)
    }

    #[tokio::test]
    async fn a_process_takes_over_when_it_is_ready_and_not_before() {
        let folder = folder();
        let path = folder.path().join("edge.sock");
        assert!(Takeover::begin(&path).await.unwrap().is_none());
        let mut offer = Offer::new(&path).unwrap();
        assert!(!path.exists());
        offer.publish().unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (sockets, listener) = sockets();
        let taken = offer.taken(&sockets);
        tokio::pin!(taken);
        let begin = async || Takeover::begin(&path).await.unwrap().unwrap();
        let first = tokio::select! {
            first = begin() => first,
            _ = &mut taken => unreachable!(),
        };
        drop(first);
        let (second, mut got) = tokio::select! {
            second = begin() => second,
            _ = &mut taken => unreachable!(),
        };
        let got = got.take("edge.listen").remove(0).file;
        let got = std::net::TcpListener::from(got).local_addr().unwrap();
        assert_eq!(got, listener.local_addr().unwrap());
        let completed = second.complete();
        tokio::pin!(completed);
        let successor = tokio::select! {
            successor = &mut taken => successor,
            _ = &mut completed => unreachable!("nothing is released yet"),
        };
        let (mut old, new) = tokio::join!(successor.release(), completed);
        let (mut new, mut said) = (new.unwrap().stream, [0; 2]);
        new.write_all(b"hi").await.unwrap();
        old.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"hi");
    }

    #[tokio::test]
    async fn an_earlier_version_that_answers_nothing_is_replaced_as_well() {
        let folder = folder();
        let path = folder.path().join("edge.sock");
        let mut offer = Offer::new(&path).unwrap();
        offer.publish().unwrap();
        let (sockets, _listener) = sockets();
        let take = async || {
            let (takeover, _sockets) = Takeover::begin(&path).await.unwrap().unwrap();
            assert!(takeover.complete().await.is_none());
        };
        tokio::join!(take(), async { drop(offer.taken(&sockets).await) });
    }

    #[tokio::test]
    async fn the_file_of_the_next_process_stays() {
        let folder = folder();
        let path = folder.path().join("edge.sock");
        let mut old = Offer::new(&path).unwrap();
        old.publish().unwrap();
        // Two offers of one process have one path before they are published.
        let mut new = Offer::new(&path).unwrap();
        new.publish().unwrap();
        drop(old);
        assert!(path.exists());
        drop(new);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_dead_process_is_none_and_another_file_is_an_error() {
        let folder = folder();
        let path = folder.path().join("edge.sock");
        drop(StdListener::bind(&path).unwrap());
        assert!(Takeover::begin(&path).await.unwrap().is_none());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        let error = Takeover::begin(&path).await.unwrap_err();
        assert!(matches!(error, UpgradeError::NotASocket { .. }), "{error}");
        let error = Offer::new(&folder.path().join("none/edge.sock")).unwrap_err();
        assert!(matches!(error, UpgradeError::Create { .. }), "{error}");
    }
}
