//! The admin port: health, readiness and metrics over HTTP. It has its own thread, so that it answers however busy the
//! shards are.
//!
//! | path | answer |
//! | --- | --- |
//! | `/health` | 200 while the process lives |
//! | `/startup` | 200 once every component has been ready, else 503 |
//! | `/ready` | 200 while every component is ready, else 503; the phase of each component |
//! | `/metrics` | OpenMetrics |

mod status;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
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

use crate::exit::BindError;
use crate::process::metrics;

pub use status::{Component, Phase, Status};

/// The most connections at a time; further ones wait in the backlog.
const MAX_CONNECTIONS: usize = 64;

/// The most time for a request's head, also for the first or next one on an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

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
    /// Starts to answer on `address`, configured under `key`. Port 0 means any port.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn start(
        key: &'static str,
        address: SocketAddr,
        status: Status,
        registry: Registry,
    ) -> Result<Self, BindError> {
        Self::run(address, Pages { status, registry }).map_err(|source| BindError {
            key,
            address,
            source,
        })
    }

    fn run(address: SocketAddr, pages: Pages) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
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
        let thread = std::thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = serve(listener, Arc::new(pages)) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        tracing::info!(%address, "admin port");
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
    status: Status,
    registry: Registry,
}

async fn serve(listener: TcpListener, pages: Arc<Pages>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve_connection(stream, Arc::clone(&pages), slot));
            }
            Err(error) => {
                tracing::warn!(%error, "admin port: accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, pages: Arc<Pages>, _slot: OwnedSemaphorePermit) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = answer(&request, &pages);
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "admin port: connection ended");
    }
}

fn answer<B>(request: &Request<B>, pages: &Pages) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
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
    let Pages { status, registry } = pages;
    match request.uri().path() {
        "/health" => respond(StatusCode::OK, TEXT, "alive\n".to_owned()),
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
