//! A client's handshake, which rustls drives.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::kernel::KernelConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};
use rustls::{ClientConfig, ExtractedSecrets, HandshakeKind};

use super::invalid::invalid;

pub(super) struct Handshake {
    connection: UnbufferedClientConnection,
    started: bool,
}

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handshake")
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}

impl Handshake {
    /// A handshake that has not begun.
    pub(super) fn new(config: Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<Self> {
        let connection = UnbufferedClientConnection::new(config, name);
        Ok(Self {
            connection: connection.map_err(io::Error::other)?,
            started: false,
        })
    }

    /// Appends the first message, once.
    pub(super) fn start(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if !std::mem::replace(&mut self.started, true) {
            self.process(&mut [], out)?;
        }
        Ok(())
    }

    /// Whether all is sent and received, so that the next record is traffic.
    pub(super) fn is_complete(&self) -> bool {
        !self.connection.is_handshaking() && !self.connection.wants_write()
    }

    /// Whether it resumed a session.
    pub(super) fn has_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Processes records until the handshake is complete or waits for more, and appends the answers. Returns the number of
    /// bytes that it has used.
    pub(super) fn process(&mut self, wire: &mut [u8], out: &mut Vec<u8>) -> io::Result<usize> {
        let mut used = 0;
        loop {
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut wire[used..]);
            used += discard;
            match state.map_err(invalid)? {
                ConnectionState::EncodeTlsData(data) => encode(data, out),
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                _ => return Ok(used),
            }
            if self.is_complete() {
                return Ok(used);
            }
        }
    }

    /// The keys of the traffic, and what handles messages about them.
    pub(super) fn into_traffic(
        self,
    ) -> io::Result<(ExtractedSecrets, KernelConnection<ClientConnectionData>)> {
        let extracted = self.connection.dangerous_into_kernel_connection();
        extracted.map_err(io::Error::other)
    }
}

/// Appends a message of the handshake.
fn encode(mut data: EncodeTlsData<'_, ClientConnectionData>, out: &mut Vec<u8>) {
    let start = out.len();
    let mut size = 0;
    loop {
        out.resize(start + size, 0);
        match data.encode(&mut out[start..]) {
            Ok(written) => return out.truncate(start + written),
            Err(EncodeError::InsufficientSize(error)) => size = error.required_size.max(size + 1),
            Err(EncodeError::AlreadyEncoded) => return out.truncate(start),
        }
    }
}
