//! Certificates in a folder, and a client with TLS.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::server::testing::{Rig, Setup, UPGRADE, run};
use crate::server::tls::{CertificateFiles, LeastVersion, Tls, TlsOptions};
use crate::websocket::frame::frame_len;

/// A folder of certificates, deleted when dropped.
pub(crate) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!("grandstand-tls-{:016x}", rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn files(&self, name: &str) -> CertificateFiles {
        CertificateFiles {
            certificate: self.0.join(format!("{name}.pem")),
            key: self.0.join(format!("{name}.key")),
        }
    }

    /// Writes a certificate for these names. Returns it for the clients' trust.
    pub(crate) fn write(&self, name: &str, names: &[&str]) -> CertificateDer<'static> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let files = self.files(name);
        std::fs::write(files.certificate, cert.pem()).unwrap();
        std::fs::write(files.key, signing_key.serialize_pem()).unwrap();
        cert.der().clone()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

pub(crate) const NOW_S: i64 = 1_800_000_000;

pub(crate) fn options(certificates: Vec<CertificateFiles>) -> TlsOptions {
    TlsOptions {
        certificates,
        ticket_secret: Some("0123456789abcdef0123456789abcdef".to_owned()),
        least_version: LeastVersion::V1_2,
    }
}

/// A listener's TLS for `localhost`, and its certificate.
pub(crate) fn localhost(folder: &Folder) -> (Tls, CertificateDer<'static>) {
    let certificate = folder.write("localhost", &["localhost"]);
    let tls = Tls::new(options(vec![folder.files("localhost")]), NOW_S).unwrap();
    (tls, certificate)
}

pub(crate) fn client(
    trusted: &[CertificateDer<'static>],
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

pub(crate) const BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

pub(crate) struct Client(pub(super) TlsStream<TcpStream>);

impl Client {
    pub(crate) async fn connect(rig: &Rig, config: &Arc<ClientConfig>) -> io::Result<Self> {
        Self::connect_as(rig, config, "localhost").await
    }

    pub(crate) async fn connect_as(
        rig: &Rig,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> io::Result<Self> {
        let socket = rig.connect().await.0;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::clone(config));
        Ok(Self(connector.connect(name, socket).await?))
    }

    /// Sends a message.
    pub(crate) async fn send(&mut self, payload: &[u8]) {
        self.0.write_all(&message(payload)).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Sends the request in the same write as `more`, and reads the head of the response.
    pub(crate) async fn upgrade(&mut self, path: &str, more: &[u8]) {
        let request = UPGRADE.replace("/v1/ws", path);
        let bytes = [request.as_bytes(), b"\r\n", more].concat();
        self.0.write_all(&bytes).await.unwrap();
        self.0.flush().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{head:?}");
        let head = String::from_utf8(head).unwrap().to_lowercase();
        assert!(head.contains("\r\nstrict-transport-security: max-age=31536000\r\n"));
    }

    /// Reads a frame: its first byte and its payload.
    pub(crate) async fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut bytes = vec![self.0.read_u8().await.unwrap()];
        let len = loop {
            match frame_len(&bytes) {
                Some(len) => break len,
                None => bytes.push(self.0.read_u8().await.unwrap()),
            }
        };
        let header = bytes.len();
        bytes.resize(len, 0);
        self.0.read_exact(&mut bytes[header..]).await.unwrap();
        (bytes[0], bytes.split_off(header))
    }
}

/// A binary message, masked with zeros.
pub(crate) fn message(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x82];
    match payload.len() {
        0..126 => frame.push(0x80 | payload.len() as u8),
        126..0x1_0000 => {
            frame.push(0xFE);
            frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
        _ => {
            frame.push(0xFF);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

pub(crate) fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
}

pub(crate) fn with(tls: &Tls, test: impl AsyncFnOnce(Rig)) {
    let setup = Setup {
        tls: Some(tls.clone()),
        ..Setup::default()
    };
    run(setup, test);
}
