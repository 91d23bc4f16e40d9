//! The API of a process on its admin port: what a process lets its operators see and do, and who may use it.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    ORIGIN, WWW_AUTHENTICATE,
};
use hyper::{Request, Response, StatusCode};
use parking_lot::Mutex;
use subtle::ConstantTimeEq as _;

use super::answer::{ApiAnswer, ApiRequest};
use super::page_api::{Admitted, PageApi, wrapped};
use super::predecessors::Predecessors;
use crate::http::is_loopback_host;

/// The least bytes of a token of the API.
pub const MIN_TOKEN_BYTES: usize = 32;

/// The most bytes of a request's body.
const MAX_BODY_BYTES: usize = 64 << 10;

/// The most time for a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The answer to a request, which may have to wait for other threads.
pub type Answering = Pin<Box<dyn Future<Output = Result<ApiAnswer, ApiAnswer>> + Send>>;

/// The part of the admin API that a kind of process implements.
pub trait Api: Send + Sync + 'static {
    /// The earlier processes that still drain; `None` if a process of this kind has none.
    fn predecessors(&self) -> Option<&Predecessors> {
        None
    }

    /// Answers a request. It may wait for other threads, but not block this one. The error is an answer, too.
    fn answer(self: Arc<Self>, request: ApiRequest) -> Answering;
}

/// The API of a process, and who may use it.
#[derive(Clone)]
pub struct ApiAccess {
    api: Arc<dyn Api>,
    /// A part that pages may use, and the API that answers it.
    pages: Option<(Arc<PageApi>, Arc<dyn Api>)>,
    // Held to copy or replace it.
    token: Arc<Mutex<Option<Arc<str>>>>,
}

impl std::fmt::Debug for ApiAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let has_token = self.token.lock().is_some();
        f.debug_struct("ApiAccess")
            .field("has_token", &has_token)
            .finish_non_exhaustive()
    }
}

impl ApiAccess {
    /// Access for operators with this token. With an empty token, all processes on this machine have access.
    pub fn new(api: Arc<impl Api>, token: &str) -> Self {
        let access = Self {
            api,
            pages: None,
            token: Arc::default(),
        };
        access.set_token(token);
        access
    }

    /// Adds a part that pages may use, which `api` answers.
    #[must_use]
    pub fn with_pages(self, pages: PageApi, api: Arc<impl Api>) -> Self {
        Self {
            pages: Some((Arc::new(pages), api)),
            ..self
        }
    }

    /// Replaces the token.
    pub fn set_token(&self, token: &str) {
        *self.token.lock() = (!token.is_empty()).then(|| token.into());
    }

    /// The metrics of the earlier processes that still drain, with their ids.
    pub(super) async fn metrics_of_others(&self) -> Vec<(u32, String)> {
        match self.api.predecessors() {
            Some(predecessors) => predecessors.metrics().await,
            None => Vec::new(),
        }
    }

    /// Checks a token of a configuration for an admin port at `address`.
    ///
    /// # Errors
    /// The problem and how to fix it, as the end of a sentence.
    pub fn check_token(address: SocketAddr, token: &str) -> Result<(), String> {
        let bytes = token.len();
        match bytes {
            0 if address.ip().is_loopback() => Ok(()),
            0 => Err(format!(
                "is needed, because the admin port is not on loopback ({address}); make one with: head -c 32 /dev/urandom | \
                 base64"
            )),
            1..MIN_TOKEN_BYTES => Err(format!(
                "must have at least {MIN_TOKEN_BYTES} bytes, has {bytes}; make one with: head -c 32 /dev/urandom | base64"
            )),
            _ => Ok(()),
        }
    }

    /// Answers a request for the API. A request that the next process of an upgrade passes on `is_checked` already.
    pub(super) async fn answer<B>(
        &self,
        request: Request<B>,
        is_checked: bool,
    ) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static>,
    {
        let path = request.uri().path();
        if let Some((pages, api)) = &self.pages
            && pages.serves(path)
        {
            return self.answer_page(pages, api, request).await;
        }
        let checked = if is_checked {
            Ok(())
        } else {
            self.check(request.headers(), false)
        };
        let answer = match checked {
            Ok(()) => ask(&self.api, request).await,
            Err(refused) => Err(refused),
        };
        respond(answer.unwrap_or_else(|problem| problem))
    }

