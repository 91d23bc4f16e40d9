//! Clients over QUIC and over WebSocket that watch a room and count its live messages.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use grandstand_common::envelope::Role;
use grandstand_harness::site::token;
use memchr::memmem::{self, Finder};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, SendStream};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use crate::error::BenchError;

/// The room that all watch.
pub(super) const ROOM: &str = "relay-bench";

/// The seconds for which tokens are valid.
const VALID_S: u64 = 3600;

/// The bytes with which a live message of a small room begins, after its header.
const LIVE: &[u8] = br#"{"type":"live""#;

/// The transport of a viewer, and of its live messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    WebSocket,
    QuicStream,
    QuicDatagrams,
}

impl Transport {
    pub(super) const ALL: [Self; 3] = [Self::WebSocket, Self::QuicStream, Self::QuicDatagrams];

    /// The name in figures.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::QuicStream => "quic_stream",
            Self::QuicDatagrams => "quic_datagrams",
        }
    }
}

fn failed(error: impl ToString) -> BenchError {
    BenchError::Failed(error.to_string())
}

fn token_of(player: &str, role: Role) -> String {
    token(player, VALID_S, &[("*", role)])
}

/// Text as one frame that is not masked.
fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 126];
    match text.len() {
        0..126 => frame[1] = text.len() as u8,
        len => frame.extend_from_slice(&(len as u16).to_be_bytes()),
    }
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// Clients over QUIC, all with one socket.
#[derive(Debug, Clone)]
pub(super) struct Clients {
    endpoint: Endpoint,
    to: SocketAddr,
}

impl Clients {
    pub(super) fn new(
        to: SocketAddr,
        trusted: CertificateDer<'static>,
    ) -> Result<Self, BenchError> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted).map_err(failed)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(failed)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"grandstand/1".to_vec()];
        let crypto = QuicClientConfig::try_from(config).map_err(failed)?;
        let mut endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).map_err(failed)?;
        endpoint.set_default_client_config(ClientConfig::new(Arc::new(crypto)));
        Ok(Self { endpoint, to })
    }

    /// Connects a client, and waits for `welcome`.
    pub(super) async fn connect(&self, player: &str, role: Role) -> Result<Client, BenchError> {
        let connecting = self
            .endpoint
            .connect(self.to, "localhost")
            .map_err(failed)?;
        let connection = connecting.await.map_err(failed)?;
        let (mut sender, receiver) = connection.open_bi().await.map_err(failed)?;
        let auth = format!(r#"{{"type":"auth","token":"{}"}}"#, token_of(player, role));
        sender.write_all(&frame(&auth)).await.map_err(failed)?;
        let mut client = Client {
            connection,
            sender,
            receiver,
            buffer: Vec::new(),
        };
        client.read_until(br#""welcome""#).await?;
        Ok(client)
    }
}

/// A client over QUIC.
#[derive(Debug)]
pub(super) struct Client {
    connection: Connection,
    sender: SendStream,
    receiver: quinn::RecvStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Sends a message.
    pub(super) async fn send(&mut self, text: &str) -> Result<(), BenchError> {
        self.sender.write_all(&frame(text)).await.map_err(failed)
    }

    /// Joins the room, and waits for its snapshot.
    pub(super) async fn join(&mut self, datagrams: bool) -> Result<(), BenchError> {
        let join = format!(r#"{{"type":"join","room":"{ROOM}","datagrams":{datagrams}}}"#);
        self.send(&join).await?;
        self.read_until(br#""snapshot""#).await
    }

    async fn read_until(&mut self, part: &[u8]) -> Result<(), BenchError> {
        self.buffer.clear();
        loop {
            let chunk = self.receiver.read_chunk(4096, true).await.map_err(failed)?;
            let chunk = chunk.ok_or_else(|| failed("the edge has closed a connection"))?;
            self.buffer.extend_from_slice(&chunk.bytes);
            if memmem::find(&self.buffer, part).is_some() {
                return Ok(());
            }
        }
    }

    /// Counts the live messages that arrive from now on.
    pub(super) fn count(self, seen: Arc<AtomicU64>) -> JoinHandle<()> {
        let Self {
            connection,
            sender,
            mut receiver,
            ..
        } = self;
        tokio::spawn(async move {
            // Dropping it would end the stream.
            let _sender = sender;
            let live = Finder::new(LIVE);
            loop {
                tokio::select! {
                    datagram = connection.read_datagram() => match datagram {
                        Ok(datagram) => add(&seen, live.find_iter(&datagram).count()),
                        Err(_) => return,
                    },
                    chunk = receiver.read_chunk(64 << 10, true) => match chunk {
                        Ok(Some(chunk)) => add(&seen, live.find_iter(&chunk.bytes).count()),
                        _ => return,
                    },
                }
            }
        })
    }
}

fn add(seen: &AtomicU64, count: usize) {
    seen.fetch_add(count as u64, Ordering::Relaxed);
}

/// Connects a spectator over a WebSocket, and counts the live messages that arrive.
pub(super) async fn watch_websocket(
    to: SocketAddr,
    player: &str,
    seen: Arc<AtomicU64>,
) -> Result<JoinHandle<()>, BenchError> {
    let token = token_of(player, Role::Spectator);
    let url = format!("ws://{to}/v1/ws?token={token}");
    let (mut socket, _) = tokio_tungstenite::connect_async(url)
        .await
        .map_err(failed)?;
    let join = format!(r#"{{"type":"join","room":"{ROOM}"}}"#);
    futures_util::SinkExt::send(&mut socket, Message::text(join))
        .await
        .map_err(failed)?;
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) if text.contains(r#""snapshot""#) => break,
            Some(Ok(_)) => {}
            _ => return Err(failed("the edge has closed a connection")),
        }
    }
    Ok(tokio::spawn(async move {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(text) = message {
                add(&seen, usize::from(text.as_bytes().starts_with(LIVE)));
            }
        }
    }))
}
