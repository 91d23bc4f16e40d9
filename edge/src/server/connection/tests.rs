use std::time::Duration;

use grandstand_common::error::ErrorKind;

use super::*;
use crate::conn::transport::SendStatus;
use crate::server::connections::Poller;
use crate::server::testing::{Peer as Client, Rig, Setup, Told, UPGRADE, run};
use crate::websocket::error::ProtocolError;
use crate::websocket::frame::MessageKind;

mod slow;

mod floods;

mod stalls;

mod deflate;

fn close_frame(code: u16, reason: &str) -> Option<(u8, Vec<u8>)> {
    let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
    Some((0x88, payload))
}

fn text(conn: ConnKey, text: &str) -> Told {
    Told::Message(conn, MessageKind::Text, text.as_bytes().to_vec())
}

#[test]
fn sending_to_a_socket_that_is_not_blocked_allocates_nothing() {
    run(Setup::default(), async |rig| {
        let (mut client, conn) = rig.open().await;
        let (mut conns, frame) = (rig.conns.clone(), frame::text("x"));
        let allocations = crate::alloc_counter::allocations(|| {
            for _ in 0..100 {
                assert_eq!(conns.send(conn, &frame), SendStatus::Written);
            }
        });
        assert_eq!(allocations, 0);
        for _ in 0..100 {
            assert_eq!(client.next().await, Some((0x81, b"x".to_vec())));
        }
    });
}

#[test]
fn a_close_frame_is_answered_with_its_code() {
    run(Setup::default(), async |rig| {
        for (payload, code) in [(&b"\x03\xE8bye"[..], Some(1000)), (b"", None)] {
            let (mut client, conn) = rig.open().await;
            client.frame(0x81, b"last").await;
            client.frame(0x88, payload).await;
            assert_eq!(rig.told().await, text(conn, "last"));
            let reason = CloseReason::Client(code);
            assert_eq!(rig.told().await, Told::Closed(conn, reason));
            let answer = &payload[..payload.len().min(2)];
            assert_eq!(client.next().await, Some((0x88, answer.to_vec())));
            assert_eq!(client.next().await, None);
            assert_eq!(
                rig.conns.clone().send(conn, &frame::ping(b"")),
                SendStatus::Gone
            );
        }
        assert_eq!(rig.server.context().metrics.connections.get(), 0);
    });
}

#[test]
fn a_client_that_keeps_sending_after_a_protocol_error_can_read_the_close_frame() {
    run(Setup::default(), async |rig| {
        let (mut client, conn) = rig.open().await;
        client.frame(0x81, b"good").await;
        client.write([0x81, 0x01, b'x']).await;
        for _ in 0..100 {
            client.frame(0x81, b"more").await;
        }
        assert_eq!(rig.told().await, text(conn, "good"));
        let reason = CloseReason::Protocol(ProtocolError::Unmasked);
        assert_eq!(rig.told().await, Told::Closed(conn, reason));
        let reason = "frame is not masked";
        assert_eq!(client.next().await, close_frame(1002, reason));
        assert_eq!(client.next().await, None);
        client.frame(0x81, b"still").await;
        drop(client);
        rig.until(|| rig.conns.is_empty().then_some(())).await;
        assert_eq!(rig.try_told(), None);
    });
}

#[test]
fn text_that_is_not_utf8_closes_the_connection_with_1007() {
    run(Setup::default(), async |rig| {
        let in_two_frames = [(0x01, &b"a"[..]), (0x80, b"\xFF")];
        for frames in [&[(0x81, &b"a\xFF"[..])][..], &in_two_frames] {
            let (mut client, conn) = rig.open().await;
            for (first, payload) in frames {
                client.frame(*first, payload).await;
            }
            let reason = CloseReason::Protocol(ProtocolError::Utf8);
            assert_eq!(rig.told().await, Told::Closed(conn, reason));
            let reason = "text is not UTF-8";
            assert_eq!(client.next().await, close_frame(1007, reason));
        }
    });
}

/// The tables of a shard are arrays that are indexed by the slot.
#[test]
fn connections_have_the_lowest_free_slots() {
    run(Setup::default(), async |rig| {
        let mut clients = Vec::new();
        for slot in 1..=5 {
            let (client, conn) = rig.open().await;
            assert_eq!(conn.index, slot);
            clients.push(client);
        }
    });
}

#[test]
fn a_close_by_the_core_is_reported_to_it_once() {
    run(Setup::default(), async |rig| {
        let (mut client, conn) = rig.open().await;
        let mut conns = rig.conns.clone();
        conns.close(conn, ErrorKind::Replaced);
        conns.close(conn, ErrorKind::Internal);
        assert_eq!(conns.send(conn, &frame::ping(b"")), SendStatus::Gone);
        let reason = CloseReason::Closed(ErrorKind::Replaced);
        assert_eq!(rig.told().await, Told::Closed(conn, reason));
        assert_eq!(client.next().await, close_frame(4009, "replaced"));
        // Messages that the client sends after the close are ignored.
        client.frame(0x81, b"too late").await;
        client.frame(0x88, &4009_u16.to_be_bytes()).await;
        assert_eq!(client.next().await, None);
        rig.until(|| rig.conns.is_empty().then_some(())).await;
        assert_eq!(rig.try_told(), None);

        let (_, next) = rig.open().await;
        assert_eq!(next.index, conn.index, "slots are used again");
        assert_ne!(next, conn);
        assert_eq!(conns.send(conn, &frame::ping(b"")), SendStatus::Gone);
    });
}

