//! A client's socket: it connects, reads into the generator's buffers, and keeps unsent bytes.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{Domain, Socket, Type};

use super::tls::{MAX_PARTIAL, TlsClient};

/// A socket and its unsent bytes.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    tls: Option<Box<TlsClient>>,
    /// With TLS they are encrypted.
    unsent: Vec<u8>,
    pub(super) connected: bool,
    /// The time at which the connect began.
    pub(super) since_ns: u64,
}

/// The maximum number of unsent bytes. An input that would exceed it counts as unsent.
const MAX_UNSENT: usize = 256 * 1024;
/// The most bytes of a read.
const READ_BYTES: usize = 256 * 1024;

/// The buffers that all clients of a generator share.
#[derive(Debug)]
pub(super) struct Buffers {
    /// The bytes read from a socket, with TLS after those of an incomplete record.
    wire: Vec<u8>,
    /// The decrypted bytes.
    plain: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            wire: vec![0; MAX_PARTIAL + READ_BYTES],
            plain: Vec::new(),
        }
    }
}

/// The result of a read.
#[derive(Debug)]
pub(super) struct Received<'a> {
    /// The bytes that the socket had; 0 if it had none.
    pub(super) len: usize,
    /// Whether it may have more.
    pub(super) more: bool,
    /// The bytes, decrypted.
    pub(super) bytes: &'a [u8],
}

impl Wire {
    /// Starts to connect from one of the loopback's addresses.
    pub(super) fn connect(
        target: SocketAddr,
        source: Option<Ipv4Addr>,
        receive_buffer: u32,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(target), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        // Closes with a reset, because a port in TIME_WAIT is unavailable to the next run for a minute.
        socket.set_linger(Some(Duration::ZERO))?;
        if receive_buffer > 0 {
            socket.set_recv_buffer_size(receive_buffer as usize)?;
        }
        if let Some(source) = source {
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
        match socket.connect(&target.into()) {
            Ok(()) => {}
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(e) => return Err(e),
        }
        Ok(Self {
            stream: TcpStream::from_std(socket.into()),
            tls: None,
            unsent: Vec::new(),
            connected: false,
            since_ns: 0,
        })
    }

    /// Starts a TLS handshake, before anything is sent.
    pub(super) fn secure(&mut self, mut tls: TlsClient) -> io::Result<()> {
        tls.encrypt(&[], &mut self.unsent)?;
        self.tls = Some(Box::new(tls));
        Ok(())
    }

    /// Returns once, after a TLS handshake, whether it resumed a session.
    pub(super) fn poll_handshake(&mut self) -> Option<bool> {
        self.tls.as_mut()?.poll_handshake()
    }

    /// Returns whether the connect is complete.
    pub(super) fn poll_connected(&mut self) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => self.connected = true,
            Err(e) if e.kind() == ErrorKind::NotConnected => {}
            Err(e) => return Err(e),
        }
        Ok(self.connected)
    }

    /// Reads once, at most `limit` bytes.
    pub(super) fn read<'a>(
        &mut self,
        limit: usize,
        buffers: &'a mut Buffers,
    ) -> io::Result<Received<'a>> {
        let Buffers { wire, plain } = buffers;
        let size = limit.min(READ_BYTES);
        let Some(tls) = &mut self.tls else {
            let (len, more) = fill(&mut self.stream, &mut wire[..size])?;
            let bytes = &wire[..len];
            return Ok(Received { len, more, bytes });
        };
        if tls.has_ended() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let kept = tls.take_partial(wire);
        let (len, more) = fill(&mut self.stream, &mut wire[kept..kept + size])?;
        plain.clear();
        tls.decrypt(&mut wire[..kept + len], plain, &mut self.unsent)?;
        // The next read reports the end.
        let more = more || tls.has_ended();
        self.flush()?;
        let bytes = plain;
        Ok(Received { len, more, bytes })
    }

    /// Whether an input may be added to the unsent bytes.
    pub(super) fn has_room(&self) -> bool {
        self.unsent.len() < MAX_UNSENT
    }

    /// Sends bytes, or keeps them for later.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.encrypt(bytes, &mut self.unsent)?;
            return if self.connected { self.flush() } else { Ok(()) };
        }
        if !self.connected || !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return Ok(());
        }
        let sent = self.write(bytes)?;
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    /// Sends the unsent bytes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let unsent = std::mem::take(&mut self.unsent);
        let sent = self.write(&unsent)?;
        if sent < unsent.len() {
            self.unsent = unsent;
            self.unsent.drain(..sent);
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(len) => sent += len,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(sent)
    }
}

/// Reads once. Returns the number of bytes and whether there may be more; 0 and `false` if there is nothing.
fn fill(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
    loop {
        return match stream.read(buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            // A short read has emptied the socket (epoll(7), on edge-triggered stream sockets).
            Ok(len) => Ok((len, len == buffer.len())),
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok((0, false)),
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => Err(e),
        };
    }
}
