//! The answers of the admin port: those to probes, and those of the API of the process.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use prometheus_client::registry::Registry;

use super::answer::ApiAnswer;
use super::api::ApiAccess;
use super::exposition;
use super::health::{Probe, ProcessFacts};
use super::status::Status;
use crate::http::{harden, has_valid_host};
use crate::process::metrics;
use crate::supervisor::Supervisor;

/// The pages of the port.
pub(super) struct Pages {
    pub(super) api: Option<ApiAccess>,
    pub(super) status: Status,
    pub(super) registry: Registry,
    pub(super) facts: ProcessFacts,
    pub(super) supervisor: Supervisor,
}

const TEXT: &str = "text/plain; charset=utf-8";

const JSON: &str = "application/json";

const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// The paths that need no token, because probes and Prometheus have none.
const OPEN: [&str; 4] = ["/health", "/startup", "/ready", "/metrics"];

/// Answers a request. A request that the next process of an upgrade passes on `is_checked` already.
pub(super) async fn answer(
    request: Request<Incoming>,
    pages: &Pages,
    is_checked: bool,
) -> Response<Full<Bytes>> {
    let mut response = find_answer(request, pages, is_checked).await;
    harden(&mut response);
    response
}

async fn find_answer(
    request: Request<Incoming>,
    pages: &Pages,
    is_checked: bool,
) -> Response<Full<Bytes>> {
    if !has_valid_host(&request) {
        let text = "a request needs exactly one Host\n".to_owned();
        return respond(StatusCode::BAD_REQUEST, TEXT, text);
    }
    let path = request.uri().path();
    match &pages.api {
        Some(api) if !OPEN.contains(&path) && !path.starts_with("/fault/") => {
            api.answer(request, is_checked).await
        }
        _ => {
            let others = match &pages.api {
                Some(api) if path == "/metrics" => api.metrics_of_others().await,
                _ => Vec::new(),
            };
            answer_probe(&request, pages, &others)
        }
    }
}

/// Answers a probe. `others` are the metrics of other processes with their ids.
fn answer_probe<B>(
    request: &Request<B>,
    pages: &Pages,
    others: &[(u32, String)],
) -> Response<Full<Bytes>> {
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
    #[cfg(feature = "faults")]
    if let Some(fault) = request.uri().path().strip_prefix("/fault/") {
        let (how, part) = fault.split_once('/').unwrap_or_default();
        let injected = pages.supervisor.inject(part, how);
        let code = if injected {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        return respond(code, TEXT, format!("{how} {part}\n"));
    }
    let Pages {
        status, registry, ..
    } = pages;
    if let Some(probe) = Probe::from_path(request.uri().path()) {
        let code = probe.answer(status).code();
        if wants_text(request) {
            return respond(code, TEXT, probe.text(status));
        }
        let report = ApiAnswer::json(code, &pages.facts.report(probe, status));
        return respond(report.status, JSON, report.body);
    }
    match request.uri().path() {
        "/metrics" if others.is_empty() && wants_protobuf(request) => {
            respond(StatusCode::OK, PROTOBUF, metrics::render_protobuf(registry))
        }
        "/metrics" => {
            let own = metrics::render(registry);
            let text = if others.is_empty() {
                own
            } else {
                exposition::join(&own, others)
            };
            respond(StatusCode::OK, OPEN_METRICS, text)
        }
        _ => {
            let paths = "there are /health, /startup, /ready and /metrics\n";
            respond(StatusCode::NOT_FOUND, TEXT, paths.to_owned())
        }
    }
}

/// Whether a scraper takes protobuf, the only format with native histograms. Prometheus asks for it if it stores those.
fn wants_protobuf<B>(request: &Request<B>) -> bool {
    let accepted = request.headers().get_all(ACCEPT).iter();
    let mut accepted = accepted.filter_map(|accept| accept.to_str().ok());
    accepted.any(|kinds| kinds.contains("proto=io.prometheus.client.MetricFamily"))
}

/// Whether a probe wants the answer as text: by `?format=text`, or because it accepts plain text and not JSON.
fn wants_text<B>(request: &Request<B>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let accepted = request.headers().get_all(ACCEPT).iter();
    let mut accepted = accepted.filter_map(|accept| accept.to_str().ok());
    query.split('&').any(|part| part == "format=text")
        || accepted.any(|kinds| kinds.contains("text/plain") && !kinds.contains("json"))
}

fn respond(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
