mod rig;

use std::net::UdpSocket;
use std::time::Duration;

use grandstand_common::error::ErrorKind;
use grandstand_common::supervisor::Supervisor;
use quinn::{ConnectionError, Endpoint as Client, TransportErrorCode, VarInt};
use tokio::sync::watch;

use super::*;
use crate::conn::transport::Transport;
use crate::server::connections::Connections;
use crate::server::context::ServerOptions;
use crate::server::handler::CloseReason;
use crate::server::testing::{Setup, Told};
use crate::websocket::frame::{MessageKind, Opcode, put_frame};
use rig::{closed, with};

fn frame(payload: &[u8]) -> bytes::Bytes {
    let mut frame = Vec::new();
    put_frame(&mut frame, Opcode::Text, payload);
    frame.into()
}

async fn opened(quic: &rig::Quic) -> crate::conn::key::ConnKey {
    match quic.rig.told().await {
        Told::Open(conn, info) => {
            assert_eq!(info.token.as_deref(), Some("secret"));
            conn
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_of_all_sizes_pass_in_both_directions() {
    with(Setup::default(), async |quic| {
        let mut peer = quic.open().await;
        let conn = opened(&quic).await;
        for len in [0, 1, 125, 126, 1200, 65_535, 65_536] {
            let payload = vec![b'x'; len];
            peer.send(0x81, &payload).await;
            let told = loop {
                match quic.rig.told().await {
                    Told::Drained(_) => {}
                    told => break told,
                }
            };
            let expected = Told::Message(conn, MessageKind::Text, payload.clone());
            assert!(told == expected, "{len} bytes");
            quic.rig.conns.clone().send_control(conn, &frame(&payload));
            assert!(peer.next().await == Some((0x81, payload)), "{len} bytes");
        }
    });
}

#[test]
fn a_close_by_the_edge_arrives_with_its_code_after_all_messages() {
    with(Setup::default(), async |quic| {
        let mut peer = quic.open().await;
        let conn = opened(&quic).await;
        let mut conns = quic.rig.conns.clone();
        for _ in 0..20 {
            conns.send_control(conn, &frame(&[b'x'; 3000]));
        }
        conns.close(conn, ErrorKind::Replaced);
        for _ in 0..20 {
            assert_eq!(peer.next().await.unwrap().1.len(), 3000);
        }
        let close = peer.next().await.unwrap();
        assert_eq!((close.0, &close.1[..2]), (0x88, [0x0F, 0xA9].as_slice()));
        peer.send(0x88, &close.1).await;
        assert_eq!(peer.next().await, None);
        assert_eq!(peer.closed().await, (4009, "replaced".to_owned()));
        let end = Told::Closed(conn, CloseReason::Closed(ErrorKind::Replaced));
        assert_eq!(quic.rig.told().await, end);
        quic.rig
            .until(|| quic.rig.conns.is_empty().then_some(()))
            .await;
    });
}

#[test]
fn a_socket_that_is_handed_over_is_read_no_more_and_its_clients_are_closed() {
    with(Setup::default(), async |quic| {
        let mut peer = quic.open().await;
        let conn = opened(&quic).await;
        quic.rig.conns.clone().close(conn, ErrorKind::GoingAway);
        quic.status.hand_over();
        let close = peer.next().await.unwrap();
        assert_eq!((close.0, &close.1[..2]), (0x88, [0x03, 0xF4].as_slice()));
        // Packets wait for the other process.
        let endpoint = Client::client(([127, 0, 0, 1], 0).into()).unwrap();
        let connecting = endpoint.connect_with(quic.config(NATIVE), quic.addr, "localhost");
        let from = endpoint.local_addr().unwrap();
        let mut packet = [0; 2048];
        let mut read = || Some(quic.copy.recv_from(&mut packet).ok()?.1);
        quic.rig.until(|| (read()? == from).then_some(())).await;
        drop(connecting);
        assert_eq!(peer.closed().await.0, 1012);
    });
}

#[test]
fn a_close_by_the_client_is_answered() {
    with(Setup::default(), async |quic| {
        let mut peer = quic.open().await;
        let conn = opened(&quic).await;
        peer.send(0x88, &1000_u16.to_be_bytes()).await;
        assert_eq!(peer.next().await, Some((0x88, vec![3, 232])));
        assert_eq!(peer.closed().await.0, 1000);
        let end = Told::Closed(conn, CloseReason::Client(Some(1000)));
        assert_eq!(quic.rig.told().await, end);
    });
}

#[test]
fn a_client_that_closes_its_connection_is_gone_at_once() {
    with(Setup::default(), async |quic| {
        let mut peer = quic.open().await;
        let conn = opened(&quic).await;
        peer.send(0x81, b"last").await;
        let told = quic.rig.told().await;
        assert_eq!(
            told,
            Told::Message(conn, MessageKind::Text, b"last".to_vec())
        );
        peer.connection.close(VarInt::from_u32(7), b"bye");
        let end = Told::Closed(conn, CloseReason::Lost);
        assert_eq!(quic.rig.told().await, end);
        quic.rig
            .until(|| quic.rig.conns.is_empty().then_some(()))
            .await;
        quic.status.settled(Duration::from_secs(20)).await;
    });
}

#[test]
fn a_violation_of_the_protocol_ends_the_connection() {
    with(Setup::default(), async |quic| {
        let mut peer = quic.open().await;
        let conn = opened(&quic).await;
        // A masked frame.
        peer.sender
            .write_all(&[0x81, 0x81, 0, 0, 0, 0, b'x'])
            .await
            .unwrap();
        let close = peer.next().await.unwrap();
        assert_eq!(
            (close.0, &close.1[..2]),
            (0x88, 1002_u16.to_be_bytes().as_slice())
        );
        assert!(matches!(quic.rig.told().await, Told::Closed(key, _) if key == conn));
    });
}

#[test]
fn a_slow_reader_gets_an_outbox_and_is_drained_when_it_reads() {
    with(Setup::default(), async |quic| {
        let mut peer = quic.open().await;
        let conn = opened(&quic).await;
        let mut conns: Connections = quic.rig.conns.clone();
        let mut sent = 0;
        while conns.is_drained(conn) {
            conns.send(conn, &frame(&[b'x'; 10_000]));
            sent += 1;
            tokio::task::yield_now().await;
            assert!(sent < 1_000, "the link takes everything");
        }
        for _ in 0..sent {
            assert_eq!(peer.next().await.unwrap().1.len(), 10_000);
        }
        assert_eq!(quic.rig.told().await, Told::Drained(conn));
    });
}

#[test]
fn a_silent_client_stays_because_it_acknowledges_pings() {
    let setup = Setup {
        heartbeat: Duration::from_millis(200),
        ..Setup::default()
    };
    with(setup, async |quic| {
        let mut peer = quic.open().await;
        let conn = opened(&quic).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        peer.send(0x81, b"here").await;
        let told = quic.rig.told().await;
        assert_eq!(
            told,
            Told::Message(conn, MessageKind::Text, b"here".to_vec())
        );
    });
}

#[test]
fn other_first_messages_and_protocols_are_refused() {
    with(Setup::default(), async |quic| {
        let refused = quic.connect(b"http/1.1").await.unwrap_err();
        // TLS' alert no_application_protocol.
        let code = TransportErrorCode::crypto(120);
        assert!(
            matches!(&refused, ConnectionError::ConnectionClosed(close) if close.error_code == code),
            "{refused:?}"
        );
        let connection = quic.connect(NATIVE).await.unwrap();
        let (mut sender, _receiver) = connection.open_bi().await.unwrap();
        sender.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!(closed(&connection).await, (1002, "bad_hello".to_owned()));
    });
}

#[test]
fn a_client_that_says_nothing_is_closed_at_the_deadline() {
    let options = ServerOptions {
        handshake_timeout: Duration::from_millis(300),
        ..ServerOptions::default()
    };
    let setup = Setup {
        options,
        ..Setup::default()
    };
    with(setup, async |quic| {
        let connection = quic.connect(NATIVE).await.unwrap();
        let end = closed(&connection).await;
        assert_eq!(end, (4008, "handshake_timeout".to_owned()));
        assert_eq!(quic.rig.server.context().metrics.handshakes.get(), 0);
    });
}

#[test]
fn a_stopped_endpoint_refuses_new_clients_and_keeps_the_others() {
    with(Setup::default(), async |quic| {
        let mut peer = quic.open().await;
        let conn = opened(&quic).await;
        quic.status.stop();
        let refused = quic.connect(NATIVE).await.unwrap_err();
        let code = TransportErrorCode::CONNECTION_REFUSED;
        assert!(
            matches!(&refused, ConnectionError::ConnectionClosed(close) if close.error_code == code),
            "{refused:?}"
        );
        peer.send(0x81, b"here").await;
        let told = quic.rig.told().await;
        assert_eq!(
            told,
            Told::Message(conn, MessageKind::Text, b"here".to_vec())
        );
    });
}

#[test]
fn under_load_clients_must_prove_their_address() {
    let options = ServerOptions {
        // The loop that accepts connections over TCP holds one of them.
        handshakes: 8,
        ..ServerOptions::default()
    };
    let setup = Setup {
        options,
        ..Setup::default()
    };
    with(setup, async |quic| {
        // Connected, without a first message: a handshake in progress.
        let waiting = quic.connect(NATIVE).await.unwrap();
        let metrics = &quic.rig.server.context().metrics.quic;
        assert_eq!(metrics.handshakes("retry"), 0);
        let proven = quic.open().await;
        opened(&quic).await;
        assert_eq!(metrics.handshakes("retry"), 1);
        assert_eq!(metrics.handshakes("open"), 1);
        drop((waiting, proven));
    });
}

#[test]
fn an_unproven_address_gets_at_most_three_times_what_it_sent() {
    with(Setup::default(), async |quic| {
        // A client whose address is someone else's: the answers to its first packet go where nobody reads them.
        let (client, capture) = first_packet(&quic).await;
        let victim = UdpSocket::bind("127.0.0.1:0").unwrap();
        victim.set_nonblocking(true).unwrap();
        victim.send_to(&capture, quic.addr).unwrap();
        let (mut received, mut buffer) = (0, [0; 2048]);
        let accepted = &quic.rig.server.context().metrics.accepted;
        quic.rig.until(|| (accepted.get() == 1).then_some(())).await;
        // The edge sends its first flight again and again.
        tokio::time::sleep(Duration::from_secs(2)).await;
        while let Ok((count, _)) = victim.recv_from(&mut buffer) {
            received += count;
        }
        assert!(received > 0, "nothing was sent");
        assert!(received <= 3 * capture.len(), "{received} bytes");
        drop(client);
    });
}

/// The first packet of a client's handshake.
async fn first_packet(quic: &rig::Quic) -> (quinn::Endpoint, Vec<u8>) {
    let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let to = listener.local_addr().unwrap();
    let client = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    let connecting = client
        .connect_with(quic.config(NATIVE), to, "localhost")
        .unwrap();
    let mut buffer = [0; 2048];
    let count = quic.rig.until(|| listener.recv(&mut buffer).ok()).await;
    drop(connecting);
    (client, buffer[..count].to_vec())
}

#[test]
fn a_connection_survives_a_new_address_on_another_shard() {
    with(Setup::default(), async |quic| {
        let mut listeners = rig::bind(&quic.tls, 3);
        let addr = listeners[0].socket.local_addr().unwrap();
        let supervisor = Supervisor::default();
        let shards: Vec<_> = listeners
            .drain(..)
            .map(|listener| {
                let shard = rig::echo(&supervisor);
                shard.serve_quic(listener, &supervisor, watch::channel(true).1);
                shard
            })
            .collect();
        let on_shards = rig::Quic { addr, ..quic };
        let mut peer = on_shards.open().await;
        for round in 0_u8..20 {
            let payload = [b'a' + round; 100];
            peer.send(0x81, &payload).await;
            assert_eq!(peer.next().await, Some((0x81, payload.to_vec())));
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            peer.endpoint.rebind(socket).unwrap();
        }
        let handed_over: u64 = shards
            .iter()
            .map(|shard| shard.context().metrics.quic.handed_over.get())
            .sum();
        assert!(handed_over > 0, "the kernel gave all packets to one shard");
    });
}

#[test]
fn datagrams_carry_whole_frames_in_both_directions() {
    with(Setup::default(), async |quic| {
        let peer = quic.open().await;
        let conn = opened(&quic).await;
        let mut conns = quic.rig.conns.clone();
        assert!(conns.send_datagram(conn, &frame(b"lossy")));
        let received = peer.connection.read_datagram().await.unwrap();
        assert_eq!(received, frame(b"lossy"));
        assert!(!conns.send_datagram(conn, &frame(&[b'x'; 4000])));
        for other in [b"GET".as_slice(), &frame(b"x")[..2], b"\x81\x81\0\0\0\0x"] {
            let other = bytes::Bytes::copy_from_slice(other);
            peer.connection.send_datagram(other).unwrap();
        }
        peer.connection.send_datagram(frame(b"up")).unwrap();
        let told = quic.rig.told().await;
        assert_eq!(told, Told::Message(conn, MessageKind::Text, b"up".to_vec()));
    });
}
