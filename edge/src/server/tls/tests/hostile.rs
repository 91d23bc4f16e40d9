//! Bytes that no client sends: garbage, and messages of the handshake that never end.

use std::io::{IoSlice, Write};

use grandstand_common::error::ErrorKind;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ConnectionTrafficSecrets, version};

use super::rig::{Client, Folder, client, localhost, with};
use super::*;
use crate::server::tls::session::{MIN_BUFFER, TlsSession};

/// Hands received bytes to a session, as a socket does.
fn receive(session: &mut TlsSession, bytes: &[u8]) -> Result<usize, rustls::Error> {
    let mut wire = vec![0; MIN_BUFFER];
    let kept = session.take_partial(&mut wire);
    wire[kept..kept + bytes.len()].copy_from_slice(bytes);
    let mut plain = vec![0; MIN_BUFFER];
    let decrypted = session.decrypt(&mut wire[..kept + bytes.len()], &mut plain);
    decrypted.map(|decrypted| decrypted.count)
}

#[test]
fn garbage_instead_of_a_handshake_is_an_error_and_no_panic() {
    let folder = Folder::new();
    let (tls, _) = localhost(&folder);
    let mut errors = 0;
    for seed in 0..2_000 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut session = TlsSession::new(tls.config()).unwrap();
        for _ in 0..4 {
            let mut bytes = vec![0; random.random_range(1..1_200)];
            random.fill_bytes(&mut bytes);
            // Most of it begins like a record, and like a message of the handshake.
            let start = [
                random.random_range(0x14..=0x18),
                3,
                random.random_range(0..=4),
            ];
            let length = (bytes.len() as u16).saturating_sub(random.random_range(0..8));
            let header = [
                &start[..],
                &length.to_be_bytes(),
                &[random.random_range(0..3), 0],
            ]
            .concat();
            if seed % 8 != 0 {
                bytes.splice(0..header.len().min(bytes.len()), header);
            }
            if receive(&mut session, &bytes).is_err() {
                errors += 1;
                assert_eq!(receive(&mut session, &bytes), Ok(0));
                break;
            }
        }
        session.encrypt_end();
    }
    assert!(errors > 1_000, "{errors}");
}

/// A session and its client after their handshake, in TLS 1.3.
fn connected(tls: &Tls, certificate: CertificateDer<'static>) -> (TlsSession, ClientConnection) {
    let mut config = client(&[certificate], &[&version::TLS13]);
    config.enable_secret_extraction = true;
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut session = TlsSession::new(tls.config()).unwrap();
    let mut wire = Vec::new();
    while client.is_handshaking() || session.is_handshaking() {
        wire.clear();
        client.write_tls(&mut wire).unwrap();
        receive(&mut session, &wire).unwrap();
        let mut sent = Vec::new();
        session.send(&mut sent).unwrap();
        let mut unread = sent.as_slice();
        while !unread.is_empty() {
            client.read_tls(&mut unread).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    wire.clear();
    client.writer().flush().unwrap();
    client.write_tls(&mut wire).unwrap();
    receive(&mut session, &wire).unwrap();
    (session, client)
}

#[test]
fn a_session_sends_while_a_message_of_the_handshake_is_incomplete() {
    let folder = Folder::new();
    let (tls, certificate) = localhost(&folder);
    let (mut session, client) = connected(&tls, certificate);
    let secrets = client.dangerous_extract_secrets().unwrap();
    let (number, ConnectionTrafficSecrets::Aes256Gcm { key, iv }) = secrets.tx else {
        panic!("another cipher");
    };
    // The first bytes of a key update (RFC 8446 section 4.6.3), as a record of the handshake.
    let mut record = vec![24, 0, 0, 22];
    let header = [23, 3, 3, 0, (record.len() + 16) as u8];
    let mut nonce: [u8; 12] = iv.as_ref().try_into().unwrap();
    for (byte, number) in nonce[4..].iter_mut().zip(number.to_be_bytes()) {
        *byte ^= number;
    }
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).unwrap());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let sealed = key.seal_in_place_append_tag(nonce, Aad::from(header), &mut record);
    sealed.unwrap();
    assert_eq!(
        receive(&mut session, &[&header[..], &record].concat()),
        Ok(0)
    );
    for _ in 0..2 {
        session.encrypt_record(&[IoSlice::new(b"pong")]).unwrap();
    }
    session.encrypt_end();
}

#[test]
fn d25_records_that_carry_next_to_nothing_are_charged_as_frames() {
    let folder = Folder::new();
    let (tls, certificate) = localhost(&folder);
    // A message that never ends, a byte in each record.
    let endless = [&[0x82, 0xFE, 0xFF, 0xFF, 0, 0, 0, 0][..], &[0; 1000]].concat();
    for (version, changes_keys) in [
        (&version::TLS13, true),
        (&version::TLS13, false),
        (&version::TLS12, false),
    ] {
        let config = Arc::new(client(std::slice::from_ref(&certificate), &[version]));
        with(&tls, async |rig| {
            rig.close_after_frames(50);
            let mut client = Client::connect(&rig, &config).await.unwrap();
            client.upgrade("/v1/ws", &[]).await;
            let Told::Open(conn, _) = rig.told().await else {
                panic!("the connection is not open");
            };
            for byte in &endless {
                if changes_keys {
                    client.0.get_mut().1.refresh_traffic_keys().unwrap();
                }
                // The edge may have closed the connection.
                client.0.write_all(&[*byte]).await.ok();
                client.0.flush().await.ok();
            }
            let reason = CloseReason::Closed(ErrorKind::RateLimited);
            assert_eq!(rig.told().await, Told::Closed(conn, reason));
        });
    }
}
