//! The TLS state of one connection, without I/O: records in, plaintext out, and the reverse.

use std::cell::Cell;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{Error, HandshakeKind, ProtocolVersion, ServerConfig};

/// The most bytes of plaintext in a record (RFC 8446 section 5.1).
pub(crate) const RECORD: usize = 16 << 10;

/// The most bytes that encryption adds to a record, header included, in either version of TLS.
const OVERHEAD: usize = 64;

/// The least size of a buffer for received bytes. It holds any record, and what is kept of an incomplete message.
pub(crate) const MIN_BUFFER: usize = 2 * RECORD;

/// The bytes of the header of a record: its type, its version, and the length of the rest.
const HEADER: usize = 5;

/// A record with fewer bytes counts as a frame of its own: no frame of a client is shorter (RFC 6455 section 5.2).
const LEAST_FRAME: usize = 6;

/// The most records with next to nothing in them that a client may send before its connection opens.
const MAX_IDLE_RECORDS: u32 = 1024;

/// The most bytes that are kept of an incomplete record or message. A record has at most 18,437 (RFC 5246 section 6.2.3).
const MAX_PARTIAL: usize = MIN_BUFFER - 4096;

thread_local! {
    /// A buffer for encrypted bytes, for sessions in which none wait.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    /// A buffer in which the pieces of a record are gathered.
    static GATHERED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The TLS state of a connection.
///
/// It keeps no buffers while the connection is idle: only the beginning of a record whose rest has not arrived, and the
/// encrypted bytes that the socket has not accepted yet.
pub(crate) struct TlsSession {
    connection: UnbufferedServerConnection,
    /// Received bytes that are not a whole record yet.
    partial: Vec<u8>,
    /// Encrypted bytes, of which the first `sent` are sent.
    encrypted: Vec<u8>,
    sent: usize,
    /// The records with next to nothing in them that are not taken.
    idle_records: u32,
    /// Whether the client has ended its side.
    ended: bool,
    /// Whether this side is ended.
    closed: bool,
}

/// The result of [`TlsSession::decrypt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decrypted {
    /// The bytes of plaintext.
    pub(crate) count: usize,
    /// Whether the client has ended its side: nothing follows.
    pub(crate) ended: bool,
}

