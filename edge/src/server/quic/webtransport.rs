//! A WebTransport session over HTTP/3, until its stream is there. Performs no I/O but on the connection's streams.
//!
//! A client opens a session with an extended CONNECT (RFC 9220), and then one stream, which carries the frames. Of HTTP/3
//! (RFC 9114) only this much is served: no other requests, and no dynamic table of QPACK.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use hyper::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use hyper::{Request, StatusCode};
use quinn_proto::{Dir, StreamId};
use web_transport_proto::{
    Capsule, ConnectError, ConnectRequest, ConnectResponse, Frame, Settings, VarInt,
};

use crate::server::handler::ConnectInfo;
use crate::server::http::request::{self, Upgrade};
use crate::server::quic::link::Conn;

/// The path of sessions.
pub(super) const PATH: &str = "/v1/wt";

/// The bytes read at once.
const READ: usize = 2048;

/// The most requests before the one that opens a session. One byte then names the session in each datagram.
const MAX_REQUEST: u64 = 63;

/// The most streams that are kept, finished ones included: that of the request, that of the session, and some that were
/// tried.
const MAX_STREAMS: usize = 8;

/// A session whose stream is not there yet.
#[derive(Debug, Default)]
pub(super) struct WebTransport {
    /// The streams that the client has opened, with what has arrived on them.
    streams: Vec<(StreamId, Vec<u8>)>,
    /// The stream of the request that was accepted, and what the request says.
    accepted: Option<(StreamId, ConnectInfo)>,
}

/// A session with its stream.
#[derive(Debug)]
pub(super) struct Opened {
    /// The stream of the request. The session ends with it.
    pub(super) request: StreamId,
    pub(super) stream: StreamId,
    pub(super) info: ConnectInfo,
    /// The bytes that have arrived on the stream.
    pub(super) early: Vec<u8>,
}

/// The client does not speak the protocol, or asks for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused;

impl WebTransport {
    /// Begins a connection: announces what the edge supports.
    pub(super) fn begin(conn: &mut Conn) -> Result<Self, Refused> {
        let control = conn.proto.streams().open(Dir::Uni).ok_or(Refused)?;
        let mut settings = Settings::default();
        let mut out = Vec::new();
        settings.enable_webtransport(1);
        settings.encode(&mut out);
        let written = conn.proto.send_stream(control).write(&out);
        match written {
            Ok(count) if count == out.len() => Ok(Self::default()),
            _ => Err(Refused),
        }
    }

    /// Adds a stream that the client has opened. Returns false if there are too many.
    pub(super) fn add(&mut self, stream: StreamId) -> bool {
        let is_free = self.streams.len() < MAX_STREAMS;
        if is_free {
            self.streams.push((stream, Vec::new()));
        }
        is_free
    }

    /// Reads what has arrived. Returns the session once its stream is there. `limit`: the most bytes of a request.
    pub(super) fn advance(
        &mut self,
        conn: &mut Conn,
        limit: usize,
        peer: SocketAddr,
    ) -> Result<Option<Opened>, Refused> {
        for (stream, received) in &mut self.streams {
            read(conn, *stream, received, limit)?;
        }
        if self.accepted.is_none() {
            self.accept(conn, peer)?;
        }
        let Some((request, info)) = &self.accepted else {
            return Ok(None);
        };
        for (stream, received) in &self.streams {
            if let Some(early) = session_data(received, *request) {
                return Ok(Some(Opened {
                    request: *request,
                    stream: *stream,
                    info: info.clone(),
                    early: early.to_vec(),
                }));
            }
        }
        Ok(None)
    }

