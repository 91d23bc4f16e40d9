//! The admin port: health, readiness and metrics over HTTP, and an API of the process. It has its own thread, so that it answers however busy the
//! shards are, and its own reserve of descriptors, so that it answers when clients have taken all others.
//!
//! | path | answer |
//! | --- | --- |
//! | `/health` | 200 while every loop of the process turns, else 503; the loops that do not |
//! | `/startup` | 200 once every component has been ready, else 503 |
//! | `/ready` | 200 while every component is ready, else 503; the phase of each component |
//! | `/metrics` | OpenMetrics |
//! | all others | the API of the process, for operators with its token; 404 if it has none |

mod pulse;

mod status;

mod reserve;

mod api;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::MissedTickBehavior;

use crate::exit::BindError;
use crate::http::has_valid_host;
use crate::process::metrics;
use crate::supervisor::Supervisor;
use reserve::Reserve;

pub use api::{Api, ApiAccess, ApiAnswer, ApiRequest, MIN_TOKEN_BYTES};
pub use pulse::{ASK_EVERY, Pulse, Question};
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
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Starts to answer on `address`, configured under `key`. Port 0 means any port. Operators may use `api`.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn start(
        (key, address): (&'static str, SocketAddr),
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
        let supervisor = pages.supervisor.clone();
        let thread = supervisor.thread("admin", move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, Arc::new(pages)) => {}
                    _ = stopped => {}
                }
            });
        })?;
        tracing::info!(%address, "the admin port is open");
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
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

struct Pages {
    api: Option<ApiAccess>,
    status: Status,
    registry: Registry,
    supervisor: Supervisor,
}

async fn serve(listener: TcpListener, pages: Arc<Pages>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let reserve = Arc::new(Reserve::new(listener));
    let mut ticks = tokio::time::interval(ASK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
                    serve_connection(stream, Arc::clone(&pages), (reserve, is_hurried), slot);
                pages.supervisor.run("connection", serving);
            }
            _ = ticks.tick() => {
                pages.status.ask();
                reserve.fill();
            }
        }
    }
}

/// Serves a connection. With `reserve` it is one that uses a descriptor of the reserve, which it gives back after one
/// answer. One that is hurried gets one answer as well.
async fn serve_connection(
    stream: TcpStream,
    pages: Arc<Pages>,
    (reserve, is_hurried): (Option<Arc<Reserve>>, bool),
    _slot: OwnedSemaphorePermit,
) {
    let service = service_fn(|request: Request<Incoming>| {
        Box::pin(async { Ok::<_, Infallible>(answer(request, &pages).await) })
    });
    let timeout = match is_hurried {
        false => HEAD_TIMEOUT,
        true => SHORT_HEAD_TIMEOUT,
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

const TEXT: &str = "text/plain; charset=utf-8";

/// The paths that need no token, because probes and Prometheus have none.
const OPEN: [&str; 4] = ["/health", "/startup", "/ready", "/metrics"];

async fn answer(request: Request<Incoming>, pages: &Pages) -> Response<Full<Bytes>> {
    if !has_valid_host(&request) {
        let text = "a request needs exactly one Host\n".to_owned();
        return respond(StatusCode::BAD_REQUEST, TEXT, text);
    }
    let path = request.uri().path();
    match &pages.api {
        Some(api) if !OPEN.contains(&path) && !path.starts_with("/fault/") => {
            api.answer(request).await
        }
        _ => answer_probe(&request, pages),
    }
}

fn answer_probe<B>(request: &Request<B>, pages: &Pages) -> Response<Full<Bytes>> {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    // hyper omits the body of a response to HEAD.
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = respond(
            StatusCode::METHOD_NOT_ALLOWED,
            TEXT,
            "only GET\n".to_owned(),
        );
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return response;
    }
    let ok_if = |ok| match ok {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let Pages {
        status, registry, ..
    } = pages;
    #[cfg(feature = "faults")]
    if let Some(fault) = request.uri().path().strip_prefix("/fault/") {
        let (how, part) = fault.split_once('/').unwrap_or_default();
        let injected = pages.supervisor.inject(part, how);
        return respond(ok_if(injected), TEXT, format!("{how} {part}\n"));
    }
    match request.uri().path() {
        "/health" => match status.silent() {
            silent if silent.is_empty() => respond(StatusCode::OK, TEXT, "alive\n".to_owned()),
            silent => respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, silent),
        },
        "/startup" => respond(ok_if(status.has_started()), TEXT, status.to_string()),
        "/ready" => respond(ok_if(status.is_ready()), TEXT, status.to_string()),
        "/metrics" => respond(StatusCode::OK, OPEN_METRICS, metrics::render(registry)),
        _ => {
            let paths = "there are /health, /startup, /ready and /metrics\n";
            respond(StatusCode::NOT_FOUND, TEXT, paths.to_owned())
        }
    }
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
