//! TLS from a client's side, without a buffer per connection. A client that connects again resumes its session if the
//! server offers that.

mod handshake;

mod traffic;

mod invalid;

#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::host::tls::DOMAIN;
use handshake::Handshake;
use invalid::invalid;
use traffic::Traffic;

/// The most bytes of an incomplete record or message that are kept.
pub(super) const MAX_PARTIAL: usize = 64 << 10;
/// rustls keeps the tickets of this many servers in an eighth of the space that it is asked for.
const TICKETS_PER_NAME: usize = 8;

/// The TLS settings of all clients, and their session tickets.
#[derive(Debug)]
pub(super) struct TlsClients {
    config: Arc<ClientConfig>,
    /// The name that all clients ask for; without it each asks for one of its own.
    name: Option<ServerName<'static>>,
}

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
        Self::trusting(roots, None, clients)
    }

    /// The settings of this many clients of a server with this name, which trust the authorities of a PEM file, or those
    /// that the system trusts.
    ///
    /// # Errors
    /// If there is no authority, or the name is none.
    pub(super) fn of_front(
        name: &str,
        authority: Option<&Path>,
        clients: usize,
    ) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        match authority {
            Some(file) => {
                for der in CertificateDer::pem_file_iter(file).map_err(io::Error::other)? {
                    roots
                        .add(der.map_err(io::Error::other)?)
                        .map_err(io::Error::other)?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if roots.is_empty() {
            let why = "no certificate authority is known: name a file with --ca-file";
            return Err(io::Error::new(ErrorKind::NotFound, why));
        }
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        Self::trusting(roots, Some(name), clients)
    }

    fn trusting(
        roots: RootCertStore,
        name: Option<ServerName<'static>>,
        clients: usize,
    ) -> io::Result<Self> {
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
        // Records are decrypted by `Traffic`.
        config.enable_secret_extraction = true;
        let config = Arc::new(config);
        Ok(Self { config, name })
    }

    /// The TLS of a client's next connection. Tickets are kept by name.
    pub(super) fn connect(&self, client: usize) -> io::Result<TlsClient> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => {
                ServerName::try_from(format!("c{client}.{DOMAIN}")).map_err(io::Error::other)?
            }
        };
        let handshake = Handshake::new(Arc::clone(&self.config), name)?;
        Ok(TlsClient {
            state: State::Handshake(Box::new(handshake)),
            partial: Vec::new(),
            early: Vec::new(),
            resumed: None,
        })
    }
}

/// The TLS of one connection.
#[derive(Debug)]
pub(super) struct TlsClient {
    state: State,
    /// The beginning of a record whose rest has not arrived.
    partial: Vec<u8>,
    /// Bytes to send once the handshake is complete.
    early: Vec<u8>,
    /// Whether the session was resumed, until [`Self::poll_handshake`].
    resumed: Option<bool>,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all connections have traffic, and a pointer to it would cost a cache miss for each record"
)]
enum State {
    Handshake(Box<Handshake>),
    Traffic(Traffic),
    /// The handshake has failed.
    Failed,
}

impl TlsClient {
    /// Whether the server has ended its side.
    pub(super) fn has_ended(&self) -> bool {
        match &self.state {
            State::Handshake(_) => false,
            State::Traffic(traffic) => traffic.has_ended(),
            State::Failed => true,
        }
    }

    /// Returns once, after the handshake, whether it resumed a session.
    pub(super) fn poll_handshake(&mut self) -> Option<bool> {
        self.resumed.take()
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
        let mut used = 0;
        if let State::Handshake(handshake) = &mut self.state {
            used = handshake.process(wire, out)?;
            if handshake.is_complete() {
                self.complete(out)?;
            }
        }
        if let State::Traffic(traffic) = &mut self.state {
            used += traffic.decrypt(&mut wire[used..], plain, out)?;
        }
        let rest = &wire[used..];
        if rest.len() > MAX_PARTIAL {
            return Err(invalid("a message of TLS is too long"));
        }
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    /// Goes over from the handshake to traffic, and encrypts what waits for that.
    fn complete(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let State::Handshake(handshake) = std::mem::replace(&mut self.state, State::Failed) else {
            return Ok(());
        };
        self.resumed = Some(handshake.has_resumed());
        let (secrets, kernel) = handshake.into_traffic()?;
        let mut traffic = Traffic::new(secrets, kernel)?;
        traffic.encrypt(&std::mem::take(&mut self.early), out)?;
        self.state = State::Traffic(traffic);
        Ok(())
    }

    /// Encrypts bytes and appends them to `out`; during the handshake they are kept for later. The first call starts the
    /// handshake.
    ///
    /// # Errors
    /// If the handshake cannot start.
    pub(super) fn encrypt(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match &mut self.state {
            State::Handshake(handshake) => {
                self.early.extend_from_slice(bytes);
                handshake.start(out)
            }
            State::Traffic(traffic) => traffic.encrypt(bytes, out),
            State::Failed => Err(ErrorKind::BrokenPipe.into()),
        }
    }
}
