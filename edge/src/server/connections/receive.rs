//! Reads what a client has sent over TCP, with TLS or without.

use std::io::{self, Read};

use mio::net::TcpStream;

use crate::server::tls::session::TlsSession;
use crate::server::tls::wire::with_wire;

/// The result of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    /// The bytes read. 0 if TLS needs more of them.
    pub(crate) count: usize,
    /// Records of TLS that have brought next to nothing.
    pub(crate) idle_records: u32,
    /// Whether the link may have more. A stream socket that returns fewer bytes than asked for is empty (epoll(7)).
    pub(crate) more: bool,
}

/// Reads from a socket without TLS, or bytes that are not decrypted. The error is `UnexpectedEof` at the end of the
/// stream.
pub(super) fn receive(socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<Received> {
    let count = read(socket, buffer)?;
    Ok(Received {
        count,
        idle_records: 0,
        more: count == buffer.len(),
    })
}

/// Reads at most `most` encrypted bytes, and decrypts them into `buffer`. Afterwards TLS may have an answer to send, also
/// after an error. The error is `UnexpectedEof` at the end of the stream.
pub(super) fn receive_encrypted(
    socket: &mut TcpStream,
    tls: &mut TlsSession,
    most: usize,
    buffer: &mut [u8],
) -> io::Result<Received> {
    let (result, decrypted, more) = with_wire(buffer.len(), |wire| {
        let kept = tls.take_partial(wire);
        let end = wire.len().min(kept + most);
        let result = read(socket, &mut wire[kept..end]);
        let count = *result.as_ref().unwrap_or(&0);
        // Without new bytes this only keeps the incomplete record again.
        let decrypted = tls.decrypt(&mut wire[..kept + count], buffer);
        (result, decrypted, kept + count == end)
    });
    let idle_records = tls.take_idle_records();
    result?;
    let decrypted = decrypted.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    if decrypted.ended && decrypted.count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Received {
        count: decrypted.count,
        idle_records,
        more: more || decrypted.ended,
    })
}

fn read(socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
