//! A WebSocket to a front.

use std::path::Path;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use grandstand_common::authorities;
use grandstand_common::exit::{Exit, Failure};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};

use super::target::Target;

/// The subprotocol of JSON.
const PROTOCOL: &str = "grandstand.v1.json";

/// The most bytes of an HTTP answer that an error shows.
const SHOWN_BYTES: usize = 200;

/// A connection, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// The credentials of a client.
#[derive(Debug, Clone)]
pub(super) enum Credentials {
    /// A token.
    Token(String),
    /// A name, which only `grandstand dev` believes.
    Name(String),
    /// None: the front must admit spectators without a token.
    Nothing,
}

/// An open WebSocket.
pub(super) struct Socket(WebSocketStream<Box<dyn Stream>>);

/// A message over a WebSocket, or its end.
#[derive(Debug)]
pub(super) enum Received {
    /// A message in JSON.
    Message(Value),
    /// The end of the connection, in words.
    End(String),
}

/// TLS to a front. `authorities` is a PEM file with the certificates to trust instead of the system's.
pub(super) fn tls(file: Option<&Path>) -> Result<TlsConnector, Failure> {
    let roots = match file {
        None => authorities::of_system(),
        Some(path) => authorities::of_file(path).map_err(|why| {
            let path = path.display();
            let text = format!(
                "--ca-file {path} cannot be used: {why}; it must be a PEM file with `BEGIN CERTIFICATE`"
            );
            Failure::new(Exit::NoInput, text)
        })?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| Failure::new(Exit::Internal, format!("TLS cannot be set up: {why}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Socket {
    /// Connects. The error says what is wrong.
    pub(super) async fn open(
        target: &Target,
        tls: Option<&TlsConnector>,
        credentials: &Credentials,
    ) -> Result<Self, String> {
        let (host, port) = (target.host(), target.port());
        let stream = TcpStream::connect((host, port)).await;
        let stream = stream.map_err(|why| {
            format!(
                "cannot connect to {host}:{port}: {why}; is the front running, and is the address right?"
            )
        })?;
        // Each message waits for the answer to the one before.
        stream.set_nodelay(true).ok();
        let stream: Box<dyn Stream> = match tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::try_from(host.to_owned())
                    .map_err(|why| format!("{host} cannot be the name of a certificate: {why}"))?;
                let secured = tls.connect(name, stream).await;
                Box::new(secured.map_err(|why| {
                    format!("{host}:{port} cannot be reached over TLS: {why}; --ca-file names the authority to trust")
                })?)
            }
        };
        let player = match credentials {
            Credentials::Name(player) => Some(player.as_str()),
            Credentials::Token(_) | Credentials::Nothing => None,
        };
        let request = target.request(player).into_client_request();
        let mut request = request.map_err(|why| format!("{target} cannot be requested: {why}"))?;
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(PROTOCOL));
        if let Credentials::Token(token) = credentials {
            let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
            let bearer = bearer.map_err(|_| "the token has characters that no header can have")?;
            headers.insert("authorization", bearer);
        }
        let opened = tokio_tungstenite::client_async(request, stream).await;
        let (socket, _) = opened.map_err(|why| refused(target, &why))?;
        Ok(Self(socket))
    }

    /// Sends a message.
    pub(super) async fn send(&mut self, message: &Value) -> Result<(), String> {
        let sent = self.0.send(Message::text(message.to_string())).await;
        sent.map_err(|why| format!("the connection is lost: {why}"))
    }

    /// Waits for the next message.
    pub(super) async fn next(&mut self) -> Received {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                    Ok(message) => return Received::Message(message),
                    Err(why) => return Received::End(format!("a message is not JSON: {why}")),
                },
                Some(Ok(Message::Close(Some(frame)))) => {
                    let (code, reason) = (u16::from(frame.code), frame.reason);
                    return Received::End(format!(
                        "the front closes the connection with {code} {reason}"
                    ));
                }
                Some(Ok(Message::Close(None))) | None => {
                    return Received::End("the front closes the connection".to_owned());
                }
                Some(Ok(_)) => {}
                Some(Err(why)) => return Received::End(format!("the connection is lost: {why}")),
            }
        }
    }

    /// Closes the connection. That this fails does not matter.
    pub(super) async fn close(&mut self) {
        self.0.close(None).await.ok();
    }
}

/// The words about a handshake that failed.
fn refused(target: &Target, why: &tungstenite::Error) -> String {
    let is_edge =
        "is this the address for clients of an edge, or of a proxy that passes WebSockets on?";
    match why {
        tungstenite::Error::Http(response) => {
            let status = response.status();
            let body = response.body().as_deref().unwrap_or_default();
            let body: Value = serde_json::from_slice(body).unwrap_or_else(|_| {
                let shown = &body[..body.len().min(SHOWN_BYTES)];
                let text = String::from_utf8_lossy(shown);
                text.lines().next().unwrap_or_default().trim().into()
            });
            let words = body["message"].as_str().or(body.as_str());
            match words.filter(|words| !words.is_empty()) {
                Some(words) => {
                    format!("{target} answers the handshake with {status}: {words}; {is_edge}")
                }
                None => format!("{target} answers the handshake with {status}; {is_edge}"),
            }
        }
        why => format!("{target} does not speak WebSocket: {why}; {is_edge}"),
    }
}