#[test]
fn a_socket_closed_without_a_close_frame_is_reported_as_lost() {
    run(Setup::default(), async |rig| {
        let (client, conn) = rig.open().await;
        drop(client);
        assert_eq!(rig.told().await, Told::Closed(conn, CloseReason::Lost));
        rig.until(|| rig.conns.is_empty().then_some(())).await;
    });
}

/// The kernel reports events in their order, at most [`Poller::MAX_EVENTS`] per poll.
#[test]
fn a_players_message_is_handled_before_hundreds_of_earlier_hangups() {
    run(Setup::default(), async |rig| {
        let (player, conn) = rig.open().await;
        let mut crowd = Vec::new();
        for _ in 0..2 * Poller::MAX_EVENTS {
            crowd.push(rig.open().await.0);
        }
        // None of this yields to the shard, so its next poll finds all events.
        drop(crowd);
        let frame = [&[0x81, 0x84, 0, 0, 0, 0], &b"move"[..]].concat();
        assert_eq!(player.0.try_write(&frame).unwrap(), frame.len());
        assert_eq!(rig.told().await, text(conn, "move"));
        for _ in 0..2 * Poller::MAX_EVENTS {
            let Told::Closed(_, CloseReason::Lost) = rig.told().await else {
                panic!("only hangups are expected after the move");
            };
        }
    });
}

#[test]
fn a_paused_connection_delivers_no_messages_until_it_is_resumed_and_loses_none() {
    run(Setup::default(), async |rig| {
        rig.pause_at_messages();
        let (mut client, conn) = rig.open().await;
        let mut bytes = Vec::new();
        for i in 0..50_u8 {
            bytes.extend_from_slice(&[0x82, 0x81, 0, 0, 0, 0, i]);
        }
        // Two writes, split inside a frame.
        client.write(&bytes[..100]).await;
        for i in 0..50_u8 {
            if i == 10 {
                client.write(&bytes[100..]).await;
            }
            let message = Told::Message(conn, MessageKind::Binary, vec![i]);
            assert_eq!(rig.told().await, message);
            tokio::task::yield_now().await;
            assert_eq!(
                rig.try_told(),
                None,
                "a message was delivered during the pause after {i}"
            );
            rig.conns.clone().pause(conn, false);
        }
    });
}

#[test]
fn a_message_over_the_limit_is_reported_before_the_connection_closes() {
    run(Setup::default(), async |rig| {
        let (mut client, conn) = rig.open().await;
        let mut bytes = vec![0x81, 0xFF, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0];
        bytes.extend_from_slice(br#"{"type":"input","id":5,"#);
        client.write(&bytes).await;
        let start = br#"{"type":"input","id":5,"#.to_vec();
        assert_eq!(rig.told().await, Told::TooBig(conn, start));
        let reason = CloseReason::Protocol(ProtocolError::TooBig { limit: 65_536 });
        assert_eq!(rig.told().await, Told::Closed(conn, reason));
        let reason = "message is longer than 65536 bytes";
        assert_eq!(client.next().await, close_frame(1009, reason));
    });
}

fn heartbeat(heartbeat: Duration) -> Setup {
    Setup {
        heartbeat,
        ..Setup::default()
    }
}

async fn answer_ping(client: &mut Client) {
    assert_eq!(client.next().await, Some((0x89, vec![])));
    client.frame(0x8A, b"").await;
}

#[test]
fn a_silent_client_is_pinged_and_then_closed() {
    run(heartbeat(Duration::from_millis(200)), async |rig| {
        let (mut client, conn) = rig.open().await;
        for _ in 0..3 {
            answer_ping(&mut client).await;
        }
        assert_eq!(rig.try_told(), None);
        assert_eq!(client.next().await, Some((0x89, vec![])));
        assert_eq!(client.next().await, close_frame(4008, "timeout"));
        let reason = CloseReason::Closed(ErrorKind::Timeout);
        assert_eq!(rig.told().await, Told::Closed(conn, reason));
    });
}

#[test]
fn the_heartbeat_of_a_paused_client_is_suspended() {
    run(heartbeat(Duration::from_millis(100)), async |rig| {
        let (mut client, conn) = rig.open().await;
        rig.conns.clone().pause(conn, true);
        // A client that is not paused is closed in the same time.
        let (mut other, _) = rig.open().await;
        while other.next().await.is_some_and(|(first, _)| first != 0x88) {}
        assert!(matches!(rig.told().await, Told::Closed(c, _) if c != conn));
        assert_eq!(rig.try_told(), None);
        rig.conns.clone().pause(conn, false);
        answer_ping(&mut client).await;
    });
}

#[test]
fn pings_are_answered_between_messages() {
    run(Setup::default(), async |rig| {
        let (mut client, conn) = rig.open().await;
        client.frame(0x01, b"a").await;
        client.frame(0x89, b"now?").await;
        assert_eq!(client.next().await, Some((0x8A, b"now?".to_vec())));
        client.frame(0x80, b"b").await;
        assert_eq!(rig.told().await, text(conn, "ab"));
    });
}
