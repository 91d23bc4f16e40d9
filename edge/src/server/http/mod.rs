//! Handshakes: HTTP/1.1 on an accepted socket, with a deadline, until the upgrade.
//!
//! hyper handles the HTTP. After an upgrade it returns the socket and its memory is freed. The 101 response leaves with the
//! first frames of the connection.

mod error;

mod gate;

pub(crate) mod request;

mod response;

pub(crate) mod api;

mod exchange;

mod service;

mod stream;

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{debug, warn};

use crate::limits::{Arrived, Refused};
use crate::server::connections::events::EventLink;
use crate::server::connections::{Link, Upgraded};
use crate::server::context::ServerContext;
use crate::server::proxy;
use crate::server::tls::stream::TlsStream;
use exchange::{Exchange, Exchanged, Upgrade};
use gate::{Gate, Gated};
use service::HttpService;
use stream::ClientStream;

pub use error::HttpError;

/// The time that a client has to read an error response before its socket is closed.
const LINGER: Duration = Duration::from_secs(1);

/// The most bytes read from a refused client in this time.
const LINGER_BYTES: usize = 256 << 10;

/// An accepted socket.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) socket: TcpStream,
    /// The address at its other end.
    pub(crate) peer: SocketAddr,
    /// The time of the accept.
    pub(crate) at: Instant,
    /// The configuration of TLS, if the client needs it.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Whether it begins with a header of the PROXY protocol.
    pub(crate) is_proxied: bool,
    /// Counts it.
    pub(crate) arrived: Arrived,
    /// Its place among the handshakes in progress.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// Serves HTTP on a socket. Returns the socket if it was upgraded.
pub(crate) async fn drive_handshake(
    context: Rc<ServerContext>,
    arrival: Arrival,
) -> Option<Upgraded> {
    let Arrival {
        mut socket,
        mut peer,
        at,
        tls,
        is_proxied,
        mut arrived,
        permit,
    } = arrival;
    let deadline = at + context.handshakes.limits().timeout;
    if is_proxied {
        let options = context.options.proxy.current();
        match proxy::read_client(&mut socket, peer, &options).await {
            Ok(client) => {
                peer = client;
                if context.charge(&mut arrived, client.ip()).is_err() {
                    return None;
                }
            }
            Err(error) => {
                debug!(%peer, %error, "a connection to a listener for proxies is closed");
                if let Some(reason) = error.label() {
                    context.metrics.on_proxy_refused(reason);
                }
                return None;
            }
        }
    }
    // A client that has sent nothing costs no HTTP state.
    let asked = async {
        // The runtime assumes that a new socket is readable, so only a peek shows whether bytes have arrived.
        let begun = socket.peek(&mut [0]).await;
        context.handshake_turns.take().await;
        begun
    };
    let asked = timeout_at(deadline, asked).await;
    let stream = match tls {
        None => ClientStream::Plain(socket),
        Some(config) => match TlsStream::new(socket, config) {
            Ok(stream) => ClientStream::Tls(Box::new(stream)),
            Err(error) => {
                warn!(%error, "cannot begin a TLS handshake");
                return None;
            }
        },
    };
    match asked {
        Ok(Ok(_)) => {
            let exchanged = Exchanged {
                peer,
                is_encrypted: stream.session().is_some(),
                gate: Gate::default(),
                arrived,
                deadline,
                permit: Some(permit),
            };
            Box::pin(drive_http(context, stream, exchanged)).await
        }
        Ok(Err(_)) => None,
        Err(_) => {
            refuse_late(&context, stream, peer).await;
            None
        }
    }
}

