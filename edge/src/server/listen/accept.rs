//! The accept loop of a listener.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::supervisor::Supervisor;
use prometheus_client::metrics::gauge::Gauge;
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;
use tracing::warn;

use crate::limits::Refused;
use crate::server::context::ServerContext;
use crate::server::driver::Driver;
use crate::server::http::{Arrival, answer_refused, drive_handshake};
use crate::server::listen::spare::SpareFiles;
use crate::server::metrics::AcceptFailure;
use crate::server::tls::Tls;

/// The first pause after an accept fails for lack of resources, doubled at each failure up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// A listening socket, and how clients speak there.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub socket: std::net::TcpListener,
    /// TLS, if clients need it.
    pub tls: Option<Tls>,
    /// Whether each connection begins with a header of the PROXY protocol.
    pub is_proxied: bool,
}

/// The end of a listener: what becomes of the connections in its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerEnd {
    /// Connections in the queue are accepted, then the socket is closed.
    Close,
    /// Connections stay in the queue, because another process has the socket as well.
    HandOver,
}

/// Accepts connections and starts their handshakes on the running `LocalSet`, until `end` says otherwise, or forever if its
/// sender is dropped.
///
/// # Errors
/// If the listener cannot be registered with the running runtime.
pub(crate) async fn drive_accept(
    driver: Rc<Driver>,
    listener: Listener,
    supervisor: Supervisor,
    mut end: watch::Receiver<Option<ListenerEnd>>,
) -> io::Result<()> {
    let acceptor = Acceptor {
        driver,
        supervisor,
        tls: listener.tls,
        is_proxied: listener.is_proxied,
    };
    let context = &acceptor.driver.context;
    let listener = TcpListener::from_std(listener.socket)?;
    let spare = SpareFiles::of_this_process();
    let ended = async {
        match end.wait_for(Option::is_some).await {
            Ok(end) => *end,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::pin!(ended);
    let mut pause = MIN_PAUSE;
    let mut accepted = 0;
    let end = loop {
        if context.handshakes.free() == 0 {
            context.metrics.accept_waits.inc();
        }
        let accepting = async {
            let permit = context.handshakes.begin().await;
            (permit, listener.accept().await)
        };
        // Nothing is lost if `accepting` is dropped: it ends with the accept.
        let (permit, arrived) = tokio::select! {
            biased;
            end = &mut ended => break end,
            begun = accepting => begun,
        };
        match arrived {
            Ok((socket, peer)) => {
                let Some(socket) = spare.keep(socket, &context.metrics).await else {
                    continue;
                };
                pause = MIN_PAUSE;
                acceptor.begin(socket, peer, permit);
                accepted += 1;
                if accepted >= context.handshakes.limits().accepts {
                    accepted = 0;
                    tokio::task::yield_now().await;
                }
            }
            Err(error) if is_exhaustion(&error) => {
                context.metrics.on_accept_failure(AcceptFailure::Exhausted);
                warn!(%error, pause_ms = pause.as_millis() as u64, "cannot accept connections: out of file descriptors or memory; raise the limit of open files");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
            Err(_) => context.metrics.on_accept_failure(AcceptFailure::Connection),
        }
    };
    match end {
        Some(ListenerEnd::Close) => acceptor.accept_queued(listener),
        Some(ListenerEnd::HandOver) | None => Ok(()),
    }
}

/// Begins the handshakes of a listener.
struct Acceptor {
    driver: Rc<Driver>,
    supervisor: Supervisor,
    tls: Option<Tls>,
    is_proxied: bool,
}

impl Acceptor {
    /// Begins the handshake of an accepted socket, unless a limit refuses its client.
    fn begin(&self, socket: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        let context = &self.driver.context;
        context.metrics.accepted.inc();
        let arrived = match context.arrive(peer.ip()) {
            Ok(arrived) => arrived,
            Err(refused) => {
                // A client with TLS, or behind a proxy, could not read an answer yet.
                if self.tls.is_none() && !self.is_proxied && !refused.is_flood {
                    refuse(context, &self.supervisor, socket, refused);
                }
                return;
            }
        };
        let arrival = Arrival {
            socket,
            peer,
            at: Instant::now(),
            tls: self.tls.as_ref().map(Tls::config),
            is_proxied: self.is_proxied,
            arrived,
            permit,
        };
        start(&self.driver, &self.supervisor, arrival);
    }

    /// Accepts the connections that are in the queue of the listener, which the kernel resets when the socket is closed.
    fn accept_queued(&self, listener: TcpListener) -> io::Result<()> {
        let listener = listener.into_std()?;
        while let Some(permit) = self.driver.context.handshakes.try_begin()
            && let Ok((socket, peer)) = listener.accept()
        {
            socket.set_nonblocking(true)?;
            self.begin(TcpStream::from_std(socket)?, peer, permit);
        }
        Ok(())
    }
}

/// Answers a client that a limit refuses, unless as many are answered already.
fn refuse(
    context: &Rc<ServerContext>,
    supervisor: &Supervisor,
    socket: TcpStream,
    refused: Refused,
) {
    if let Ok(slot) = Arc::clone(&context.refusals).try_acquire_owned() {
        let answering = answer_refused(Rc::clone(context), socket, refused);
        supervisor.run_local("refusal", async move {
            answering.await;
            drop(slot);
        });
    }
}

/// A handshake in the gauge, also if its task is dropped.
struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Runs a handshake in a task of its own, whose memory is freed when the connection opens.
fn start(driver: &Rc<Driver>, supervisor: &Supervisor, arrival: Arrival) {
    let driver = Rc::clone(driver);
    supervisor.run_local("handshake", async move {
        let context = Rc::clone(&driver.context);
        let accepted = arrival.at;
        let upgraded = {
            let _counted = Counted::new(&context.metrics.handshakes);
            drive_handshake(Rc::clone(&context), arrival).await
        };
        match upgraded.map(|upgraded| driver.open(upgraded)) {
            None => {}
            Some(Ok(_)) => context.on_upgraded(accepted.elapsed()),
            Some(Err(error)) => {
                context.metrics.on_accept_failure(AcceptFailure::Exhausted);
                warn!(%error, "cannot open a connection: the kernel cannot watch another socket");
            }
        }
    });
}

/// Whether the error is a lack of resources, so that waiting may help. Other errors concern only the connection that would
/// have been accepted (accept(2)).
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NFILE | Errno::MFILE | Errno::NOMEM | Errno::NOBUFS)
    )
}
