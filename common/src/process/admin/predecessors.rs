//! Earlier processes that still drain after an upgrade in place. This process has their admin port, so each of them answers
//! over the Unix socket of its upgrade, which ends when it does.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::net::UnixStream;

use super::answer::ApiAnswer;
use crate::clock::unix_ms;
use crate::supervisor::Supervisor;

/// The most time for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most bytes of an answer.
const MAX_BYTES: usize = 16 << 20;

/// The earlier processes that still answer. Clones are handles to the same ones.
#[derive(Debug, Clone, Default)]
pub struct Predecessors(Arc<Mutex<Vec<Arc<Predecessor>>>>);

#[derive(Debug)]
struct Predecessor {
    process: u32,
    since_ms: u64,
    // Held for one request after the other, as HTTP/1.1 needs it.
    sender: tokio::sync::Mutex<SendRequest<Full<Bytes>>>,
}

/// An earlier process, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedPredecessor {
    /// The id of the process.
    pub process: u32,
    /// The time at which this process took over from it, Unix milliseconds.
    pub since_ms: u64,
}

impl Predecessors {
    /// Adds a process that answers over `stream` until it ends. An older version that does not answer ends
    /// the stream.
    ///
    /// # Errors
    /// If the stream has failed already.
    pub async fn add(
        &self,
        process: u32,
        stream: UnixStream,
        supervisor: &Supervisor,
    ) -> io::Result<()> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let entry = Arc::new(Predecessor {
            process,
            since_ms: unix_ms(),
            sender: tokio::sync::Mutex::new(sender),
        });
        self.0.lock().push(Arc::clone(&entry));
        let all = self.clone();
        supervisor.run("predecessor", async move {
            if let Err(error) = connection.await {
                tracing::debug!(process, %error, "an earlier process has ended");
            }
            all.0.lock().retain(|other| !Arc::ptr_eq(other, &entry));
        });
        Ok(())
    }

    /// All of them.
    pub fn list(&self) -> Vec<ListedPredecessor> {
        let listed = |predecessor: &Arc<Predecessor>| ListedPredecessor {
            process: predecessor.process,
            since_ms: predecessor.since_ms,
        };
        self.0.lock().iter().map(listed).collect()
    }

    /// Asks one of them. `to` is its id and, behind a slash, what follows `/v1/` in the path at its own admin port.
    ///
    /// # Errors
    /// 404 if there is no such process, 503 if it does not answer.
    pub async fn ask(
        &self,
        to: &str,
        method: Method,
        query: &str,
        body: Bytes,
    ) -> Result<ApiAnswer, ApiAnswer> {
        let found = to.split_once('/').and_then(|(process, path)| {
            let process = process.parse().ok()?;
            Some((self.find(process)?, path))
        });
        let Some((predecessor, path)) = found else {
            let text = "no such process drains; /v1/draining lists those that do";
            return Err(ApiAnswer::problem(
                StatusCode::NOT_FOUND,
                "no_such_process",
                text,
            ));
        };
        let mark = if query.is_empty() { "" } else { "?" };
        let path = format!("/v1/{path}{mark}{query}");
        let answered = predecessor.request(method, &path, body).await;
        let Some((status, body)) = answered else {
            let text = "the process does not answer; it may have ended";
            let unavailable = StatusCode::SERVICE_UNAVAILABLE;
            return Err(ApiAnswer::problem(unavailable, "no_answer", text));
        };
        let allow = None;
        Ok(ApiAnswer {
            status,
            body,
            allow,
        })
    }

    /// The metrics of each that answers, with its id.
    pub(super) async fn metrics(&self) -> Vec<(u32, String)> {
        let all = self.0.lock().clone();
        let mut texts = Vec::new();
        for predecessor in all {
            let answered = predecessor
                .request(Method::GET, "/metrics", Bytes::new())
                .await;
            if let Some((StatusCode::OK, body)) = answered
                && let Ok(text) = String::from_utf8(body.into())
            {
                texts.push((predecessor.process, text));
            }
        }
        texts
    }

    fn find(&self, process: u32) -> Option<Arc<Predecessor>> {
        let all = self.0.lock();
        let found = all.iter().find(|other| other.process == process);
        found.cloned()
    }
}

impl Predecessor {
    /// Sends a request. `None` if it is not answered in time.
    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Option<(StatusCode, Bytes)> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().ok()?;
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_static("localhost"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let exchange = async {
            let mut sender = self.sender.lock().await;
            let response = sender.send_request(request).await.ok()?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_BYTES)
                .collect()
                .await;
            Some((status, body.ok()?.to_bytes()))
        };
        tokio::time::timeout(PATIENCE, exchange).await.ok()?
    }
}
