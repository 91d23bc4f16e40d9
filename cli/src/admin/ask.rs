//! One request to an admin port, with a deadline.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::url::AdminUrl;

/// The most bytes of an answer. The metrics of a process have some hundred KiB.
const MAX_BYTES: usize = 16 << 20;

/// The answer of an admin port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status of HTTP.
    pub(crate) status: u16,
    /// The header `Content-Type`; empty without one.
    pub(crate) content_type: String,
    /// The content.
    pub(crate) body: Bytes,
}

/// The reason why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error(
        "cannot connect to {url}: {why}; is the process running, and is this the address of its admin port (`edge.admin`, \
         `worker.admin`)?"
    )]
    Connect { url: AdminUrl, why: io::Error },
    #[error("{url} does not answer within {} ms", within.as_millis())]
    Late { url: AdminUrl, within: Duration },
    #[error(
        "{url} does not answer in HTTP: {why}; is this the address of an admin port (`edge.admin`, `worker.admin`)?"
    )]
    NotHttp { url: AdminUrl, why: hyper::Error },
    #[error("the answer of {url} cannot be read: {why}")]
    Body { url: AdminUrl, why: String },
    #[error("the token cannot be sent: it has characters that a header of HTTP cannot have")]
    Token,
}

/// Asks for a path. `token` is that of the admin API.
///
/// # Errors
/// If no whole answer comes in time.
pub(crate) async fn ask(
    url: &AdminUrl,
    path: &str,
    token: Option<&str>,
    within: Duration,
) -> Result<Answer, AskError> {
    let asked = timeout(within, exchange(url, path, token)).await;
    asked.unwrap_or_else(|_| {
        Err(AskError::Late {
            url: url.clone(),
            within,
        })
    })
}

async fn exchange(url: &AdminUrl, path: &str, token: Option<&str>) -> Result<Answer, AskError> {
    let mut request = Request::get(path).header(HOST, url.authority());
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    // The paths are the program's own, so only the token can be at fault.
    let request = request.body(Empty::<Bytes>::new());
    let request = request.map_err(|_| AskError::Token)?;
    let stream = TcpStream::connect((url.host(), url.port())).await;
    let stream = stream.map_err(|why| AskError::Connect {
        url: url.clone(),
        why,
    })?;
    let not_http = |why| AskError::NotHttp {
        url: url.clone(),
        why,
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(not_http)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(not_http)?;
        read(url, response).await
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        // The process may close the connection once it has sent everything.
        ended = connection => {
            ended.map_err(not_http)?;
            exchange.await
        }
    }
}

async fn read(
    url: &AdminUrl,
    response: hyper::Response<hyper::body::Incoming>,
) -> Result<Answer, AskError> {
    let status = response.status().as_u16();
    let kind = response.headers().get(CONTENT_TYPE);
    let content_type = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let content_type = content_type.to_owned();
    let body = Limited::new(response.into_body(), MAX_BYTES);
    let body = body.collect().await.map_err(|why| AskError::Body {
        url: url.clone(),
        why: if why.is::<LengthLimitError>() {
            format!("it has more than {MAX_BYTES} bytes")
        } else {
            why.to_string()
        },
    })?;
    Ok(Answer {
        status,
        content_type,
        body: body.to_bytes(),
    })
}
