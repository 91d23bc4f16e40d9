//! Requests to one endpoint.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use grandstand_common::clock::unix_ms;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tokio::time::timeout;
use url::Url;

use super::endpoint::Endpoint;

/// The most redirects of an attempt.
const REDIRECTS: usize = 3;
/// The time for which an unused connection stays open.
const IDLE: Duration = Duration::from_secs(30);

/// The reason why an attempt has failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AttemptError {
    #[error("the answer is {status}")]
    Status {
        status: StatusCode,
        /// The pause that the endpoint asks for.
        retry_after: Option<Duration>,
    },
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("the request failed: {0}")]
    Request(String),
    #[error("the answer ended early: {0}")]
    Cut(String),
    #[error("the answer has more than {0} bytes")]
    TooBig(usize),
    #[error(
        "the answer is {0} to {1:?}, which is not followed; configure that address if it is right"
    )]
    Moved(StatusCode, String),
    #[error("the endpoint redirects more than {REDIRECTS} times, the last time to {0}")]
    Redirects(String),
}

impl AttemptError {
    /// Whether the endpoint works, and only refuses this request.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                let again = [
                    StatusCode::REQUEST_TIMEOUT,
                    StatusCode::TOO_EARLY,
                    StatusCode::TOO_MANY_REQUESTS,
                ];
                status.is_client_error() && !again.contains(status)
            }
            Self::TooBig(_) | Self::Moved(..) | Self::Redirects(_) => true,
            Self::Timeout(_) | Self::Request(_) | Self::Cut(_) => false,
        }
    }

    /// Whether the endpoint wants no requests any more.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Status { status, .. } if *status == StatusCode::GONE)
    }

    /// The pause that the endpoint asks for.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// The part of the answer that an attempt wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The status only: that the endpoint has taken the request.
    Receipt,
    /// The body as well.
    Body,
}

/// Sends requests to one endpoint, over connections that it keeps.
#[derive(Debug)]
pub(super) struct Client {
    endpoint: Arc<Endpoint>,
    client: HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Client {
    pub(super) fn new(endpoint: Arc<Endpoint>, tls: ClientConfig) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(endpoint.connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = HyperClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(endpoint.concurrency)
            .build(connector);
        Self { endpoint, client }
    }

    /// Sends a request once, and returns the body of the answer if it is wanted.
    ///
    /// # Errors
    /// After at most `limit` and the endpoint's timeout.
    pub(super) async fn post(
        &self,
        id: &str,
        body: Bytes,
        wanted: Wanted,
        limit: Duration,
    ) -> Result<Bytes, AttemptError> {
        let limit = limit.min(self.endpoint.timeout);
        timeout(limit, self.run(id, body, wanted))
            .await
            .unwrap_or(Err(AttemptError::Timeout(limit)))
    }

    async fn run(&self, id: &str, body: Bytes, wanted: Wanted) -> Result<Bytes, AttemptError> {
        let mut url = self.endpoint.url.clone();
        for _ in 0..=REDIRECTS {
            let request = self.request(&url, id, body.clone());
            let response = self.client.request(request).await;
            let response = response.map_err(|error| AttemptError::Request(chain(&error)))?;
            let status = response.status();
            let to = response.headers().get(LOCATION);
            if let (true, Some(to)) = (status.is_redirection(), to) {
                url = follow(status, &url, to)?;
                continue;
            }
            if !status.is_success() {
                return Err(AttemptError::Status {
                    status,
                    retry_after: retry_after(response.headers()),
                });
            }
            return match (self.read(response).await, wanted) {
                (Err(_), Wanted::Receipt) => Ok(Bytes::new()),
                (read, _) => read,
            };
        }
        Err(AttemptError::Redirects(url.to_string()))
    }

    fn request(&self, url: &Uri, id: &str, body: Bytes) -> Request<Full<Bytes>> {
        let unix_s = unix_ms() / 1_000;
        let signature = self.endpoint.signer.sign(id, unix_s, &body);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let agent = concat!("grandstand/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        headers.insert("webhook-timestamp", HeaderValue::from(unix_s));
        if let Ok(id) = HeaderValue::from_str(id) {
            headers.insert("webhook-id", id);
        }
        if let Some(signature) = signature.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert("webhook-signature", signature);
        }
        request
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Bytes, AttemptError> {
        let most = self.endpoint.answer_bytes;
        let body = Limited::new(response.into_body(), most).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                AttemptError::TooBig(most)
            } else {
                AttemptError::Cut(chain(error.as_ref()))
            }
        })?;
        Ok(body.to_bytes())
    }
}

/// The address to which a redirect leads, if it keeps the request and the server. Another server could be anybody's, and
/// would get the data and a signature.
fn follow(status: StatusCode, from: &Uri, to: &HeaderValue) -> Result<Uri, AttemptError> {
    let text = String::from_utf8_lossy(to.as_bytes()).into_owned();
    let next = (|| {
        let from = Url::parse(&from.to_string()).ok()?;
        let next = from.join(&text).ok()?;
        let keeps = [
            StatusCode::TEMPORARY_REDIRECT,
            StatusCode::PERMANENT_REDIRECT,
        ];
        let is_same = next.origin() == from.origin() && keeps.contains(&status);
        let is_anonymous = next.username().is_empty() && next.password().is_none();
        (is_same && is_anonymous).then(|| next.as_str().parse().ok())?
    })();
    next.ok_or(AttemptError::Moved(status, text))
}

/// The pause that an answer asks for: seconds, or until a time.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    let at = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(at.saturating_sub(Duration::from_millis(unix_ms())))
}

/// The texts of an error and of its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_the_server_and_keep_the_request() {
        let from: Uri = "https://a.example/hook".parse().unwrap();
        let lead = |status: u16, to: &'static str| {
            let status = StatusCode::from_u16(status).unwrap();
            follow(status, &from, &HeaderValue::from_static(to))
        };
        let next = lead(308, "/hook/").unwrap();
        assert_eq!(next.to_string(), "https://a.example/hook/");
        assert_eq!(lead(307, "https://a.example/x").unwrap().path(), "/x");
        for (status, to) in [
            (302, "/hook/"),
            (303, "/hook/"),
            (307, "https://b.example/hook"),
            (307, "http://a.example/hook"),
            (307, "https://a.example:8443/hook"),
            (307, "https://user@a.example/hook"),
            (307, "//b.example/hook"),
        ] {
            let refused = lead(status, to).unwrap_err().to_string();
            assert!(refused.contains("not followed"), "{status} {to}: {refused}");
        }
    }

    #[test]
    fn a_pause_is_seconds_or_a_time() {
        let pause = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            retry_after(&headers)
        };
        assert_eq!(pause("7"), Some(Duration::from_secs(7)));
        assert_eq!(pause("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(pause("Fri, 31 Dec 2100 23:59:59 GMT").unwrap() > IDLE);
        assert_eq!(pause("soon"), None);
    }
}
