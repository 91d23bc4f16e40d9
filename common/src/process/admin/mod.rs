//! The admin port: health, readiness and metrics over HTTP, and an API of the process. It has its own thread, so that
//! it answers however busy the shards are, and its own reserve of descriptors, so that it answers when clients have
//! taken all others.
//!
//! | path | answer |
//! | --- | --- |
//! | `/health` | 200 while every loop of the process turns, else 503; the loops that do not |
//! | `/startup` | 200 once every component has been ready, else 503 |
//! | `/ready` | 200 while every component is ready, else 503; the phase of each component |
//! | `/metrics` | OpenMetrics, with those of earlier processes that still drain after an upgrade in place |
//! | all others | the API of the process, for operators with its token; 404 if it has none |

mod pulse;

mod status;

mod reserve;

mod pages;

mod exposition;

mod predecessors;

mod api;

mod answer;

mod ask;

mod routes;

mod paging;

mod body;

mod operations;

mod description;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Interval, MissedTickBehavior};

use crate::exit::BindError;
use crate::supervisor::Supervisor;
use pages::{Pages, answer};
use reserve::Reserve;

pub use answer::{ApiAnswer, ApiRequest};
pub use api::{Answering, Api, ApiAccess, MIN_TOKEN_BYTES};
pub use ask::ask;
pub use body::read_body;
pub use description::check_description;
pub use hyper::{Method, StatusCode};
pub use operations::Operations;
pub use paging::Paging;
pub use predecessors::{ListedPredecessor, Predecessors};
pub use pulse::{ASK_EVERY, Pulse, Question};
pub use routes::{Found, Route, find, route};
pub use status::{Component, Phase, Status};

/// The most connections at a time; further ones wait in the backlog.
const MAX_CONNECTIONS: usize = 64;

/// The connections above which further ones are hurried: they have little time, and get one answer. So connections without
/// requests keep no probe waiting for long.
const FEW_CONNECTIONS: usize = MAX_CONNECTIONS / 2;

/// The most time for a request's head, also for the first or next one on an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The [`HEAD_TIMEOUT`] of a connection that is hurried or uses the reserve of descriptors.
const SHORT_HEAD_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause after a failed accept, because its cause (too many open files) lasts a while.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The running admin port. Ends when dropped.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    /// Takes the socket to the process that has the port from then on.
    successor: Option<oneshot::Sender<StdUnixStream>>,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Starts to answer on `address`, configured under `key`. Port 0 means any port. Operators may use `api`.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn start(
        key: &'static str,
        address: SocketAddr,
        status: Status,
        registry: Registry,
        api: Option<ApiAccess>,
        supervisor: &Supervisor,
    ) -> Result<Self, BindError> {
        let listener = Self::bind(key, address)?;
        let started = Self::start_at(listener, status, registry, api, supervisor);
        started.map_err(|source| BindError {
            key,
            address,
            source,
        })
    }

    /// Opens the socket of the port, configured under `key`, for [`start_at`](Self::start_at).
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn bind(
        key: &'static str,
        address: SocketAddr,
    ) -> Result<std::net::TcpListener, BindError> {
        std::net::TcpListener::bind(address).map_err(|source| BindError {
            key,
            address,
            source,
        })
    }

    /// Starts to answer at a listening socket. Operators may use `api`.
    ///
    /// # Errors
    /// If the system has no thread or descriptor left.
    pub fn start_at(
        listener: std::net::TcpListener,
        status: Status,
        registry: Registry,
        api: Option<ApiAccess>,
        supervisor: &Supervisor,
    ) -> io::Result<Self> {
        let pages = Pages {
            api,
            status,
            registry,
            supervisor: supervisor.scope("admin"),
        };
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let (successor, to_successor) = oneshot::channel();
        let supervisor = pages.supervisor.clone();
        let thread = supervisor.thread("admin", move || {
            let pages = Arc::new(pages);
            let serving = async {
                tokio::select! {
                    () = serve(listener, Arc::clone(&pages)) => {}
                    // The port is closed.
                    Ok(stream) = to_successor => serve_successor(stream, &pages).await,
                }
            };
            runtime.block_on(async {
                tokio::select! {
                    () = serving => {}
                    _ = stopped => {}
                }
            });
        })?;
        tracing::info!(%address, "the admin port is open");
        Ok(Self {
            address,
            stop: Some(stop),
            successor: Some(successor),
            thread: Some(thread),
        })
    }

    /// Closes the port, because another process has it, and answers what that process asks over `stream`.
    pub fn hand_over(&mut self, stream: StdUnixStream) {
        if let Some(successor) = self.successor.take() {
            successor.send(stream).ok();
        }
    }

    /// The address that the port listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        // Dropping the sender ends the thread, which waits for nothing else.
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the admin thread panicked");
        }
    }
}

async fn serve(listener: TcpListener, pages: Arc<Pages>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let reserve = Arc::new(Reserve::new(listener));
    let mut ticks = ticks();
    loop {
        let accepting = async {
            // The semaphore is never closed.
            let slot = Arc::clone(&slots).acquire_owned().await;
            let accepted = reserve.accept().await;
            if let Err(error) = &accepted {
                tracing::warn!(%error, "the admin port cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            (slot, accepted)
        };
        tokio::select! {
            (Ok(slot), Ok((stream, is_spent))) = accepting => {
                let reserve = is_spent.then(|| Arc::clone(&reserve));
                let is_hurried =
                    reserve.is_some() || slots.available_permits() < MAX_CONNECTIONS - FEW_CONNECTIONS;
                let serving =
                    serve_connection(stream, Arc::clone(&pages), reserve, is_hurried, slot);
                pages.supervisor.run("connection", serving);
            }
            _ = ticks.tick() => {
                pages.status.ask();
                reserve.fill();
            }
        }
    }
}

/// Answers the process that has the port now, which has checked who asks, until either ends.
async fn serve_successor(stream: StdUnixStream, pages: &Arc<Pages>) {
    let service = service_fn(|request: Request<Incoming>| {
        Box::pin(async { Ok::<_, Infallible>(answer(request, pages, true).await) })
    });
    let serving = async {
        let stream = TokioIo::new(UnixStream::from_std(stream)?);
        let served = http1::Builder::new().serve_connection(stream, service);
        served.await.map_err(io::Error::other)
    };
    let serving = async {
        if let Err(error) = serving.await {
            tracing::debug!(%error, "the next process asks no more");
        }
        std::future::pending::<()>().await
    };
    let asking = async {
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            pages.status.ask();
        }
    };
    tokio::join!(serving, asking);
}

/// The times at which the loops of the process are asked whether they turn.
fn ticks() -> Interval {
    let mut ticks = tokio::time::interval(ASK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Serves a connection. With `reserve` it is one that uses a descriptor of the reserve, which it gives back after one
/// answer. A hurried connection also gets only one answer.
async fn serve_connection(
    stream: TcpStream,
    pages: Arc<Pages>,
    reserve: Option<Arc<Reserve>>,
    is_hurried: bool,
    _slot: OwnedSemaphorePermit,
) {
    let service = service_fn(|request: Request<Incoming>| {
        Box::pin(async { Ok::<_, Infallible>(answer(request, &pages, false).await) })
    });
    let timeout = if is_hurried {
        SHORT_HEAD_TIMEOUT
    } else {
        HEAD_TIMEOUT
    };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeout)
        .keep_alive(!is_hurried)
        .serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the admin port has failed");
    }
    if let Some(reserve) = reserve {
        reserve.take_back(connection.into_parts().io.into_inner());
    }
}