impl std::fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsSession")
            .field("partial", &self.partial.len())
            .field("unsent", &(self.encrypted.len() - self.sent))
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl TlsSession {
    /// Creates the state of a connection whose handshake has not begun.
    ///
    /// # Errors
    /// If the configuration cannot be used for a server.
    pub(crate) fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(config)?,
            partial: Vec::new(),
            encrypted: Vec::new(),
            sent: 0,
            idle_records: 0,
            ended: false,
            closed: false,
        })
    }

    /// Whether the handshake is not complete.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether the client has ended its side: nothing follows.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The negotiated version, and whether the session was resumed; `None` before the handshake is complete.
    pub(crate) fn negotiated(&self) -> Option<(ProtocolVersion, bool)> {
        if self.is_handshaking() {
            return None;
        }
        let version = self.connection.protocol_version()?;
        let kind = self.connection.handshake_kind()?;
        Some((version, kind == HandshakeKind::Resumed))
    }

    /// Takes the number of records that have brought next to nothing: they cost as much as others. The handshake has none.
    pub(crate) fn take_idle_records(&mut self) -> u32 {
        std::mem::take(&mut self.idle_records)
    }

    /// Whether there are more such records than a client needs before its connection opens.
    pub(crate) fn has_too_many_idle_records(&self) -> bool {
        self.idle_records > MAX_IDLE_RECORDS
    }

    /// Puts the bytes of an incomplete record at the start of `wire`, which has at least [`MIN_BUFFER`] bytes, and returns
    /// their number. Bytes from the socket are read behind them.
    pub(crate) fn take_partial(&mut self, wire: &mut [u8]) -> usize {
        let partial = std::mem::take(&mut self.partial);
        wire[..partial.len()].copy_from_slice(&partial);
        partial.len()
    }

    /// Decrypts the records in `wire` into `plain`, which must be as long, and keeps the rest. Answers of the handshake are
    /// left to be sent.
    ///
    /// # Errors
    /// If the client breaks the protocol. An alert is left to be sent.
    pub(crate) fn decrypt(
        &mut self,
        wire: &mut [u8],
        plain: &mut [u8],
    ) -> Result<Decrypted, Error> {
        let mut used = 0;
        let mut count = 0;
        if self.ended {
            return Ok(Decrypted { count, ended: true });
        }
        let (records, mut filled) = (whole_records(wire), 0);
        let was_handshaking = self.is_handshaking();
        loop {
            let rest = &mut wire[used..];
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(rest);
            used += discard;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        let end = count + record.payload.len();
                        plain[count..end].copy_from_slice(record.payload);
                        filled += u32::from(record.payload.len() >= LEAST_FRAME);
                        count = end;
                        used += record.discard;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.encrypted),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.ended = true,
                Ok(ConnectionState::Closed) => {
                    self.ended = true;
                    break;
                }
                // Early data is not offered.
                Ok(_) => break,
                Err(error) => {
                    self.fail(&mut wire[used..]);
                    return Err(error);
                }
            }
        }
        let rest = &wire[used..];
        if rest.len() > MAX_PARTIAL {
            self.fail(&mut []);
            return Err(Error::General("a message is too long".to_owned()));
        }
        self.partial.extend_from_slice(rest);
        if !was_handshaking {
            let idle = records.saturating_sub(filled);
            self.idle_records = self.idle_records.saturating_add(idle);
        }
        Ok(Decrypted {
            count,
            ended: self.ended,
        })
    }

    /// Encrypts the first bytes of `slices`, at most a record. Returns their number.
    ///
    /// # Errors
    /// If the session cannot encrypt any more.
    pub(crate) fn encrypt_record(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if let [one] = slices {
            let plain = &one[..one.len().min(RECORD)];
            return self.encrypt(plain).map(|()| plain.len());
        }
        let mut gathered = GATHERED.take();
        gathered.clear();
        for slice in slices {
            let room = RECORD - gathered.len();
            gathered.extend_from_slice(&slice[..slice.len().min(room)]);
            if gathered.len() == RECORD {
                break;
            }
        }
        let result = self.encrypt(&gathered);
        let count = gathered.len();
        GATHERED.set(gathered);
        result.map(|()| count)
    }

    fn encrypt(&mut self, plain: &[u8]) -> io::Result<()> {
        if self.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.with_traffic(|traffic, encrypted| {
            let least = plain.len() + OVERHEAD;
            let mut exhausted = false;
            append(encrypted, least, |out| match traffic.encrypt(plain, out) {
                Ok(written) => Ok(written),
                Err(EncryptError::InsufficientSize(error)) => Err(error.required_size),
                Err(EncryptError::EncryptExhausted) => {
                    exhausted = true;
                    Ok(0)
                }
            });
            !exhausted
        })
    }

    /// Encrypts the message that ends this side, once.
    pub(crate) fn encrypt_end(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.with_traffic(|traffic, encrypted| {
            append(encrypted, OVERHEAD, |out| {
                match traffic.queue_close_notify(out) {
                    Ok(written) => Ok(written),
                    Err(EncryptError::InsufficientSize(error)) => Err(error.required_size),
                    Err(EncryptError::EncryptExhausted) => Ok(0),
                }
            });
            true
        })
        .ok();
    }

    /// Calls `write` once the connection may send data.
    fn with_traffic(
        &mut self,
        mut write: impl FnMut(&mut WriteTraffic<'_, ServerConnectionData>, &mut Vec<u8>) -> bool,
    ) -> io::Result<()> {
        if self.encrypted.capacity() == 0 {
            self.encrypted = SPARE.take();
        }
        // The connection looks for an incomplete message of a handshake where it was received, and panics without it.
        let mut partial = std::mem::take(&mut self.partial);
        loop {
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut partial);
            let result = match state {
                Ok(ConnectionState::EncodeTlsData(data)) => {
                    encode(data, &mut self.encrypted);
                    None
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    None
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.ended = true;
                    None
                }
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    Some(if write(&mut traffic, &mut self.encrypted) {
                        Ok(())
                    } else {
                        Err(io::ErrorKind::BrokenPipe.into())
                    })
                }
                Ok(_) => Some(Err(io::ErrorKind::NotConnected.into())),
                Err(error) => Some(Err(io::Error::new(io::ErrorKind::InvalidData, error))),
            };
            partial.drain(..discard);
            if let Some(result) = result {
                self.partial = partial;
                return result;
            }
        }
    }

    /// Ends both sides after an error, and encodes its alert. `rest` is what the connection has not discarded of the
    /// received bytes. The connection is not used any more: it would report the error again, or panic without these
    /// bytes.
    fn fail(&mut self, mut rest: &mut [u8]) {
        (self.ended, self.closed) = (true, true);
        while self.connection.wants_write() {
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(rest);
            let Ok(ConnectionState::EncodeTlsData(data)) = state else {
                return;
            };
            encode(data, &mut self.encrypted);
            rest = &mut rest[discard..];
        }
    }

    /// Encrypted bytes that are not sent.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.encrypted[self.sent..]
    }

    /// Notes that `count` encrypted bytes are sent. The buffer is given back when all are.
    pub(crate) fn on_sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.encrypted.len() {
            self.sent = 0;
            let mut spare = std::mem::take(&mut self.encrypted);
            spare.clear();
            SPARE.set(spare);
        }
    }

    /// Writes encrypted bytes. Returns whether all are sent.
    ///
    /// # Errors
    /// If the socket fails.
    pub(crate) fn send(&mut self, socket: &mut impl Write) -> io::Result<bool> {
        while !self.unsent().is_empty() {
            match socket.write(self.unsent()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.on_sent(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// The number of whole records.
fn whole_records(mut wire: &[u8]) -> u32 {
    let mut records = 0;
    while let Some(&[high, low]) = wire.get(HEADER - 2..HEADER) {
        let end = HEADER + usize::from(u16::from_be_bytes([high, low]));
        let Some(rest) = wire.get(end..) else {
            break;
        };
        wire = rest;
        records += 1;
    }
    records
}

/// Appends a message of the handshake.
fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, to: &mut Vec<u8>) {
    append(to, 0, |out| match data.encode(out) {
        Ok(written) => Ok(written),
        Err(EncodeError::InsufficientSize(error)) => Err(error.required_size),
        Err(EncodeError::AlreadyEncoded) => Ok(0),
    });
}

/// Appends what `write` puts into the slice that it is given. It returns the bytes written, or the size that it needs.
fn append(
    to: &mut Vec<u8>,
    least: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, usize>,
) {
    let start = to.len();
    let mut size = least;
    loop {
        to.resize(start + size, 0);
        match write(&mut to[start..]) {
            Ok(written) => return to.truncate(start + written),
            Err(needed) => size = needed.max(size + 1),
        }
    }
}
