//! Clients that want the edge, or somebody else, to do more than its share.

use std::net::UdpSocket;
use std::time::Duration;

use grandstand_common::error::ErrorKind;

use super::opened;
use super::rig::{self, OPTIONS, with, with_handshakes, with_options};
use crate::server::handler::CloseReason;
use crate::server::handshakes::HandshakeLimits;
use crate::server::quic::{NATIVE, QuicOptions};
use crate::server::testing::{Setup, Told};

#[test]
fn under_load_clients_must_prove_their_address() {
    // The loop that accepts connections over TCP holds one of them.
    let setup = with_handshakes(HandshakeLimits {
        concurrent: 8,
        ..HandshakeLimits::default()
    });
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
    // Long enough for the edge to repeat its first flight, which it does after a second.
    let setup = with_handshakes(HandshakeLimits {
        timeout: Duration::from_secs(2),
        ..HandshakeLimits::default()
    });
    with(setup, async |quic| {
        // A client whose address is someone else's: the answers to its first packet go where nobody reads them.
        let (client, capture) = first_packet(&quic).await;
        let victim = UdpSocket::bind("127.0.0.1:0").unwrap();
        victim.set_nonblocking(true).unwrap();
        victim.send_to(&capture, quic.addr).unwrap();
        let metrics = &quic.rig.server.context().metrics.quic;
        let is_given_up = || (metrics.handshakes("late") == 1).then_some(());
        quic.rig.until(is_given_up).await;
        let mut received = 0;
        let mut buffer = [0; 2048];
        while let Ok((count, _)) = victim.recv_from(&mut buffer) {
            received += count;
        }
        assert!(received > 0, "nothing was sent");
        assert!(received <= 3 * capture.len(), "{received} bytes");
        drop(client);
    });
}

/// The first packet of a client's handshake.
pub(super) async fn first_packet(quic: &rig::Quic) -> (quinn::Endpoint, Vec<u8>) {
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
fn a_flood_of_packets_ends_the_connection() {
    let options = QuicOptions {
        packets_per_s: 10,
        ..OPTIONS
    };
    with_options(Setup::default(), options, async |quic| {
        let mut peer = quic.open().await;
        let conn = opened(&quic).await;
        // They are no frames, so nothing but their number can be charged.
        for _ in 0..1000 {
            let sent = peer.connection.send_datagram(b"flood".as_slice().into());
            if sent.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let (first, payload) = peer.next().await.unwrap();
        let code = ErrorKind::RateLimited.close_code().to_be_bytes();
        assert_eq!((first, &payload[..2]), (0x88, code.as_slice()));
        let end = Told::Closed(conn, CloseReason::Closed(ErrorKind::RateLimited));
        assert_eq!(quic.rig.told().await, end);
        let metrics = &quic.rig.server.context().metrics.quic;
        assert!(metrics.refused.get() > 0);
    });
}
