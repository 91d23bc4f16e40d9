//! Requests to the admin port of a process.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::process::{PATIENCE, Process, get};

/// Sends a request (method and path) with these header lines. Returns status and body.
///
/// # Panics
/// If the process does not answer, or with something else than JSON.
pub async fn ask(
    admin: SocketAddr,
    request: &str,
    headers: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let kind = if body.is_empty() {
        ""
    } else {
        "content-type: application/json\r\n"
    };
    let text = format!(
        "{request} HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\ncontent-length: {}\r\n{kind}{headers}\r\n{body}",
        body.len()
    );
    let answer = exchange(admin, &text).await;
    let answer = answer.unwrap_or_else(|error| panic!("{request}: {error}"));
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let json = serde_json::from_str(body).unwrap_or(Value::Null);
    assert!(body.is_empty() || json != Value::Null, "{request}: {body}");
    (status.expect("an answer has a status"), json)
}

/// Sends the text of a request, and returns that of the answer.
///
/// # Errors
/// If the connection fails.
pub async fn exchange(address: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Waits until `/ready` of a process has this status, and returns its text.
///
/// # Panics
/// If it has not in time.
pub async fn until_ready_is(process: &Process, status: u16) -> String {
    // A process tries its permissions every 30 s.
    let deadline = Instant::now() + 2 * PATIENCE;
    loop {
        match get(process.admin(), "/ready?format=text").await {
            Some((found, text)) if found == status => return text,
            found => assert!(Instant::now() < deadline, "{status}: {found:?}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}
