//! A shard with real sockets on the test's own thread, and a handler that records its calls.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use grandstand_common::error::ErrorKind;
use grandstand_common::supervisor::Supervisor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::conn::key::ConnKey;
use crate::conn::transport::Transport;
use crate::server::Server;
use crate::server::backend::ApiBackend;
use crate::server::connections::Connections;
use crate::server::context::ServerOptions;
use crate::server::echo::EchoHandler;
use crate::server::handler::{CloseReason, ConnectInfo, Handler};
use crate::server::listen::{ListenOptions, Listener, ListenerEnd, bind};
use crate::server::metrics::ServerMetrics;
use crate::server::routes::{Page, Route, RouteLimits, Routes};
use crate::server::tls::Tls;
use crate::websocket::deflate::DeflateOptions;
use crate::websocket::frame::frame_len;
use crate::websocket::frame::{Message, MessageKind};

/// The most time that a test waits for a condition.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A request that opens a WebSocket at `/v1/ws`, without the empty line at its end.
pub(crate) const UPGRADE: &str = "GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, \
     Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A call of the recording handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Open(ConnKey, ConnectInfo),
    Message(ConnKey, MessageKind, Vec<u8>),
    TooBig(ConnKey, Vec<u8>),
    Drained(ConnKey),
    Closed(ConnKey, CloseReason),
}

#[derive(Default)]
struct Recorder {
    told: RefCell<VecDeque<Told>>,
    /// The connections that every message pauses, if set.
    pausing: RefCell<Option<Connections>>,
    /// The connections of which one is closed after `frames_left` frames that are not messages, if set.
    closing: RefCell<Option<Connections>>,
    frames_left: Cell<u32>,
}

impl Handler for Recorder {
    fn open(&self, conn: ConnKey, info: ConnectInfo, _: Instant) {
        self.told.borrow_mut().push_back(Told::Open(conn, info));
    }
    fn message(&self, conn: ConnKey, message: Message<'_>, _: Instant) {
        let (kind, payload) = match message {
            Message::Text(text) => (MessageKind::Text, text.as_bytes()),
            Message::Binary(bytes) => (MessageKind::Binary, bytes),
        };
        let told = Told::Message(conn, kind, payload.to_vec());
        self.told.borrow_mut().push_back(told);
        if let Some(conns) = self.pausing.borrow_mut().as_mut() {
            conns.pause(conn, true);
        }
    }
    fn too_big(&self, conn: ConnKey, start: &[u8], _: Instant) {
        let told = Told::TooBig(conn, start.to_vec());
        self.told.borrow_mut().push_back(told);
    }
    fn frames(&self, conn: ConnKey, count: u32, _: Instant) {
        let left = self.frames_left.get().saturating_sub(count);
        self.frames_left.set(left);
        if left == 0
            && let Some(conns) = self.closing.borrow_mut().as_mut()
        {
            conns.close(conn, ErrorKind::RateLimited);
        }
    }
    fn drained(&self, conn: ConnKey, _: Instant) {
        self.told.borrow_mut().push_back(Told::Drained(conn));
    }
    fn closed(&self, conn: ConnKey, why: CloseReason, _: Instant) {
        self.told.borrow_mut().push_back(Told::Closed(conn, why));
    }
}

/// A shard under test.
pub(crate) struct Rig {
    pub(crate) server: Server,
    pub(crate) conns: Connections,
    pub(crate) addr: SocketAddr,
    /// A copy of the listening socket.
    pub(crate) copy: std::net::TcpListener,
    /// Ends the listener. Closed once it has ended.
    pub(crate) end: watch::Sender<Option<ListenerEnd>>,
    recorder: Rc<Recorder>,
}

/// The settings of a [`Rig`].
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) options: ServerOptions,
    pub(crate) heartbeat: Duration,
    pub(crate) addr: &'static str,
    pub(crate) tls: Option<Tls>,
    pub(crate) is_proxied: bool,
    pub(crate) api: Option<Rc<dyn ApiBackend>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            options: ServerOptions::default(),
            heartbeat: Duration::from_secs(25),
            addr: "127.0.0.1:0",
            tls: None,
            is_proxied: false,
            api: None,
        }
    }
}

