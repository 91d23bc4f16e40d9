mod bounds;
mod floods;
mod hostile;
mod rig;
mod upgrade;

use std::time::Duration;

use grandstand_common::error::ErrorKind;
use grandstand_common::supervisor::Supervisor;
use quinn::{ConnectionError, TransportErrorCode, VarInt};

use super::*;
use crate::conn::key::ConnKey;
use crate::conn::transport::Transport;
use crate::server::connections::Connections;
use crate::server::handler::CloseReason;
use crate::server::handshakes::HandshakeLimits;
use crate::server::testing::{Setup, Told};
use crate::websocket::frame::{MessageKind, Opcode, put_frame};
use rig::{closed, with, with_handshakes};

fn frame(payload: &[u8]) -> bytes::Bytes {
    let mut frame = Vec::new();
    put_frame(&mut frame, Opcode::Text, payload);
    frame.into()
}

async fn opened(quic: &rig::Quic) -> ConnKey {
    match quic.rig.told().await {
        Told::Open(conn, info) => {
            assert_eq!(info.token.as_deref(), Some("secret"));
            conn
        }
        other => panic!("{other:?}"),
    }
}

/// Waits for the next message of a client.
async fn hears(quic: &rig::Quic, conn: ConnKey, payload: &[u8]) {
    let told = quic.rig.told().await;
    assert_eq!(
        told,
        Told::Message(conn, MessageKind::Text, payload.to_vec())
    );
}

/// Connects with a protocol, and is refused with this code.
async fn is_refused(quic: &rig::Quic, protocol: &[u8], code: TransportErrorCode) {
    let refused = quic.connect(protocol).await.unwrap_err();
    assert!(
        matches!(&refused, ConnectionError::ConnectionClosed(close) if close.error_code == code),
        "{refused:?}"
    );
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
        hears(&quic, conn, b"last").await;
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
        let pings = || peer.connection.stats().frame_rx.ping;
        quic.rig.until(|| (pings() >= 5).then_some(())).await;
        peer.send(0x81, b"here").await;
        hears(&quic, conn, b"here").await;
    });
}

#[test]
fn other_first_messages_and_protocols_are_refused() {
    with(Setup::default(), async |quic| {
        // TLS' alert no_application_protocol.
        is_refused(&quic, b"http/1.1", TransportErrorCode::crypto(120)).await;
        let connection = quic.connect(NATIVE).await.unwrap();
        let (mut sender, _receiver) = connection.open_bi().await.unwrap();
        sender.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!(closed(&connection).await, (1002, "bad_hello".to_owned()));
    });
}

#[test]
fn a_client_that_says_nothing_is_closed_at_the_deadline() {
    let setup = with_handshakes(HandshakeLimits {
        timeout: Duration::from_millis(300),
        ..HandshakeLimits::default()
    });
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
        is_refused(&quic, NATIVE, TransportErrorCode::CONNECTION_REFUSED).await;
        peer.send(0x81, b"here").await;
        hears(&quic, conn, b"here").await;
    });
}

#[test]
fn a_connection_survives_a_new_address_on_another_shard() {
    with(Setup::default(), async |quic| {
        let (addr, mut listeners) = rig::bind(&quic.tls, 3);
        let supervisor = Supervisor::default();
        let shards: Vec<_> = listeners
            .drain(..)
            .map(|listener| {
                let shard = rig::echo(&supervisor);
                shard.serve_quic(listener, &supervisor);
                shard
            })
            .collect();
        let on_shards = rig::Quic { addr, ..quic };
        let mut peer = on_shards.open().await;
        for round in 0_u8..20 {
            let payload = [b'a' + round; 100];
            peer.send(0x81, &payload).await;
            assert_eq!(peer.next().await, Some((0x81, payload.to_vec())));
            peer.rebind();
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
        hears(&quic, conn, b"up").await;
    });
}
