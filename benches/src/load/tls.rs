//! TLS from a client's side, without a buffer per connection. A client that connects again resumes its session if the
//! server offers that.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use rustls::client::{ClientConnectionData, Resumption, UnbufferedClientConnection};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};

use crate::host::tls::DOMAIN;

/// The most bytes of plaintext in a record (RFC 8446, 5.1).
const RECORD: usize = 16 << 10;
/// The most bytes that encryption adds to a record, its header included.
const OVERHEAD: usize = 64;
/// The most bytes of an incomplete record or message that are kept.
pub(super) const MAX_PARTIAL: usize = 64 << 10;
/// rustls keeps the tickets of this many servers in an eighth of the space that it is asked for.
const TICKETS_PER_NAME: usize = 8;

/// The TLS settings of all clients, and their session tickets.
#[derive(Debug)]
pub(super) struct TlsClients(Arc<ClientConfig>);

impl TlsClients {
    /// The settings of this many clients that trust the certificate in a PEM file. All servers get the same offer: TLS 1.3
    /// with the cipher suite and the key exchange that browsers and all of these servers have.
    ///
    /// # Errors
    /// If the file has no certificate.
    pub(super) fn new(certificate: &Path, clients: usize) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let der = CertificateDer::from_pem_file(certificate).map_err(io::Error::other)?;
        roots.add(der).map_err(io::Error::other)?;
        let provider = CryptoProvider {
            cipher_suites: vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![ring::kx_group::X25519],
            ..ring::default_provider()
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::in_memory_sessions(clients * TICKETS_PER_NAME);
        Ok(Self(Arc::new(config)))
    }

    /// The TLS of a client's next connection. Each client asks for a name of its own, because tickets are kept by name.
    pub(super) fn connect(&self, client: usize) -> io::Result<TlsClient> {
        let name = ServerName::try_from(format!("c{client}.{DOMAIN}")).map_err(io::Error::other)?;
        let connection = UnbufferedClientConnection::new(Arc::clone(&self.0), name);
        Ok(TlsClient {
            connection: connection.map_err(io::Error::other)?,
            partial: Vec::new(),
            early: Vec::new(),
            counted: false,
            ended: false,
        })
    }
}

/// The TLS of one connection.
pub(super) struct TlsClient {
    connection: UnbufferedClientConnection,
    /// The beginning of a record whose rest has not arrived.
    partial: Vec<u8>,
    /// Bytes to send once the handshake is complete.
    early: Vec<u8>,
    /// Whether the handshake was returned by [`Self::poll_handshake`].
    counted: bool,
    ended: bool,
}

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsClient")
            .field("partial", &self.partial.len())
            .field("early", &self.early.len())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl TlsClient {
    /// Whether the server has ended its side.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Returns once, after the handshake, whether it resumed a session.
    pub(super) fn poll_handshake(&mut self) -> Option<bool> {
        if self.counted || self.connection.is_handshaking() {
            return None;
        }
        self.counted = true;
        Some(self.connection.handshake_kind() == Some(HandshakeKind::Resumed))
    }

    /// Puts the bytes of an incomplete record at the start of `wire`, which has at least [`MAX_PARTIAL`] bytes, and returns
    /// their number. What is read from the socket belongs after them.
    pub(super) fn take_partial(&mut self, wire: &mut [u8]) -> usize {
        let partial = std::mem::take(&mut self.partial);
        wire[..partial.len()].copy_from_slice(&partial);
        partial.len()
    }

    /// Decrypts the records in `wire`, appends their bytes to `plain` and answers to `out`, and keeps the rest.
    ///
    /// # Errors
    /// If the server breaks the protocol.
    pub(super) fn decrypt(
        &mut self,
        wire: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let used = self.process(wire, plain, out)?;
        let rest = &wire[used..];
        if rest.len() > MAX_PARTIAL {
            return Err(invalid("a message of TLS is too long"));
        }
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    /// Encrypts bytes and appends them to `out`; during the handshake they are kept for later. The first call starts the
    /// handshake.
    ///
    /// # Errors
    /// If the connection cannot encrypt any more.
    pub(super) fn encrypt(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.early.extend_from_slice(bytes);
        // The connection looks for an incomplete message of a handshake where it was received.
        let mut partial = std::mem::take(&mut self.partial);
        let used = self.process(&mut partial, &mut Vec::new(), out)?;
        partial.drain(..used);
        self.partial = partial;
        Ok(())
    }

    /// Processes records until the connection waits for more. Returns the number of bytes that it has used.
    fn process(
        &mut self,
        wire: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let mut used = 0;
        loop {
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut wire[used..]);
            used += discard;
            match state.map_err(invalid)? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(invalid)?;
                        plain.extend_from_slice(record.payload);
                        used += record.discard;
                    }
                }
                ConnectionState::EncodeTlsData(data) => encode(data, out),
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::WriteTraffic(mut traffic) => {
                    for part in std::mem::take(&mut self.early).chunks(RECORD) {
                        encrypt(&mut traffic, part, out)?;
                    }
                    return Ok(used);
                }
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    self.ended = true;
                    return Ok(used);
                }
                _ => return Ok(used),
            }
        }
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

