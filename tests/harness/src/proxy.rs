//! A TCP proxy between one process and NATS that simulates network failures.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// The state of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Forwards all bytes.
    Passes,
    /// Forwards nothing and gives no sign of it: connections stay open and new ones are accepted.
    Swallows,
    /// Closes all connections, new ones too.
    Cut,
}

/// The subject of the messages to lose and the number left. The proxy drops whole messages of NATS' protocol, so that
/// the connection stays valid.
type Losses = Arc<watch::Sender<(String, u32)>>;

/// A proxy on its own port. It ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    losses: Losses,
    task: AbortHandle,
}

impl Proxy {
    /// Starts a proxy that forwards connections to `to`.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("the proxy can listen on the loopback");
        let address = listener.local_addr().expect("the listener has an address");
        let (mode, modes) = watch::channel(Mode::Passes);
        let losses = Losses::default();
        let lost = losses.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, to, modes.clone(), lost.clone()));
            }
        });
        Self {
            address,
            mode,
            losses,
            task: task.abort_handle(),
        }
    }

    /// The URL to use instead of NATS' own.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Closes all connections and every new one.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Stops forwarding but keeps connections open.
    pub fn swallow(&self) {
        self.mode.send_replace(Mode::Swallows);
    }

    /// Drops the next message with this subject that is for the client, and nothing else.
    pub fn lose(&self, subject: &str) {
        self.losses.send_replace((subject.to_owned(), 1));
    }

    /// Whether the message to lose has been dropped.
    pub fn has_lost(&self) -> bool {
        self.losses.borrow().1 == 0
    }

    /// Forwards again, the bytes that were held up first.
    pub fn heal(&self) {
        self.mode.send_replace(Mode::Passes);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn carry(client: TcpStream, to: SocketAddr, mut mode: watch::Receiver<Mode>, losses: Losses) {
    // A connection that comes while nothing is forwarded waits.
    let Ok(now) = mode
        .wait_for(|mode| *mode != Mode::Swallows)
        .await
        .map(|mode| *mode)
    else {
        return;
    };
    if now == Mode::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(to).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pump(from_client, to_server, mode.clone(), None) => {}
        () = pump(from_server, to_client, mode.clone(), Some(losses)) => {}
        _ = mode.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

async fn pump(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
    losses: Option<Losses>,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut sieve = losses.map(Sieve::new);
    loop {
        let Ok(read) = from.read(&mut buffer).await else {
            return;
        };
        // The end of a connection is held up, too.
        let passes = mode.wait_for(|mode| *mode == Mode::Passes).await.is_ok();
        if !passes || read == 0 {
            return;
        }
        let written = match &mut sieve {
            Some(sieve) => to.write_all(&sieve.pass(&buffer[..read])).await,
            None => to.write_all(&buffer[..read]).await,
        };
        if written.is_err() {
            return;
        }
    }
}

/// Removes messages from a NATS server's stream of operations.
struct Sieve {
    losses: Losses,
    /// The beginning of an operation that is not complete yet.
    rest: Vec<u8>,
}

impl Sieve {
    fn new(losses: Losses) -> Self {
        let rest = Vec::new();
        Self { losses, rest }
    }

    /// Returns the bytes to forward to the client.
    fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.rest.extend_from_slice(bytes);
        let mut passed = Vec::new();
        let mut at = 0;
        while let Some(len) = operation(&self.rest[at..]) {
            let whole = &self.rest[at..at + len];
            if !self.loses(whole) {
                passed.extend_from_slice(whole);
            }
            at += len;
        }
        self.rest.drain(..at);
        passed
    }

    fn loses(&self, operation: &[u8]) -> bool {
        let Some(subject) = words(operation).and_then(|words| message(&words)) else {
            return false;
        };
        self.losses.send_if_modified(|(wanted, more)| {
            let is_it = wanted.as_str() == subject && *more > 0;
            *more -= u32::from(is_it);
            is_it
        })
    }
}

/// Returns the words of an operation's first line, if that line is complete.
fn words(bytes: &[u8]) -> Option<Vec<&str>> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    let line = std::str::from_utf8(&bytes[..end]).ok()?;
    Some(line.split(' ').collect())
}

/// Returns the subject of a message operation; `None` for other operations.
fn message<'a>(words: &[&'a str]) -> Option<&'a str> {
    matches!(words.first(), Some(&"MSG" | &"HMSG")).then(|| words.get(1).copied())?
}

/// Returns the length of the first operation, if it is complete.
fn operation(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|two| two == b"\r\n")? + 2;
    let words = words(bytes).unwrap_or_default();
    let payload = match message(&words) {
        Some(_) => words.last()?.parse::<usize>().ok()? + 2,
        None => 0,
    };
    (bytes.len() >= line + payload).then_some(line + payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_of_a_subject_is_lost_however_the_stream_is_split() {
        let all =
            "INFO {}\r\nMSG a 1 3\r\nabc\r\nHMSG b 2 r 2 4\r\nhh\r\n\r\nMSG b 2 0\r\n\r\nPING\r\n";
        let left = "INFO {}\r\nMSG a 1 3\r\nabc\r\nMSG b 2 0\r\n\r\nPING\r\n";
        for piece in [1, 7, all.len()] {
            let losses = Losses::default();
            losses.send_replace(("b".to_owned(), 1));
            let mut sieve = Sieve::new(losses);
            let pieces = all.as_bytes().chunks(piece);
            let passed: Vec<u8> = pieces.flat_map(|bytes| sieve.pass(bytes)).collect();
            assert_eq!(String::from_utf8(passed).unwrap(), left, "{piece}");
        }
    }
}
