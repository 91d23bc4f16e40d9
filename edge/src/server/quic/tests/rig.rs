//! Clients over QUIC that are not ours: quinn.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::supervisor::Supervisor;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, RecvStream, SendStream, VarInt};
use rustls::pki_types::CertificateDer;
use rustls::version;
use tokio::sync::oneshot;

use crate::server::Server;
use crate::server::connections::Connections;
use crate::server::context::ServerOptions;
use crate::server::echo::EchoHandler;
use crate::server::handshakes::HandshakeLimits;
use crate::server::metrics::ServerMetrics;
use crate::server::quic::{
    Handover, NATIVE, Outlet, QuicListener, QuicOptions, Status, UdpOptions, UdpPort,
};
use crate::server::routes::{Route, RouteLimits, Routes};
use crate::server::testing::{PATIENCE, Rig, Setup, run};
use crate::server::tls::Tls;
use crate::server::tls::tests::rig::{Folder, client, localhost};
use crate::websocket::deflate::DeflateOptions;
use crate::websocket::frame::{Opcode, frame_len, put_frame};

pub(super) const OPTIONS: QuicOptions = QuicOptions {
    idle: Duration::from_secs(60),
    send_window: 64 << 10,
    packets_per_s: 1000,
};

/// A shard that serves QUIC.
pub(super) struct Quic {
    pub(super) rig: Rig,
    pub(super) addr: SocketAddr,
    /// The socket, as another process has it.
    pub(super) copy: UdpSocket,
    /// The way to the shard for packets that another process has read.
    pub(super) outlet: Option<Outlet>,
    pub(super) status: Rc<Status>,
    pub(super) tls: Tls,
    pub(super) certificate: CertificateDer<'static>,
}

const UDP: UdpOptions = UdpOptions {
    addr: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
    exclusive: true,
    buffers: 256 << 10,
};

/// The shards of a process.
pub(super) fn listeners(tls: &Tls, port: UdpPort, sides: Vec<Handover>) -> Vec<QuicListener> {
    let sockets = port.deal(sides.len()).into_iter();
    let listener = |(sockets, handover)| {
        let (sender, receiver) = oneshot::channel();
        sender.send(sockets).unwrap();
        QuicListener {
            sockets: receiver,
            handover,
            tls: tls.clone(),
            options: OPTIONS,
        }
    };
    sockets.zip(sides).map(listener).collect()
}

/// The sockets of this many shards, and the shards.
pub(super) fn bind(tls: &Tls, shards: usize) -> (SocketAddr, Vec<QuicListener>) {
    let port = UdpPort::open(&UDP, shards).unwrap();
    let sides = Handover::between(shards, &[]);
    (port.addr(), listeners(tls, port, sides))
}

/// A shard whose clients get their messages back, on the running `LocalSet`.
pub(super) fn echo(supervisor: &Supervisor) -> Server {
    let conns = Connections::new(Duration::from_secs(25)).unwrap();
    let route = Route {
        path: "/v1/echo",
        handler: Rc::new(EchoHandler::new(conns.clone(), DeflateOptions::default())),
        limits: Cell::new(RouteLimits {
            message_bytes: EchoHandler::LIMIT,
            outbox_bytes: EchoHandler::LIMIT,
        }),
    };
    let routes = Routes::new(vec![route], Arc::new(BTreeMap::new()));
    let edge = "edge-0-00000000".parse().unwrap();
    let (options, metrics) = (ServerOptions::default(), ServerMetrics::default());
    let server = Server::new(options, conns, metrics, routes, edge);
    server.start(supervisor, Rc::default());
    server
}

/// The setup of a server with these limits of handshakes.
pub(super) fn with_handshakes(handshakes: HandshakeLimits) -> Setup {
    Setup {
        options: ServerOptions {
            handshakes,
            ..ServerOptions::default()
        },
        ..Setup::default()
    }
}

/// Runs a test on a shard that serves QUIC.
pub(super) fn with(setup: Setup, test: impl AsyncFnOnce(Quic)) {
    with_options(setup, OPTIONS, test);
}

/// Runs like [`with`], with other settings of QUIC.
pub(super) fn with_options(setup: Setup, options: QuicOptions, test: impl AsyncFnOnce(Quic)) {
    let folder = Folder::new();
    let (tls, certificate) = localhost(&folder);
    run(setup, async |rig| {
        let port = UdpPort::open(&UDP, 1).unwrap();
        let (addr, copy) = (port.addr(), port.sockets()[0].try_clone().unwrap());
        let mut sides = Handover::between(1, &[]);
        let outlet = Some(sides[0].open().unwrap());
        let listener = QuicListener {
            options,
            ..listeners(&tls, port, sides).remove(0)
        };
        let status = rig.server.serve_quic(listener, &Supervisor::default());
        let quic = Quic {
            rig,
            addr,
            copy,
            outlet,
            status,
            tls,
            certificate,
        };
        test(quic).await;
    });
}

