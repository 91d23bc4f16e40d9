use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::exit::Exit;
use crate::process::metrics::Build;

fn start(status: &Status) -> (Admin, Counter) {
    let mut registry = metrics::registry(Build {
        service: "test",
        version: "1",
    });
    let counter = Counter::default();
    registry.register("things", "Things", counter.clone());
    let any = ([127, 0, 0, 1], 0).into();
    let admin = Admin::start("admin.listen", any, status.clone(), registry).unwrap();
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

#[tokio::test]
async fn readiness_follows_the_components() {
    let status = Status::new();
    let (admin, _) = start(&status);
    assert_eq!(get(&admin, "/ready").await, (503, String::new()));
    let edge = status.component("edge");
    let worker = status.component("worker");
    edge.set(Phase::Starting("connecting to NATS".into()));
    worker.set(Phase::Ready);
    let told = "edge: starting (connecting to NATS)\nworker: ready\n".to_owned();
    assert_eq!(get(&admin, "/ready").await, (503, told.clone()));
    assert_eq!(get(&admin, "/startup").await, (503, told));
    assert_eq!(get(&admin, "/health").await.0, 200);

    edge.set(Phase::Ready);
    let told = "edge: ready\nworker: ready\n".to_owned();
    assert_eq!(get(&admin, "/ready").await, (200, told.clone()));
    assert_eq!(get(&admin, "/startup").await, (200, told));

    edge.set(Phase::Draining);
    worker.set(Phase::Unready("no lease".into()));
    let told = "edge: draining\nworker: not ready (no lease)\n".to_owned();
    assert_eq!(get(&admin, "/ready").await, (503, told));
    assert_eq!(get(&admin, "/startup").await.0, 200);
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

#[test]
fn a_port_in_use_is_reported_with_its_address_and_key() {
    let (first, _) = start(&Status::new());
    let address = first.address();
    let registry = Registry::default();
    let error = Admin::start("admin.listen", address, Status::new(), registry).unwrap_err();
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
    let again = Admin::start("admin.listen", address, Status::new(), registry).unwrap();
    assert_eq!(again.address(), address);
}
