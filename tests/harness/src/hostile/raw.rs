//! A connection of a hostile client: bytes out, and what comes back.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::end::End;
use super::frames::{self, ServerFrame};

/// The receive buffer of a client that reads little.
const SMALL: u32 = 4096;

/// A connection.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) socket: TcpStream,
    /// Bytes that were read and are not used yet.
    read: Vec<u8>,
}

/// A request to open a WebSocket, without the empty line at its end.
pub(super) fn request(token: &str, extra: &str) -> String {
    format!(
        "GET /v1/ws HTTP/1.1\r\nHost: edge\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {token}\r\n{extra}"
    )
}

impl Raw {
    /// Connects from an address of this machine. `small`: with a small receive buffer.
    pub(super) async fn connect(to: SocketAddr, from: Ipv4Addr, small: bool) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if small {
            socket.set_recv_buffer_size(SMALL)?;
        }
        socket.bind(SocketAddr::from((from, 0)))?;
        let socket = socket.connect(to).await?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            read: Vec::new(),
        })
    }

    /// Opens a WebSocket. The error is how the edge refused it.
    pub(super) async fn upgrade(&mut self, token: &str, extra: &str) -> Result<(), End> {
        let request = request(token, extra) + "\r\n";
        let written = self.socket.write_all(request.as_bytes()).await;
        written.map_err(|_| End::Closed)?;
        match self.status().await {
            End::Status(101) => Ok(()),
            refused => Err(refused),
        }
    }

    /// Reads the head of the answer to a request.
    pub(super) async fn status(&mut self) -> End {
        loop {
            if let Some(end) = self.read.windows(4).position(|at| at == b"\r\n\r\n") {
                let status = self.read.get(9..12).map(String::from_utf8_lossy);
                let status = status.and_then(|text| text.parse().ok());
                self.read.drain(..end + 4);
                return End::Status(status.unwrap_or(0));
            }
            if !self.more().await {
                return End::Closed;
            }
        }
    }

    /// Reads until these bytes have come. Returns whether they have.
    pub(super) async fn until(&mut self, text: &[u8]) -> bool {
        while !self.read.windows(text.len()).any(|at| at == text) {
            if !self.more().await {
                return false;
            }
        }
        true
    }

    /// Reads more bytes. Returns whether the connection is still open.
    async fn more(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        match self.socket.read(&mut buffer).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                true
            }
        }
    }

    /// Reads until the edge ends the connection. Pings are answered only if `polite`.
    pub(super) async fn end(&mut self, polite: bool) -> End {
        loop {
            while let Some(frame) = frames::take(&mut self.read) {
                match frame {
                    ServerFrame::Close(code) => return End::Code(code),
                    ServerFrame::Ping(payload) if polite => {
                        self.socket.write_all(&frames::pong(&payload)).await.ok();
                    }
                    ServerFrame::Ping(_) | ServerFrame::Other => {}
                }
            }
            if !self.more().await {
                return End::Closed;
            }
        }
    }

    /// Writes what `next` returns, forever, and reads meanwhile. Returns how the edge ends the connection.
    pub(super) async fn flood(&mut self, mut next: impl FnMut() -> Vec<u8>) -> End {
        let Self { socket, read } = self;
        let (mut input, mut output) = socket.split();
        let writing = async {
            while output.write_all(&next()).await.is_ok() {
                tokio::task::yield_now().await;
            }
            // Its end is what the edge has written.
            std::future::pending::<()>().await;
        };
        let reading = async {
            let mut buffer = vec![0; 64 << 10];
            loop {
                while let Some(frame) = frames::take(read) {
                    if let ServerFrame::Close(code) = frame {
                        return End::Code(code);
                    }
                }
                match input.read(&mut buffer).await {
                    Ok(0) | Err(_) => return End::Closed,
                    Ok(count) => read.extend_from_slice(&buffer[..count]),
                }
            }
        };
        tokio::select! {
            () = writing => End::Closed,
            end = reading => end,
        }
    }
}
