//! A TCP proxy that stands between one process and NATS, and can take the network away.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// It carries.
    Passes,
    /// It carries nothing, and nobody is told: connections stand, new ones are accepted, nothing comes through.
    Swallows,
    /// It breaks: connections are closed, new ones too.
    Cut,
}

/// A proxy on a port of its own. Ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    task: AbortHandle,
}

impl Proxy {
    /// Begins to carry connections to `to`.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("the loopback can be listened on");
        let address = listener.local_addr().expect("it has an address");
        let (mode, modes) = watch::channel(Mode::Passes);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, to, modes.clone()));
            }
        });
        Self {
            address,
            mode,
            task: task.abort_handle(),
        }
    }

    /// What stands for NATS.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Closes all connections, and every new one.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Carries nothing any more, and does not say so.
    pub fn swallow(&self) {
        self.mode.send_replace(Mode::Swallows);
    }

    /// Carries again; what was held up goes on.
    pub fn heal(&self) {
        self.mode.send_replace(Mode::Passes);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn carry(client: TcpStream, to: SocketAddr, mut mode: watch::Receiver<Mode>) {
    // Who comes while nothing is carried waits.
    let Ok(now) = mode
        .wait_for(|mode| *mode != Mode::Swallows)
        .await
        .map(|mode| *mode)
    else {
        return;
    };
    if now == Mode::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(to).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pump(from_client, to_server, mode.clone()) => {}
        () = pump(from_server, to_client, mode.clone()) => {}
        _ = mode.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

async fn pump(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(read) = from.read(&mut buffer).await else {
            return;
        };
        // The end of a connection does not come through either.
        let passes = mode.wait_for(|mode| *mode == Mode::Passes).await.is_ok();
        if !passes || read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
