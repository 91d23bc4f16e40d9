mod hostile;

pub(crate) mod rig;

use std::io;
use std::time::Duration;

use rustls::HandshakeKind;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::conn::key::ConnKey;
use crate::conn::transport::Transport;
use crate::server::context::ServerOptions;
use crate::server::handler::CloseReason;
use crate::server::handshakes::HandshakeLimits;
use crate::server::testing::{Setup, Told, UPGRADE, run};
use rig::{BOTH, Client, Folder, NOW_S, bytes, client, localhost, message, options, with};

#[test]
fn messages_of_all_sizes_pass_in_both_versions() {
    let folder = Folder::new();
    let (tls, certificate) = localhost(&folder);
    for version in BOTH {
        let config = Arc::new(client(std::slice::from_ref(&certificate), &[version]));
        with(&tls, async |rig| {
            let mut client = Client::connect(&rig, &config).await.unwrap();
            client.upgrade("/v1/echo", &message(b"early")).await;
            assert_eq!(client.frame().await, (0x82, b"early".to_vec()));
            for len in [0, 1, 125, 126, 16_383, 16_384, 16_385, 70_000, 3_000_000] {
                let payload = bytes(len);
                let sent = message(&payload);
                let (mut read, mut write) = tokio::io::split(&mut client.0);
                let sending = async {
                    write.write_all(&sent).await.unwrap();
                    write.flush().await.unwrap();
                };
                let receiving = async {
                    let mut received = vec![0; sent.len() - 4];
                    read.read_exact(&mut received).await.unwrap();
                    received
                };
                let ((), received) = tokio::join!(sending, receiving);
                assert!(received.ends_with(&payload), "{len} bytes");
            }
        });
    }
}