/// Appends a message of the handshake.
fn encode(mut data: EncodeTlsData<'_, ClientConnectionData>, out: &mut Vec<u8>) {
    append(out, 0, |into| match data.encode(into) {
        Ok(written) => Ok(written),
        Err(EncodeError::InsufficientSize(error)) => Err(error.required_size),
        Err(EncodeError::AlreadyEncoded) => Ok(0),
    });
}

/// Appends a record.
fn encrypt(
    traffic: &mut WriteTraffic<'_, ClientConnectionData>,
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let mut exhausted = false;
    append(out, bytes.len() + OVERHEAD, |into| {
        match traffic.encrypt(bytes, into) {
            Ok(written) => Ok(written),
            Err(EncryptError::InsufficientSize(error)) => Err(error.required_size),
            Err(EncryptError::EncryptExhausted) => {
                exhausted = true;
                Ok(0)
            }
        }
    });
    match exhausted {
        true => Err(ErrorKind::BrokenPipe.into()),
        false => Ok(()),
    }
}

/// Appends what `write` puts into the slice that it is given. It returns the bytes written, or the size that it needs.
fn append(
    out: &mut Vec<u8>,
    least: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, usize>,
) {
    let start = out.len();
    let mut size = least;
    loop {
        out.resize(start + size, 0);
        match write(&mut out[start..]) {
            Ok(written) => return out.truncate(start + written),
            Err(needed) => size = needed.max(size + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection};

    use super::*;
    use crate::host::tls::Certificate;

    fn server(certificate: &Certificate) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::from_pem_file(certificate.key_file()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der()], key);
        Arc::new(config.unwrap())
    }

    /// Sends bytes to a server that returns them, and whose bytes arrive in pieces. Returns what comes back.
    fn echo(
        client: &mut TlsClient,
        server: &mut ServerConnection,
        bytes: &[u8],
        piece: usize,
    ) -> Vec<u8> {
        let (mut up, mut plain) = (Vec::new(), Vec::new());
        client.encrypt(bytes, &mut up).unwrap();
        loop {
            let mut input = &up[..];
            while !input.is_empty() {
                server.read_tls(&mut input).unwrap();
                server.process_new_packets().unwrap();
                let mut said = Vec::new();
                // Fails at the end, because more may follow.
                server.reader().read_to_end(&mut said).ok();
                server.writer().write_all(&said).unwrap();
            }
            up.clear();
            let mut down = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut down).unwrap();
            }
            for part in down.chunks(piece) {
                let mut wire = vec![0; MAX_PARTIAL + piece];
                let kept = client.take_partial(&mut wire);
                let end = kept + part.len();
                wire[kept..end].copy_from_slice(part);
                let wire = &mut wire[..end];
                client.decrypt(wire, &mut plain, &mut up).unwrap();
            }
            if up.is_empty() {
                return plain;
            }
        }
    }

    #[test]
    fn records_arrive_in_any_pieces_and_a_client_that_connects_again_resumes() {
        let certificate = Certificate::make().unwrap();
        let config = server(&certificate);
        let clients = TlsClients::new(&certificate.file(), 2).unwrap();
        for (number, piece, resumes) in [(0, 1, false), (0, 70_000, true), (1, 7, false)] {
            let mut client = clients.connect(number).unwrap();
            let mut server = ServerConnection::new(Arc::clone(&config)).unwrap();
            let bytes = vec![b'x'; 2 * RECORD + 99];
            assert_eq!(echo(&mut client, &mut server, &bytes, piece), bytes);
            assert_eq!(client.poll_handshake(), Some(resumes));
            assert_eq!(client.poll_handshake(), None);
            assert_eq!(echo(&mut client, &mut server, b"more", piece), b"more");
            assert!(!client.has_ended());
            server.send_close_notify();
            echo(&mut client, &mut server, b"", piece);
            assert!(client.has_ended());
        }
    }

    #[test]
    fn a_server_with_another_certificate_is_refused() {
        let (one, other) = (Certificate::make().unwrap(), Certificate::make().unwrap());
        let clients = TlsClients::new(&one.file(), 1).unwrap();
        let mut client = clients.connect(0).unwrap();
        let mut server = ServerConnection::new(server(&other)).unwrap();
        let (mut up, mut down) = (Vec::new(), Vec::new());
        client.encrypt(&[], &mut up).unwrap();
        server.read_tls(&mut &up[..]).unwrap();
        server.process_new_packets().unwrap();
        while server.wants_write() {
            server.write_tls(&mut down).unwrap();
        }
        let refused = client.decrypt(&mut down, &mut Vec::new(), &mut up);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidData);
        assert!(TlsClients::new(&one.key_file(), 1).is_err());
    }
}
