use prometheus_client::metrics::counter::Counter;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::clock::unix_ms;
use crate::exit::{Exit, ExitError as _};
use crate::process::metrics::{Build, registry};

mod page_api;

fn start(status: &Status) -> (Admin, Counter) {
    let mut registry = registry(Build {
        service: "test",
        version: "1",
    });
    let counter = Counter::default();
    registry.register("things", "Things", counter.clone());
    let any = ([127, 0, 0, 1], 0).into();
    let admin = Admin::start(
        "admin.listen",
        any,
        status.clone(),
        registry,
        None,
        &Supervisor::default(),
    )
    .unwrap();
    (admin, counter)
}

/// The answer's head and body.
async fn request(admin: &Admin, method: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(admin.address()).await.unwrap();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

async fn get(admin: &Admin, path: &str) -> (u16, String) {
    let (head, body) = request(admin, "GET", path).await;
    let status = head.split(' ').nth(1).unwrap();
    (status.parse().unwrap(), body)
}

/// The answer to a probe as text.
async fn get_text(admin: &Admin, path: &str) -> (u16, String) {
    get(admin, &format!("{path}?format=text")).await
}

/// The answer to a probe in JSON.
async fn get_json(admin: &Admin, path: &str) -> (u16, Value) {
    let (code, body) = get(admin, path).await;
    (code, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn readiness_follows_the_components() {
    let status = Status::new();
    let (admin, _) = start(&status);
    assert_eq!(get_text(&admin, "/ready").await, (503, String::new()));
    let edge = status.component("edge");
    let worker = status.component("worker");
    edge.set(Phase::Starting("connecting to NATS".into()));
    worker.set(Phase::Ready);
    let told = "edge: starting (connecting to NATS)\nworker: ready\n".to_owned();
    assert_eq!(get_text(&admin, "/ready").await, (503, told.clone()));
    assert_eq!(get_text(&admin, "/startup").await, (503, told));
    assert_eq!(get(&admin, "/health").await.0, 200);

    edge.set(Phase::Ready);
    let told = "edge: ready\nworker: ready\n".to_owned();
    assert_eq!(get_text(&admin, "/ready").await, (200, told.clone()));
    assert_eq!(get_text(&admin, "/startup").await, (200, told));

    edge.set(Phase::Draining);
    worker.set(Phase::Unready("no lease".into()));
    let told = "edge: draining\nworker: not ready (no lease)\n".to_owned();
    assert_eq!(get_text(&admin, "/ready").await, (503, told));
    assert_eq!(get_text(&admin, "/startup").await.0, 200);
}

#[tokio::test]
async fn probes_say_in_json_what_is_wrong_and_since_when() {
    let status = Status::new();
    let (admin, _) = start(&status);
    let nats = status.component("nats");
    let before = unix_ms();
    let (code, report) = get_json(&admin, "/startup").await;
    assert_eq!((code, &report["status"]), (503, &json!("unhealthy")));
    nats.set(Phase::Ready);
    nats.set_response_time(Duration::from_micros(1_500));
    for path in ["/health", "/ready", "/startup"] {
        let (code, report) = get_json(&admin, path).await;
        assert_eq!(
            (code, &report["status"]),
            (200, &json!("healthy")),
            "{path}"
        );
    }
    nats.set(Phase::Unready("the login is refused".into()));
    for (path, code, is) in [
        ("/health", 200, "degraded"),
        ("/ready", 503, "unhealthy"),
        ("/startup", 200, "degraded"),
    ] {
        let (found, report) = get_json(&admin, path).await;
        assert_eq!((found, &report["status"]), (code, &json!(is)), "{path}");
        let dependency = &report["dependencies"][0];
        assert_eq!(dependency["name"], "nats");
        assert_eq!(dependency["state"], "not_ready");
        assert_eq!(dependency["reason"], "the login is refused");
        assert_eq!(dependency["response_time_ms"], 1.5);
        for time in [&dependency["since"], &report["timestamp"]] {
            let time = OffsetDateTime::parse(time.as_str().unwrap(), &Rfc3339).unwrap();
            let ms = (time.unix_timestamp_nanos() / 1_000_000) as u64;
            assert!((before..=unix_ms()).contains(&ms), "{time}");
        }
        assert!(report["memory"]["resident_bytes"].as_u64().unwrap() > 1 << 20);
        assert!(report["uptime"].as_f64().unwrap() >= 0.0);
        assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    }
}

#[tokio::test]
async fn probes_answer_with_text_to_those_who_accept_nothing_else() {
    let status = Status::new();
    let (admin, _) = start(&status);
    let mut stream = TcpStream::connect(admin.address()).await.unwrap();
    let request =
        b"GET /health HTTP/1.1\r\nhost: a\r\naccept: text/plain\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("\r\n\r\nalive\n"), "{answer}");
}

#[tokio::test]
async fn answers_tell_browsers_to_be_strict() {
    let (admin, _) = start(&Status::new());
    for (method, path) in [("GET", "/ready"), ("POST", "/metrics"), ("GET", "/none")] {
        let (head, _) = request(&admin, method, path).await;
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
        let policy = "content-security-policy: default-src 'none'; frame-ancestors 'none'";
        assert!(head.contains(policy), "{head}");
    }
}

#[tokio::test]
async fn metrics_are_served_with_current_values() {
    let (admin, counter) = start(&Status::new());
    counter.inc_by(7);
    let (head, body) = request(&admin, "GET", "/metrics").await;
    assert!(
        head.contains("content-type: application/openmetrics-text"),
        "{head}"
    );
    assert!(body.contains("\ngrandstand_things_total 7\n"), "{body}");
    assert!(body.contains("grandstand_build_info{"), "{body}");
    assert!(body.ends_with("# EOF\n"), "{body}");
}

#[tokio::test]
async fn metrics_are_protobuf_for_scrapers_that_take_it() {
    let (admin, _) = start(&Status::new());
    let mut stream = TcpStream::connect(admin.address()).await.unwrap();
    let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,text/plain;q=0.5";
    let request = format!(
        "GET /metrics HTTP/1.1\r\nhost: a\r\naccept: {accept}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.contains("content-type: application/vnd.google.protobuf;"),
        "{answer}"
    );
    assert!(answer.contains("grandstand_things_total"), "{answer}");
}

#[tokio::test]
async fn unknown_paths_get_404_and_other_methods_405() {
    let (admin, _) = start(&Status::new());
    assert_eq!(get(&admin, "/").await.0, 404);
    assert_eq!(get(&admin, "/ready/").await.0, 404);
    let (head, _) = request(&admin, "POST", "/ready").await;
    assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
    assert!(head.contains("allow: GET, HEAD"), "{head}");
    let (head, body) = request(&admin, "HEAD", "/health").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(body, "");
}

#[tokio::test]
async fn d31_a_missing_or_a_second_host_is_refused_with_400() {
    let (admin, _) = start(&Status::new());
    for (request, status) in [
        ("GET /health HTTP/1.1\r\n", "400"),
        ("GET /health HTTP/1.1\r\nhost: a\r\nhost: a\r\n", "400"),
        ("GET /health HTTP/1.1\r\nhost: a b\r\n", "400"),
        ("GET /health HTTP/1.1\r\nhost: a\r\n", "200"),
        ("GET /health HTTP/1.0\r\n", "200"),
        ("GET /health HTTP/1.0\r\nhost: a\r\nhost: b\r\n", "400"),
    ] {
        let mut stream = TcpStream::connect(admin.address()).await.unwrap();
        let bytes = format!("{request}connection: close\r\n\r\n");
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let found = answer.split(' ').nth(1).unwrap();
        assert_eq!(found, status, "{request:?}: {answer}");
    }
}

#[test]
fn a_port_in_use_is_reported_with_its_address_and_key() {
    let (first, _) = start(&Status::new());
    let address = first.address();
    let registry = Registry::default();
    let error = Admin::start(
        "admin.listen",
        address,
        Status::new(),
        registry,
        None,
        &Supervisor::default(),
    )
    .unwrap_err();
    assert_eq!(error.exit(), Exit::AddressInUse);
    let text = error.to_string();
    assert!(text.contains(&address.to_string()), "{text}");
    assert!(text.contains("`admin.listen`"), "{text}");
}

#[test]
fn the_port_is_free_again_once_it_is_dropped() {
    let (first, _) = start(&Status::new());
    let address = first.address();
    drop(first);
    let registry = Registry::default();
    let again = Admin::start(
        "admin.listen",
        address,
        Status::new(),
        registry,
        None,
        &Supervisor::default(),
    )
    .unwrap();
    assert_eq!(again.address(), address);
}

/// Asks as often as a silence of `within` takes.
fn ask_for(status: &Status, within: Duration) {
    let count = within.as_millis() / ASK_EVERY.as_millis();
    (0..=count).for_each(|_| status.ask());
}

#[test]
fn d28_a_loop_that_does_not_answer_is_named_until_it_answers() {
    let within = Duration::from_secs(1);
    let status = Status::new();
    status.answer_within(within);
    let component = status.component("edge");
    let pulses = ["edge-0", "edge-1"].map(|name| component.pulse(name));
    pulses.iter().for_each(Pulse::begin);
    for _ in 0..20 {
        status.ask();
        pulses.iter().for_each(Pulse::answer);
    }
    assert_eq!(status.silent(), "");
    for _ in 0..=4 {
        status.ask();
        pulses[0].answer();
    }
    assert_eq!(status.silent(), "edge-1 has not answered for 1 s\n");
    assert!(pulses[1].is_asked());
    pulses[1].answer();
    status.ask();
    assert_eq!(status.silent(), "");
}

#[test]
fn d28_only_loops_that_turn_are_asked() {
    let status = Status::new();
    let component = status.component("worker");
    let [starts, ends] = ["a", "b"].map(|name| component.pulse(name));
    ends.begin();
    drop(ends);
    ask_for(&status, Duration::from_secs(60));
    assert_eq!(status.silent(), "");
    starts.begin();
    ask_for(&status, Duration::from_secs(60));
    assert!(status.silent().starts_with("a has not answered"));
}

#[tokio::test]
async fn d28_health_names_the_loop_that_hangs() {
    let status = Status::new();
    let (admin, _) = start(&status);
    let pulse = status.component("edge").pulse("edge-0");
    pulse.begin();
    assert_eq!(
        get_text(&admin, "/health").await,
        (200, "alive\n".to_owned())
    );
    ask_for(&status, Duration::from_secs(10));
    let (code, text) = get_text(&admin, "/health").await;
    assert_eq!((code, text.contains("edge-0")), (503, true), "{text}");
    let (code, report) = get_json(&admin, "/health").await;
    assert_eq!((code, &report["status"]), (503, &json!("unhealthy")));
    assert_eq!(report["loops"][0]["name"], "edge-0");
    assert_eq!(report["loops"][0]["state"], "hangs");
}

/// A client opens connections again and again, more than the queue of the socket has space for. None sends a request.
#[tokio::test]
async fn d28_connections_without_requests_keep_no_probe_waiting() {
    let (admin, _) = start(&Status::new());
    let mut idle = Vec::new();
    for _ in 0..10 {
        for _ in 0..connections::MAX_CONNECTIONS {
            idle.push(TcpStream::connect(admin.address()).await.unwrap());
        }
        let probed = tokio::time::timeout(SHORT_HEAD_TIMEOUT, get(&admin, "/health")).await;
        assert_eq!(probed.expect("an answer").0, 200);
    }
}