#[test]
fn records_may_arrive_a_byte_at_a_time() {
    let folder = Folder::new();
    let (tls, certificate) = localhost(&folder);
    let config = Arc::new(client(&[certificate], &BOTH));
    with(&tls, async |rig| {
        let name = ServerName::try_from("localhost").unwrap();
        let mut connection = rustls::ClientConnection::new(config, name).unwrap();
        let mut socket = rig.connect().await.0;
        socket.set_nodelay(true).unwrap();
        let request = [UPGRADE.replace("/v1/ws", "/v1/echo").as_bytes(), b"\r\n"].concat();
        io::Write::write_all(&mut connection.writer(), &request).unwrap();
        let mut plain = Vec::new();
        let mut said = false;
        while !plain.ends_with(b"hello") {
            let mut wire = Vec::new();
            while connection.wants_write() {
                connection.write_tls(&mut wire).unwrap();
            }
            for byte in wire {
                socket.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            let mut read = [0; 4096];
            let count = socket.read(&mut read).await.unwrap();
            assert!(count > 0, "the edge closed the connection");
            connection.read_tls(&mut &read[..count]).unwrap();
            connection.process_new_packets().unwrap();
            let mut more = [0; 4096];
            while let Ok(count) = io::Read::read(&mut connection.reader(), &mut more) {
                if count == 0 {
                    break;
                }
                plain.extend_from_slice(&more[..count]);
            }
            if !said && plain.ends_with(b"\r\n\r\n") {
                said = true;
                connection.refresh_traffic_keys().unwrap();
                io::Write::write_all(&mut connection.writer(), &message(b"hello")).unwrap();
            }
        }
    });
}

#[test]
fn a_client_that_reads_late_gets_everything() {
    let folder = Folder::new();
    let (tls, certificate) = localhost(&folder);
    let config = Arc::new(client(&[certificate], &BOTH));
    with(&tls, async |rig| {
        let mut client = Client::connect(&rig, &config).await.unwrap();
        client.upgrade("/v1/echo", &[]).await;
        let payload = bytes(5_000_000);
        client.send(&payload).await;
        let is_blocked = |key: &ConnKey| !rig.conns.is_drained(*key);
        rig.until(|| rig.conns.keys().iter().any(is_blocked).then_some(()))
            .await;
        client.send(b"after").await;
        assert_eq!(client.frame().await.1, payload);
        assert_eq!(client.frame().await.1, b"after");
    });
}

#[test]
fn both_sides_end_a_connection_cleanly() {
    let folder = Folder::new();
    let (tls, certificate) = localhost(&folder);
    for version in BOTH {
        let config = Arc::new(client(std::slice::from_ref(&certificate), &[version]));
        with(&tls, async |rig| {
            // The client begins: its close frame is answered, and then the TLS session ends.
            let mut first = Client::connect(&rig, &config).await.unwrap();
            first.upgrade("/v1/echo", &[0x88, 0x80, 0, 0, 0, 0]).await;
            assert_eq!(first.frame().await, (0x88, vec![]));
            // Without the message that ends TLS this would be an error.
            assert_eq!(first.0.read(&mut [0]).await.unwrap(), 0);

            // A client that ends TLS without a close frame is lost.
            let mut second = Client::connect(&rig, &config).await.unwrap();
            second.upgrade("/v1/ws", &[]).await;
            let Told::Open(conn, _) = rig.told().await else {
                panic!("the connection is not open");
            };
            second.0.shutdown().await.unwrap();
            assert_eq!(rig.told().await, Told::Closed(conn, CloseReason::Lost));
        });
    }
}

#[test]
fn a_session_is_resumed_at_any_edge_with_the_same_secret() {
    let folder = Folder::new();
    let (tls, certificate) = localhost(&folder);
    let twin = Tls::new(options(vec![folder.files("localhost")]), NOW_S).unwrap();
    let mut stranger = options(vec![folder.files("localhost")]);
    stranger.ticket_secret = None;
    let stranger = Tls::new(stranger, NOW_S).unwrap();
    for version in BOTH {
        let config = Arc::new(client(std::slice::from_ref(&certificate), &[version]));
        for (tls, kind) in [
            (&tls, HandshakeKind::Full),
            (&twin, HandshakeKind::Resumed),
            (&stranger, HandshakeKind::Full),
        ] {
            with(tls, async |rig| {
                let mut client = Client::connect(&rig, &config).await.unwrap();
                client.upgrade("/v1/ws", &[]).await;
                assert_eq!(client.0.get_ref().1.handshake_kind(), Some(kind));
            });
        }
    }
}

#[test]
fn a_certificate_is_chosen_by_name_and_the_first_is_for_all_others() {
    let folder = Folder::new();
    let first = folder.write("first", &["first.example"]);
    let second = folder.write("second", &["*.second.example", "second.example"]);
    let files = vec![folder.files("first"), folder.files("second")];
    let tls = Tls::new(options(files), NOW_S).unwrap();
    let config = Arc::new(client(&[first, second], &BOTH));
    with(&tls, async |rig| {
        for name in ["first.example", "second.example", "a.second.example"] {
            let connected = Client::connect_as(&rig, &config, name).await;
            connected.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let other = Client::connect_as(&rig, &config, "other.example").await;
        let error = other.err().unwrap().to_string();
        assert!(error.contains("first.example"), "{error}");
    });
}

#[test]
fn changed_files_are_used_and_bad_ones_are_not() {
    let folder = Folder::new();
    let (tls, old) = localhost(&folder);
    let files = folder.files("localhost");
    let trusted = |certificate: &CertificateDer<'static>| {
        Arc::new(client(std::slice::from_ref(certificate), &BOTH))
    };
    assert_eq!(tls.look(), tls.checksum());
    std::fs::write(&files.certificate, "no certificate").unwrap();
    assert_ne!(tls.look(), tls.checksum());
    let reloaded = tls.reload(NOW_S).unwrap();
    let error = reloaded.errors[0].to_string();
    assert!(error.contains("localhost.pem"), "{error}");
    assert_eq!(reloaded.changed, 0);
    with(&tls, async |rig| {
        assert!(Client::connect(&rig, &trusted(&old)).await.is_ok());
        let new = folder.write("localhost", &["localhost"]);
        let reloaded = tls.reload(NOW_S).unwrap();
        assert_eq!((reloaded.changed, reloaded.errors.len()), (1, 0));
        assert_eq!(tls.look(), tls.checksum());
        assert!(Client::connect(&rig, &trusted(&new)).await.is_ok());
        assert!(Client::connect(&rig, &trusted(&old)).await.is_err());
    });
}

#[test]
fn a_bad_certificate_does_not_hold_up_a_good_one() {
    let folder = Folder::new();
    let first = folder.write("first", &["first.example"]);
    folder.write("second", &["second.example"]);
    let files = vec![folder.files("first"), folder.files("second")];
    let tls = Tls::new(options(files), NOW_S).unwrap();
    let second = folder.write("second", &["second.example"]);
    std::fs::remove_file(folder.files("first").key).unwrap();
    let reloaded = tls.reload(NOW_S).unwrap();
    assert_eq!((reloaded.changed, reloaded.errors.len()), (1, 1));
    let config = Arc::new(client(&[first, second], &BOTH));
    with(&tls, async |rig| {
        for name in ["first.example", "second.example"] {
            let connected = Client::connect_as(&rig, &config, name).await;
            connected.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    });
}

#[test]
fn what_is_not_tls_is_refused_with_an_alert_and_disturbs_nobody() {
    let folder = Folder::new();
    let (tls, certificate) = localhost(&folder);
    let config = Arc::new(client(&[certificate], &BOTH));
    with(&tls, async |rig| {
        let mut good = Client::connect(&rig, &config).await.unwrap();
        good.upgrade("/v1/echo", &[]).await;
        let garbage = bytes(70_000);
        let http = format!("{UPGRADE}\r\n");
        for sent in [http.as_bytes(), &garbage, &[22, 3, 1, 0, 5, 1, 0, 0, 1, 9]] {
            let mut peer = rig.connect().await;
            // The edge may close the connection before it has read everything.
            peer.0.write_all(sent).await.ok();
            let mut answer = Vec::new();
            peer.0.read_to_end(&mut answer).await.ok();
            assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
        }
        good.send(b"still here").await;
        assert_eq!(good.frame().await.1, b"still here");
    });
}

#[test]
fn each_response_tells_browsers_to_use_nothing_but_tls() {
    let folder = Folder::new();
    let (tls, certificate) = localhost(&folder);
    let config = Arc::new(client(&[certificate], &BOTH));
    let handshakes = HandshakeLimits {
        timeout: Duration::from_secs(1),
        ..HandshakeLimits::default()
    };
    let options = ServerOptions {
        handshakes,
        ..ServerOptions::default()
    };
    let setup = Setup {
        options,
        tls: Some(tls),
        ..Setup::default()
    };
    run(setup, async |rig| {
        for request in [
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /none HTTP/1.1\r\nHost: x\r\n\r\n",
            "what is this\r\n\r\n",
            "GET / HTTP/1.1\r\n",
        ] {
            let mut client = Client::connect(&rig, &config).await.unwrap();
            client.0.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            client.0.read_to_end(&mut answer).await.unwrap();
            let answer = String::from_utf8(answer).unwrap().to_lowercase();
            assert!(answer.starts_with("http/1.1 "), "{answer}");
            assert!(
                answer.contains("strict-transport-security: max-age=31536000\r\n"),
                "{answer}"
            );
        }
    });
}

#[test]
fn the_oldest_version_is_a_setting() {
    let folder = Folder::new();
    let certificate = folder.write("localhost", &["localhost"]);
    let mut options = options(vec![folder.files("localhost")]);
    options.least_version = LeastVersion::V1_3;
    let tls = Tls::new(options, NOW_S).unwrap();
    with(&tls, async |rig| {
        for (version, accepted) in [(&version::TLS12, false), (&version::TLS13, true)] {
            let config = Arc::new(client(std::slice::from_ref(&certificate), &[version]));
            let connected = Client::connect(&rig, &config).await;
            assert_eq!(connected.is_ok(), accepted, "{version:?}");
        }
    });
}