    /// Answers a request for the part that pages may use.
    async fn answer_page<B>(
        &self,
        pages: &PageApi,
        api: &Arc<dyn Api>,
        request: Request<B>,
    ) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static>,
    {
        let headers = request.headers();
        let origin = pages.origin(headers);
        let admitted = pages.check(request.method(), headers);
        let is_preflight = matches!(admitted, Ok(Admitted::Preflight));
        let answer = match admitted {
            // Browsers send no token with it.
            Ok(Admitted::Preflight) => Ok(ApiAnswer::empty()),
            Ok(Admitted::Request) => match self.check(headers, true) {
                Ok(()) => ask(api, request).await,
                Err(refused) => Err(refused),
            },
            Err(refused) => Err(refused),
        };
        let response = respond(answer.unwrap_or_else(wrapped));
        pages.complete(response, origin, is_preflight)
    }

    /// Checks the token of a request. Without a configured token, refuses requests to other names than those of this
    /// machine, and web pages in a browser on this machine unless they are `known`.
    fn check(&self, headers: &HeaderMap, known: bool) -> Result<(), ApiAnswer> {
        let token = self.token.lock().clone();
        if let Some(token) = token {
            let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
            let given = given.and_then(bearer).unwrap_or_default();
            return if bool::from(given.ct_eq(token.as_bytes())) {
                Ok(())
            } else {
                Err(ApiAnswer::problem(
                    StatusCode::UNAUTHORIZED,
                    "unauthorized",
                    "the token is missing or wrong; send `Authorization: Bearer TOKEN` with the configured admin token",
                ))
            };
        }
        let fetch = HeaderName::from_static("sec-fetch-site");
        let is_page =
            headers.contains_key(ORIGIN) || headers.get(fetch).is_some_and(|site| site != "none");
        let host = headers.get(HOST).map(HeaderValue::as_bytes);
        if is_page && !known || !host.is_some_and(is_loopback_host) {
            return Err(ApiAnswer::problem(
                StatusCode::FORBIDDEN,
                "forbidden",
                "without a configured admin token the API answers no web pages, and only requests to localhost or a loopback \
                 address",
            ));
        }
        Ok(())
    }
}

/// The token of an `Authorization` header; the scheme's name has no case.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then_some(token.trim_ascii())
}

/// Reads a request, and has it answered.
async fn ask<B>(api: &Arc<dyn Api>, request: Request<B>) -> Result<ApiAnswer, ApiAnswer>
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static>,
{
    let request = read(request).await?;
    Arc::clone(api).answer(request).await
}

/// Reads the body of a request.
async fn read<B>(request: Request<B>) -> Result<ApiRequest, ApiAnswer>
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static>,
{
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY_BYTES).collect();
    let body = match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let text = format!("a body may have at most {MAX_BODY_BYTES} bytes");
            return Err(ApiAnswer::problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_big",
                &text,
            ));
        }
        Ok(Err(error)) => {
            let text = format!("the body cannot be read: {error}");
            return Err(ApiAnswer::problem(
                StatusCode::BAD_REQUEST,
                "bad_body",
                &text,
            ));
        }
        Err(_) => {
            let text = "the body took too long";
            return Err(ApiAnswer::problem(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                text,
            ));
        }
    };
    let kind = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let kind = kind.unwrap_or_default().split(|byte| *byte == b';').next();
    let is_json =
        kind.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"application/json"));
    if !body.is_empty() && !is_json {
        return Err(ApiAnswer::problem(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "bad_body",
            "a body must be JSON, and say so with `Content-Type: application/json`",
        ));
    }
    Ok(ApiRequest {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        body,
    })
}

fn respond(answer: ApiAnswer) -> Response<Full<Bytes>> {
    let has_body = !answer.body.is_empty();
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    if answer.status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if has_body {
        headers.insert(CONTENT_TYPE, JSON);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(Ok(allow)) = answer.allow.map(HeaderValue::try_from) {
        headers.insert(ALLOW, allow);
    }
    response
}