    /// Answers the request for a session, once it is complete.
    fn accept(&mut self, conn: &mut Conn, peer: SocketAddr) -> Result<(), Refused> {
        for index in 0..self.streams.len() {
            let (stream, received) = &self.streams[index];
            if received.is_empty() || is_session_stream(received) {
                continue;
            }
            let stream = *stream;
            if stream.index() > MAX_REQUEST {
                return Err(Refused);
            }
            let (status, found) = match ConnectRequest::decode(&mut received.as_slice()) {
                Err(ConnectError::UnexpectedEnd) => continue,
                Err(_) => (StatusCode::BAD_REQUEST, None),
                Ok(request) if request.url.path() != PATH => (StatusCode::NOT_FOUND, None),
                Ok(request) => match info(&request, peer) {
                    Some(info) => (StatusCode::OK, Some((request, info))),
                    None => (StatusCode::BAD_REQUEST, None),
                },
            };
            let selected = found.as_ref().and_then(|(request, _)| selected(request));
            let mut response = ConnectResponse::new(status);
            response.protocol = selected;
            let mut out = Vec::new();
            response.encode(&mut out).map_err(|_| Refused)?;
            let mut sender = conn.proto.send_stream(stream);
            let written = sender.write(&out);
            if !written.is_ok_and(|count| count == out.len()) {
                return Err(Refused);
            }
            let Some((_, info)) = found else {
                sender.finish().ok();
                self.streams.remove(index);
                return Ok(());
            };
            self.accepted = Some((stream, info));
            self.streams.remove(index);
            return Ok(());
        }
        Ok(())
    }
}

/// Tells the client why its session ends, and ends the stream of its request.
pub(super) fn close(conn: &mut Conn, request: StreamId, code: u16, reason: &str) {
    let mut capsule = Vec::new();
    let mut out = Vec::new();
    let reason = reason.to_owned();
    let code = code.into();
    Capsule::CloseWebTransportSession { code, reason }.encode(&mut capsule);
    Frame::DATA.encode(&mut out);
    VarInt::from_u32(capsule.len() as u32).encode(&mut out);
    out.extend_from_slice(&capsule);
    let mut sender = conn.proto.send_stream(request);
    // A client that has stopped the stream does not want to know.
    sender.write_chunks(&mut [Bytes::from(out)]).ok();
    sender.finish().ok();
}

/// Whether the bytes on a stream begin as those of a session's stream do.
fn is_session_stream(received: &[u8]) -> bool {
    Frame::decode(&mut &received[..]).is_ok_and(|frame| frame == Frame::WEBTRANSPORT)
}

/// The bytes on a session's stream after its header; `None` if it is not one of the session `request`.
fn session_data(received: &[u8], request: StreamId) -> Option<&[u8]> {
    let mut rest = received;
    let frame = Frame::decode(&mut rest).ok()?;
    let session = VarInt::decode(&mut rest).ok()?;
    let request = quinn_proto::VarInt::from(request).into_inner();
    (frame == Frame::WEBTRANSPORT && session.into_inner() == request).then_some(rest)
}

/// Reads the client's request like that of a WebSocket, with the protocols that it offers in place of subprotocols.
fn info(request: &ConnectRequest, peer: SocketAddr) -> Option<ConnectInfo> {
    let url = &request.url;
    let mut asked = Request::builder()
        .uri(match url.query() {
            Some(query) => format!("{PATH}?{query}"),
            None => PATH.to_owned(),
        })
        .body(())
        .ok()?;
    *asked.headers_mut() = request.headers.clone();
    asked.headers_mut().remove(SEC_WEBSOCKET_PROTOCOL);
    for offer in &request.protocols {
        let offer = HeaderValue::from_str(offer).ok()?;
        asked.headers_mut().append(SEC_WEBSOCKET_PROTOCOL, offer);
    }
    let upgrade = Upgrade::of_session(&asked);
    request::connect_info(&asked, &upgrade, PATH, peer).ok()
}

/// The first protocol that both sides know.
fn selected(request: &ConnectRequest) -> Option<String> {
    let mut offers = request.protocols.iter();
    let known = offers.find(|offer| request::encoding(offer).is_some());
    known.cloned()
}

fn read(
    conn: &mut Conn,
    stream: StreamId,
    received: &mut Vec<u8>,
    limit: usize,
) -> Result<(), Refused> {
    let mut buffer = [0; READ];
    loop {
        match conn.read(stream, &mut buffer) {
            Ok(count) => received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            // What has arrived may be a whole request.
            Err(_) => return Ok(()),
        }
        if received.len() > limit {
            return Err(Refused);
        }
    }
}

#[cfg(test)]
mod tests {
    use quinn_proto::Side;

    use super::*;

    #[test]
    fn streams_that_are_opened_and_finished_over_and_over_are_refused() {
        let mut session = WebTransport::default();
        let mut opened = 0;
        for index in 0..1000 {
            let stream = StreamId::new(Side::Client, Dir::Bi, index);
            opened += usize::from(session.add(stream));
        }
        assert_eq!(opened, MAX_STREAMS);
    }
}