/// A process that has taken the sockets of another one over: its shard.
pub(super) struct Next {
    pub(super) shard: Server,
    _supervisor: Supervisor,
}

impl Quic {
    /// Starts a process that has taken the sockets over and forwards packets to `earlier` ones.
    pub(super) fn next(&self, earlier: &[Outlet]) -> Next {
        let port = UdpPort::adopt(&UDP, vec![self.copy.try_clone().unwrap()]).unwrap();
        let listener = listeners(&self.tls, port, Handover::between(1, earlier)).remove(0);
        let supervisor = Supervisor::default();
        let shard = echo(&supervisor);
        shard.serve_quic(listener, &supervisor);
        Next {
            shard,
            _supervisor: supervisor,
        }
    }

    /// A client's settings, for a protocol.
    pub(super) fn config(&self, protocol: &[u8]) -> ClientConfig {
        self.config_of(vec![protocol.to_vec()])
    }

    fn config_of(&self, protocols: Vec<Vec<u8>>) -> ClientConfig {
        let mut config = client(std::slice::from_ref(&self.certificate), &[&version::TLS13]);
        config.alpn_protocols = protocols;
        ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()))
    }

    pub(super) async fn connect(&self, protocol: &[u8]) -> Result<Connection, ConnectionError> {
        let endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
        self.connect_from(&endpoint, protocol).await
    }

    /// Connects with an offer of many protocols.
    pub(super) async fn connect_with(
        &self,
        protocols: Vec<Vec<u8>>,
    ) -> Result<Connection, ConnectionError> {
        let endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
        let config = self.config_of(protocols);
        let connecting = endpoint.connect_with(config, self.addr, "localhost");
        connecting.unwrap().await
    }

    async fn connect_from(
        &self,
        endpoint: &Endpoint,
        protocol: &[u8],
    ) -> Result<Connection, ConnectionError> {
        let connecting = endpoint.connect_with(self.config(protocol), self.addr, "localhost");
        connecting.unwrap().await
    }

    /// Connects, and says who it is.
    pub(super) async fn open(&self) -> Peer {
        let endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
        let connection = self.connect_from(&endpoint, NATIVE).await.unwrap();
        let (sender, receiver) = connection.open_bi().await.unwrap();
        let mut peer = Peer {
            endpoint,
            connection,
            sender,
            receiver,
        };
        peer.send(0x81, br#"{"type":"auth","token":"secret"}"#)
            .await;
        peer
    }
}

/// A client with its stream.
pub(super) struct Peer {
    pub(super) endpoint: Endpoint,
    pub(super) connection: Connection,
    pub(super) sender: SendStream,
    pub(super) receiver: RecvStream,
}

impl Peer {
    /// Sends a frame.
    pub(super) async fn send(&mut self, first: u8, payload: &[u8]) {
        let mut frame = Vec::new();
        put_frame(&mut frame, Opcode::Text, payload);
        frame[0] = first;
        self.sender.write_all(&frame).await.unwrap();
    }

    /// Reads a frame: its first byte and its payload. `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut bytes = vec![0; 1];
        let first = self.receiver.read_exact(&mut bytes);
        let first = tokio::time::timeout(PATIENCE, first).await;
        first.expect("no byte arrived in time").ok()?;
        let len = loop {
            if let Some(len) = frame_len(&bytes) {
                break len;
            }
            let mut byte = [0];
            self.receiver.read_exact(&mut byte).await.unwrap();
            bytes.push(byte[0]);
        };
        let header = bytes.len();
        bytes.resize(len, 0);
        self.receiver
            .read_exact(&mut bytes[header..])
            .await
            .unwrap();
        Some((bytes[0], bytes.split_off(header)))
    }

    /// Moves to another address.
    pub(super) fn rebind(&self) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        self.endpoint.rebind(socket).unwrap();
    }

    /// Waits for the end of the connection. Returns the code and the reason with which the edge closed it.
    pub(super) async fn closed(&self) -> (u64, String) {
        closed(&self.connection).await
    }
}

/// Waits for the end of a connection. Returns the code and the reason with which the edge closed it.
pub(super) async fn closed(connection: &Connection) -> (u64, String) {
    let closed = tokio::time::timeout(PATIENCE, connection.closed()).await;
    match closed.expect("the connection did not end in time") {
        ConnectionError::ApplicationClosed(close) => {
            let reason = String::from_utf8(close.reason.to_vec()).unwrap();
            (VarInt::into_inner(close.error_code), reason)
        }
        other => panic!("{other:?}"),
    }
}
