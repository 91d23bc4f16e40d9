//! A server of HTTP that behaves as its paths say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use grandstand_harness::process::PATIENCE;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// A request that was received.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Received {
    pub(super) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }
}

/// The server. It ends when it is dropped.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    /// Whether `/held` answers, and `/sick` is well.
    open: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let (open, is_open) = watch::channel(false);
        let all = Arc::clone(&received);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Its client may hang up.
                tokio::spawn(serve(stream, Arc::clone(&all), is_open.clone()));
            }
        });
        Self {
            address,
            received,
            open,
            task,
        }
    }

    /// The address of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Lets `/held` answer, and makes `/sick` well.
    pub(super) fn open(&self) {
        self.open.send_replace(true);
    }

    /// The requests of a path so far.
    pub(super) fn of(&self, path: &str) -> Vec<Received> {
        let received = self.received.lock();
        let of_path = received.iter().filter(|request| request.path == path);
        of_path.cloned().collect()
    }

    /// Waits until a path has had this many requests.
    pub(super) async fn until(&self, path: &str, count: usize) -> Vec<Received> {
        let reached = async {
            while self.of(path).len() < count {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let reached = timeout(PATIENCE, reached).await;
        let found = self.of(path);
        assert!(reached.is_ok(), "{path}: {found:?}");
        found
    }
}

async fn serve(
    stream: TcpStream,
    all: Arc<Mutex<Vec<Received>>>,
    mut is_open: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim().split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or("0", String::as_str);
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).await?;
        let body = String::from_utf8(body).unwrap();
        all.lock().push(Received {
            path: path.clone(),
            headers,
            body,
        });
        let answer = match path.as_str() {
            "/ok" => answer(200, "", r#"{"paid":7}"#),
            "/empty" => answer(204, "", ""),
            "/text" => answer(200, "", "hello"),
            "/loop" => answer(307, "location: /loop\r\n", ""),
            "/away" => answer(302, "location: http://127.0.0.1:1/\r\n", ""),
            "/gone" => answer(410, "", ""),
            "/missing" => answer(404, "", ""),
            "/sick" if !*is_open.borrow() => answer(500, "", ""),
            "/sick" => answer(200, "", ""),
            "/held" => {
                is_open.wait_for(|open| *open).await.ok();
                answer(200, "", r#"{"paid":7}"#)
            }
            "/cut" => {
                let begin = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"half\":";
                return stream.write_all(begin.as_bytes()).await;
            }
            "/huge" => {
                let begin = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n";
                stream.write_all(begin.as_bytes()).await?;
                loop {
                    stream.write_all(&[b'x'; 4096]).await?;
                }
            }
            _ => return std::future::pending().await,
        };
        stream.write_all(answer.as_bytes()).await?;
    }
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} As told\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}
