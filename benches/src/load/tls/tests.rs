//! Clients beside the server of rustls.

use std::io::{Read as _, Write as _};

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};

use super::*;
use crate::host::tls::Certificate;

/// More than two records of plaintext.
const LONG: usize = 40_000;

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
        let bytes = vec![b'x'; LONG];
        assert_eq!(echo(&mut client, &mut server, &bytes, piece), bytes);
        assert_eq!(client.poll_handshake(), Some(resumes));
        assert_eq!(client.poll_handshake(), None);
        assert_eq!(echo(&mut client, &mut server, b"more", piece), b"more");
        server.refresh_traffic_keys().unwrap();
        assert_eq!(echo(&mut client, &mut server, b"again", piece), b"again");
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

#[test]
fn what_is_no_record_or_was_changed_is_refused() {
    let certificate = Certificate::make().unwrap();
    let config = server(&certificate);
    let clients = TlsClients::new(&certificate.file(), 1).unwrap();
    for (at, value) in [(0, 22), (1, 2), (3, 0xff), (9, 0)] {
        let mut client = clients.connect(0).unwrap();
        let mut server = ServerConnection::new(Arc::clone(&config)).unwrap();
        echo(&mut client, &mut server, b"before", 99);
        server.writer().write_all(b"bytes").unwrap();
        let (mut down, mut plain) = (Vec::new(), Vec::new());
        server.write_tls(&mut down).unwrap();
        assert_ne!(down[at], value);
        down[at] = value;
        let refused = client.decrypt(&mut down, &mut plain, &mut Vec::new());
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidData);
        assert!(plain.is_empty());
    }
}