async fn drive_http(
    context: Rc<ServerContext>,
    stream: ClientStream,
    exchanged: Exchanged,
) -> Option<Upgraded> {
    let (peer, is_encrypted) = (exchanged.peer, exchanged.is_encrypted);
    let stream = Gated::new(stream, exchanged.gate.clone());
    let exchange = Exchange::new(Rc::clone(&context), exchanged);
    let mut http = http1::Builder::new()
        .max_buf_size(context.options.header_bytes.max(8192))
        .max_header_size(context.options.header_bytes)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), HttpService(Rc::clone(&exchange)));
    let answering = poll_fn(|cx| http.poll_without_shutdown(cx));
    let answering = context.handshake_turns.drive_one(answering);
    let result = tokio::select! {
        biased;
        result = answering => Ok(result),
        () = exchange.expired() => Err(()),
    };
    let parts = http.into_parts();
    let mut stream = parts.io.into_inner().into_inner();
    if let Some(tls) = stream.session() {
        context.metrics.on_tls_handshake(tls.negotiated());
    }
    if let Some(error) = stream.tls_failure() {
        context.handshake_log.on_tls_failure(peer, error, now());
    }
    match result {
        Ok(Ok(())) => {
            if let Some((upgrade, arrived)) = exchange.take_upgrade() {
                return open(stream, upgrade, arrived, &parts.read_buf).await;
            }
        }
        Ok(Err(error)) => {
            debug!(%peer, %error, "handshake failed");
            if error.is_parse() {
                let received = &parts.read_buf;
                context.handshake_log.on_bad_request(peer, received, now());
                let refused = HttpError::from_parse(&error);
                context.metrics.on_refused(refused.code());
                let answer = response::before_request(refused, is_encrypted);
                write(&mut stream, &answer).await;
            }
        }
        // Between two requests no request waits for a response.
        Err(()) if exchange.is_idle() && parts.read_buf.is_empty() => {}
        Err(()) => {
            refuse_late(&context, stream, peer).await;
            return None;
        }
    }
    let _ = timeout(LINGER, linger(stream)).await;
    None
}

/// Makes a socket a connection. `received` holds the bytes after its last request.
async fn open(
    mut stream: ClientStream,
    upgrade: Upgrade,
    arrived: Arrived,
    received: &[u8],
) -> Option<Upgraded> {
    let Upgrade {
        route,
        info,
        mut head,
        events,
    } = upgrade;
    if events.is_some() {
        // Frames of an event stream leave as events, so that the head cannot be sent with them.
        write(&mut stream, &std::mem::take(&mut head)).await;
    }
    let (socket, tls, unread) = stream.into_parts();
    let socket = mio::net::TcpStream::from_std(socket.into_std().ok()?);
    let (link, early) = match events {
        // A client that waits for the end of this response sends no further request.
        Some(begun) => {
            let link = EventLink::new(socket, tls, begun.stream);
            (Link::Events(Box::new(link)), begun.join.to_vec())
        }
        None => {
            let link = match tls {
                None => Link::Plain(socket),
                Some(tls) => Link::Tls(socket, tls),
            };
            (link, [received, unread.as_slice()].concat())
        }
    };
    Some(Upgraded {
        link,
        route,
        info,
        presence: arrived.open(),
        head: head.into(),
        early: early.into(),
    })
}

/// Responds to a client that exceeded the deadline.
async fn refuse_late(context: &ServerContext, mut stream: ClientStream, peer: SocketAddr) {
    context.metrics.on_refused(HttpError::Deadline.code());
    debug!(%peer, "handshake took too long");
    if !stream.can_answer() {
        return;
    }
    let limit = context.handshakes.limits().timeout;
    let answer = response::deadline(limit, stream.session().is_some());
    write(&mut stream, &answer).await;
    let _ = timeout(LINGER, linger(stream)).await;
}

/// Writes a response, as far as the client takes it.
async fn write(stream: &mut ClientStream, answer: &[u8]) {
    let written = async {
        stream.write_all(answer).await?;
        stream.flush().await
    };
    let _ = timeout(LINGER, written).await;
}

/// Responds to a client that a limit refuses, once its request has begun to arrive.
pub(crate) async fn answer_refused(
    context: Rc<ServerContext>,
    mut socket: TcpStream,
    refused: Refused,
) {
    let error = HttpError::from_refused(&refused);
    context.metrics.on_refused(error.code());
    let answer = response::before_request(error, false);
    let answered = async {
        // Closing a socket before its first bytes arrive would reset the connection.
        socket.peek(&mut [0]).await?;
        socket.write_all(&answer).await?;
        linger(ClientStream::Plain(socket)).await
    };
    let _ = timeout(LINGER, answered).await;
}

/// Gives the client time to read the response, until the caller's deadline. Closing a socket with unread bytes would reset the connection, and the
/// client could lose the response.
async fn linger(mut stream: ClientStream) -> std::io::Result<()> {
    stream.shutdown().await?;
    let mut rest = [0; 1024];
    let mut total = 0;
    while total < LINGER_BYTES {
        match stream.read(&mut rest).await? {
            0 => return Ok(()),
            count => total += count,
        }
    }
    // A client that sends more than that is not read any more, so that it waits, and looks for the response.
    std::future::pending().await
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
