//! The admin port: health, readiness and metrics over HTTP, and an API of the process. It has its own thread, so that
//! it answers however busy the shards are, and its own reserve of descriptors, so that it answers when clients have
//! taken all others.
//!
//! | path | answer |
//! | --- | --- |
//! | `/health` | 200 while every loop of the process turns, else 503 |
//! | `/startup` | 200 once every component has been ready, else 503 |
//! | `/ready` | 200 while every component is ready, else 503 |
//! | `/metrics` | OpenMetrics, with those of earlier processes that still drain after an upgrade in place |
//! | all others | the API of the process, for operators with its token; 404 if it has none |

mod pulse;

mod status;

mod reserve;

mod connections;

mod health;

mod pages;

mod exposition;

mod predecessors;

mod api;

mod page_api;

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
use tokio::sync::oneshot;
use tokio::time::{Interval, MissedTickBehavior};

use crate::exit::BindError;
use crate::supervisor::Supervisor;
use connections::{Connections, Place};
use health::ProcessFacts;
use pages::{Pages, answer};
use reserve::Reserve;

pub use answer::{ApiAnswer, ApiRequest};
pub use api::{Answering, Api, ApiAccess, MIN_TOKEN_BYTES};
pub use ask::ask;
pub use body::read_body;
pub use description::{check_description, check_parameters};
pub use hyper::{Method, StatusCode};
pub use operations::Operations;
pub use page_api::PageApi;
pub use paging::Paging;
pub use predecessors::{ListedPredecessor, Predecessors};
pub use pulse::{ASK_EVERY, Pulse, Question};
pub use routes::{Found, Route, find, route};
pub use status::{Component, Phase, Status};

/// The most time for a request's head, also for the first or next one on an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The [`HEAD_TIMEOUT`] of a connection that uses the reserve of descriptors.
const SHORT_HEAD_TIMEOUT: Duration = Duration::from_secs(2);

/// The turns of all connections between two accepts.
const TURNS: u32 = 3;

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
            facts: ProcessFacts::new(),
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
    let reserve = Arc::new(Reserve::new(listener));
    let connections = Arc::<Connections>::default();
    let mut ticks = ticks();
    loop {
        let accepting = async {
            connections.has_place().await;
            loop {
                match reserve.accept().await {
                    Ok(accepted) => return accepted,
                    // It gives its descriptor back when its task has its turn.
                    Err(_) if connections.end_spent() => tokio::task::yield_now().await,
                    Err(error) => {
                        tracing::warn!(%error, "the admin port cannot accept connections");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            (stream, from, is_spent) = accepting => {
                let reserve = is_spent.then(|| Arc::clone(&reserve));
                let (place, ended) = connections.enter(from.ip(), is_spent);
                let serving = serve_connection(stream, Arc::clone(&pages), reserve, place, ended);
                pages.supervisor.run("connection", serving);
                // A request that has come with it is answered before a further connection may take its place.
                for _ in 0..TURNS {
                    tokio::task::yield_now().await;
                }
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

/// Serves a connection until it or its place ends. With `reserve` it is one that uses a descriptor of the reserve, which
/// it gives back after one answer.
async fn serve_connection(
    stream: TcpStream,
    pages: Arc<Pages>,
    reserve: Option<Arc<Reserve>>,
    place: Place,
    ended: oneshot::Receiver<()>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        Box::pin(async {
            let _answering = place.answer();
            Ok::<_, Infallible>(answer(request, &pages, false).await)
        })
    });
    let timeout = if reserve.is_some() {
        SHORT_HEAD_TIMEOUT
    } else {
        HEAD_TIMEOUT
    };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeout)
        .keep_alive(reserve.is_none())
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        served = poll_fn(|cx| connection.poll_without_shutdown(cx)) => {
            if let Err(error) = served {
                tracing::debug!(%error, "a connection to the admin port has failed");
            }
        }
        _ = ended => tracing::debug!("an idle connection to the admin port makes way for another one"),
    }
    if let Some(reserve) = reserve {
        reserve.take_back(connection.into_parts().io.into_inner());
    }
}
