//! Bounds of what the edge keeps for a client: bytes, streams, handshakes (docs/bounds.md).

use std::future::Future;
use std::net::UdpSocket;

use quinn::Connection;

use super::hostile::first_packet;
use super::rig::{OPTIONS, with_options};
use super::*;
use crate::server::context::ServerOptions;

/// The time within which something happens that is allowed.
const SOON: Duration = Duration::from_millis(500);

/// Whether the future ends soon.
async fn ends<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(SOON, future).await.ok()
}

#[test]
fn the_bytes_that_a_client_has_not_acknowledged_are_bounded() {
    for window in [16 << 10, 64 << 10] {
        let options = QuicOptions {
            send_window: window,
            ..OPTIONS
        };
        with_options(Setup::default(), options, async |quic| {
            let _peer = quic.open().await;
            let conn = opened(&quic).await;
            let mut conns: Connections = quic.rig.conns.clone();
            let mut sent = 0;
            // The client's task does not run meanwhile.
            while conns.is_drained(conn) {
                conns.send(conn, &frame(&[b'x'; 1000]));
                sent += 1000;
                assert!(sent < 1_000_000, "the link takes everything");
            }
            let window = window as usize;
            assert!(
                sent > window / 2 && sent <= window + 1000,
                "{sent} of {window}"
            );
        });
    }
}

#[test]
fn a_client_that_is_not_read_sends_a_window_and_no_more() {
    with(Setup::default(), async |quic| {
        let mut peer = quic.open().await;
        opened(&quic).await;
        quic.rig.pause_at_messages();
        peer.send(0x81, b"pause").await;
        quic.rig.told().await;
        let before = peer.connection.stats().udp_tx.bytes;
        let bytes = vec![0; 1 << 20];
        // The client's library takes the bytes, and sends those for which it has credit.
        ends(peer.sender.write_all(&bytes)).await;
        tokio::time::sleep(SOON).await;
        let stats = peer.connection.stats();
        assert!(stats.frame_tx.stream_data_blocked > 0, "{stats:?}");
        let sent = stats.udp_tx.bytes - before;
        assert!((50_000..100_000).contains(&sent), "{sent} bytes");
    });
}

/// Opens streams until no more are allowed. Returns their number.
async fn count<S>(open: impl AsyncFn() -> Option<S>) -> usize {
    let mut streams = Vec::new();
    while let Some(stream) = open().await {
        streams.push(stream);
        assert!(streams.len() < 1000, "streams are not bounded");
    }
    streams.len()
}

#[test]
fn a_client_has_few_streams() {
    with(Setup::default(), async |quic| {
        let peer = quic.open().await;
        let conn = opened(&quic).await;
        let connection: &Connection = &peer.connection;
        assert_eq!(count(async || ends(connection.open_bi()).await).await, 1);
        assert_eq!(count(async || ends(connection.open_uni()).await).await, 8);
        // They disturb nothing.
        quic.rig.conns.clone().send_control(conn, &frame(b"here"));
        let mut peer = peer;
        assert_eq!(peer.next().await, Some((0x81, b"here".to_vec())));
    });
}

#[test]
fn first_packets_beyond_the_limit_of_handshakes_are_dropped() {
    const LIMIT: usize = 8;
    let options = ServerOptions {
        handshakes: HandshakeLimits {
            concurrent: LIMIT,
            ..HandshakeLimits::default()
        },
        ..ServerOptions::default()
    };
    let setup = Setup {
        options,
        ..Setup::default()
    };
    with(setup, async |quic| {
        let mut clients = Vec::new();
        for _ in 0..4 * LIMIT {
            clients.push(first_packet(&quic).await);
        }
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for (_, packet) in &clients {
            sender.send_to(packet, quic.addr).unwrap();
        }
        let context = quic.rig.server.context();
        let metrics = &context.metrics.quic;
        let dropped = quic.rig.until(|| {
            let dropped = metrics.handshakes("dropped") as usize;
            (dropped >= 3 * LIMIT).then_some(dropped)
        });
        assert!(dropped.await <= 4 * LIMIT);
        assert!(context.metrics.handshakes.get() <= LIMIT as i64);
    });
}

#[test]
fn a_handshake_that_is_too_long_is_refused_and_disturbs_nobody() {
    with(Setup::default(), async |quic| {
        let mut good = quic.open().await;
        let conn = opened(&quic).await;
        let long = vec![vec![b'x'; 255]; 200];
        let refused = quic.connect_with(long).await.unwrap_err();
        assert!(
            matches!(&refused, ConnectionError::ConnectionClosed(_)),
            "{refused:?}"
        );
        good.send(0x81, b"here").await;
        hears(&quic, conn, b"here").await;
    });
}