/// Runs a test on a shard with `/v1/ws` (64 KiB messages, 64 KiB outbox), `/v1/echo` and a page at `/`.
pub(crate) fn run(setup: Setup, test: impl AsyncFnOnce(Rig)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let conns = Connections::new(setup.heartbeat).unwrap();
        let recorder = Rc::new(Recorder::default());
        let routes = vec![
            Route {
                path: "/v1/ws",
                handler: recorder.clone(),
                limits: Cell::new(RouteLimits {
                    message_bytes: 64 << 10,
                    outbox_bytes: 64 << 10,
                }),
            },
            Route {
                path: "/v1/echo",
                handler: Rc::new(EchoHandler::new(conns.clone(), DeflateOptions::default())),
                limits: Cell::new(RouteLimits {
                    message_bytes: EchoHandler::LIMIT,
                    outbox_bytes: EchoHandler::LIMIT,
                }),
            },
        ];
        let page = Page {
            content_type: "text/html; charset=utf-8",
            policy: "script-src 'self'".into(),
            body: Bytes::from_static(b"<p>hello"),
        };
        let pages = BTreeMap::from([("/", page)]);
        let routes = Routes {
            api: setup.api,
            ..Routes::new(routes, Arc::new(pages))
        };
        let metrics = ServerMetrics::default();
        let server = Server::new(
            setup.options,
            conns.clone(),
            metrics,
            routes,
            "edge-0-00000000".parse().unwrap(),
        );
        let mut options = ListenOptions::new(setup.addr.parse().unwrap());
        // A small buffer, so that the outbox of a client that does not read fills soon.
        options.send_buffer = Some(16 << 10);
        let listener = Listener {
            socket: bind(&options, 1).unwrap().remove(0),
            tls: setup.tls,
            is_proxied: setup.is_proxied,
        };
        let addr = listener.socket.local_addr().unwrap();
        let copy = listener.socket.try_clone().unwrap();
        let supervisor = Supervisor::default();
        server.start(&supervisor, Rc::default());
        let (end, ended) = watch::channel(None);
        supervisor.keep_local("accept", server.accept(listener, &supervisor, ended));
        let rig = Rig {
            server,
            conns,
            addr,
            copy,
            end,
            recorder,
        };
        tokio::time::timeout(PATIENCE * 3, test(rig)).await.unwrap();
    });
}

impl Rig {
    /// Opens a TCP connection.
    pub(crate) async fn connect(&self) -> Peer {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(self.addr),
            socket2::Type::STREAM,
            None,
        )
        .unwrap();
        socket.set_recv_buffer_size(16 << 10).unwrap();
        socket.connect(&self.addr.into()).unwrap();
        socket.set_nonblocking(true).unwrap();
        Peer(TcpStream::from_std(socket.into()).unwrap())
    }

    /// Opens a WebSocket at `/v1/ws`.
    pub(crate) async fn open(&self) -> (Peer, ConnKey) {
        let mut peer = self.connect().await;
        peer.write(&format!("{UPGRADE}\r\n")).await;
        let head = peer.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        match self.told().await {
            Told::Open(conn, _) => (peer, conn),
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the handler's next call.
    pub(crate) async fn told(&self) -> Told {
        self.until(|| self.try_told()).await
    }

    /// The handler's next call, if it has happened.
    pub(crate) fn try_told(&self) -> Option<Told> {
        self.recorder.told.borrow_mut().pop_front()
    }

    /// Waits until `poll` returns a value.
    pub(crate) async fn until<T>(&self, mut poll: impl FnMut() -> Option<T>) -> T {
        let wait = async {
            loop {
                match poll() {
                    Some(found) => return found,
                    None => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .expect("the awaited condition did not occur in time")
    }

    /// Makes the handler close a connection (4029) after `count` frames that are not messages.
    pub(crate) fn close_after_frames(&self, count: u32) {
        self.recorder.frames_left.set(count);
        *self.recorder.closing.borrow_mut() = Some(self.conns.clone());
    }

    /// Makes the handler pause a connection at every message.
    pub(crate) fn pause_at_messages(&self) {
        *self.recorder.pausing.borrow_mut() = Some(self.conns.clone());
    }
}

/// A client's socket.
pub(crate) struct Peer(pub(crate) TcpStream);

impl Peer {
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends a frame of up to 125 bytes, masked with zeros.
    pub(crate) async fn frame(&mut self, first: u8, payload: &[u8]) {
        let mut bytes = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        bytes.extend_from_slice(payload);
        self.write(bytes).await;
    }

    async fn byte(&mut self) -> Option<u8> {
        let read = tokio::time::timeout(PATIENCE, self.0.read_u8()).await;
        read.expect("no byte arrived in time").ok()
    }

    /// Reads an HTTP response's head.
    pub(crate) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte().await.expect("the stream ended inside the head"));
        }
        String::from_utf8(head).unwrap()
    }

    /// Reads an HTTP response: the head in lower case, and the body.
    pub(crate) async fn response(&mut self) -> (String, String) {
        let head = self.head().await.to_lowercase();
        let length = head
            .lines()
            .find_map(|l| l.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |l| l.parse().unwrap())];
        self.0.read_exact(&mut body).await.unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    /// Reads text of this length.
    pub(crate) async fn read(&mut self, count: usize) -> String {
        let mut bytes = Vec::new();
        for _ in 0..count {
            bytes.push(self.byte().await.expect("the stream ended too soon"));
        }
        String::from_utf8(bytes).unwrap()
    }

    /// Reads the next server frame: its first byte and its payload. `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut bytes = vec![self.byte().await?];
        let len = loop {
            match frame_len(&bytes) {
                Some(len) => break len,
                None => bytes.push(self.byte().await.expect("the stream ended inside a frame")),
            }
        };
        let header = bytes.len();
        bytes.resize(len, 0);
        self.0.read_exact(&mut bytes[header..]).await.unwrap();
        Some((bytes[0], bytes.split_off(header)))
    }

    /// Reads to the end of the stream.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let read = self.0.read_to_end(&mut rest);
        let read = tokio::time::timeout(PATIENCE, read).await;
        read.expect("the stream did not end in time").unwrap();
        rest
    }
}
