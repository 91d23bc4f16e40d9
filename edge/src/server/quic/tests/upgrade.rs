//! Another process takes the sockets over, and forwards the packets of the earlier one's connections.

use grandstand_common::error::ErrorKind;
use quinn::Endpoint as Client;

use super::rig::{self, with};
use super::{frame, hears, opened};
use crate::conn::transport::Transport;
use crate::server::quic::NATIVE;
use crate::server::testing::Setup;

/// The close frame with which an edge goes away begins with these bytes.
const GOING_AWAY: [u8; 2] = 1012_u16.to_be_bytes();

async fn is_sent_away(peer: &mut rig::Peer) {
    let (first, payload) = peer.next().await.unwrap();
    assert_eq!((first, &payload[..2]), (0x88, GOING_AWAY.as_slice()));
}

#[test]
fn clients_stay_connected_while_the_next_process_reads_their_packets() {
    with(Setup::default(), async |quic| {
        let mut peer = quic.open().await;
        let conn = opened(&quic).await;
        let mut conns = quic.rig.conns.clone();
        quic.status.hand_over();
        let next = quic.next(quic.outlet.as_slice());
        for round in 0..20_u8 {
            // Also from an address that neither process knows.
            if round % 5 == 4 {
                peer.rebind();
            }
            peer.send(0x81, &[b'a' + round; 3000]).await;
            hears(&quic, conn, &[b'a' + round; 3000]).await;
            conns.send_control(conn, &frame(&[b'A' + round; 3000]));
            assert_eq!(peer.next().await, Some((0x81, vec![b'A' + round; 3000])));
        }
        // New clients are the next process'.
        let mut other = quic.open().await;
        other.send(0x81, b"new").await;
        assert_eq!(other.next().await, Some((0x81, b"new".to_vec())));
        assert_eq!(quic.rig.conns.len(), 1);
        let metrics = &next.shard.context().metrics.quic;
        assert!(metrics.forwarded.get() >= 20);
        assert_eq!(metrics.lost.get(), 0);
        conns.close(conn, ErrorKind::GoingAway);
        is_sent_away(&mut peer).await;
        peer.send(0x88, &GOING_AWAY).await;
        assert_eq!(peer.closed().await, (1012, "going_away".to_owned()));
    });
}

#[test]
fn clients_that_are_shaking_hands_are_connected_by_the_earlier_process() {
    with(Setup::default(), async |quic| {
        // Connected, without a first message.
        let connection = quic.connect(NATIVE).await.unwrap();
        quic.status.hand_over();
        let _next = quic.next(quic.outlet.as_slice());
        let (mut sender, _receiver) = connection.open_bi().await.unwrap();
        let auth = frame(br#"{"type":"auth","token":"secret"}"#);
        sender.write_all(&auth).await.unwrap();
        opened(&quic).await;
    });
}

#[test]
fn clients_are_sent_away_at_once_when_no_process_forwards_their_packets() {
    for is_known_before in [true, false] {
        with(Setup::default(), async |mut quic| {
            let mut peer = quic.open().await;
            opened(&quic).await;
            let outlet = quic.outlet.take().filter(|_| !is_known_before);
            quic.status.hand_over();
            drop(outlet);
            is_sent_away(&mut peer).await;
        });
    }
}

#[test]
fn packets_wait_for_the_next_process() {
    with(Setup::default(), async |quic| {
        let peer = quic.open().await;
        opened(&quic).await;
        quic.status.hand_over();
        let endpoint = Client::client(([127, 0, 0, 1], 0).into()).unwrap();
        let connecting = endpoint.connect_with(quic.config(NATIVE), quic.addr, "localhost");
        let from = endpoint.local_addr().unwrap();
        let mut packet = [0; 2048];
        let mut read = || Some(quic.copy.recv_from(&mut packet).ok()?.1);
        quic.rig.until(|| (read()? == from).then_some(())).await;
        drop((connecting, peer));
    });
}
