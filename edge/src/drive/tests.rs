use std::time::Duration;

use bytes::Bytes;
use grandstand_common::error::ErrorKind;

use super::*;
use crate::front::testing::{Peer as Client, Rig, Setup, Told, UPGRADE, run};
use crate::session::Fault;
use crate::sink::Sent;

fn close_frame(code: u16, reason: &str) -> Option<(u8, Vec<u8>)> {
    let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
    Some((0x88, payload))
}

fn text(conn: ConnKey, text: &str) -> Told {
    Told::Message(conn, MessageKind::Text, text.as_bytes().to_vec())
}

/// Sends frames of 1000 bytes until the sink does not take them any more; returns how many it took.
fn fill(rig: &Rig, conn: ConnKey) -> usize {
    let frame = frame::binary(&[7; 1000]);
    let mut taken = 0;
    loop {
        match rig.conns.clone().send(conn, &frame) {
            Sent::Written | Sent::Queued => taken += 1,
            Sent::Full => return taken,
            Sent::Gone => panic!("gone"),
        }
    }
}

#[test]
fn to_send_what_a_socket_takes_allocates_nothing() {
    run(Setup::default(), async |rig| {
        let (mut client, conn) = rig.open().await;
        let (mut conns, frame) = (rig.conns.clone(), frame::text("x"));
        let allocations = crate::counted::allocations(|| {
            for _ in 0..100 {
                assert_eq!(conns.send(conn, &frame), Sent::Written);
            }
        });
        assert_eq!(allocations, 0);
        for _ in 0..100 {
            assert_eq!(client.next().await, Some((0x81, b"x".to_vec())));
        }
    });
}

#[test]
fn a_client_that_closes_is_answered_with_its_code() {
    run(Setup::default(), async |rig| {
        for (payload, code) in [(&b"\x03\xE8bye"[..], Some(1000)), (b"", None)] {
            let (mut client, conn) = rig.open().await;
            client.frame(0x81, b"last").await;
            client.frame(0x88, payload).await;
            assert_eq!(rig.told().await, text(conn, "last"));
            let ending = Ending::Client(code);
            assert_eq!(rig.told().await, Told::Closed(conn, ending));
            let answer = &payload[..payload.len().min(2)];
            assert_eq!(client.next().await, Some((0x88, answer.to_vec())));
            assert_eq!(client.next().await, None);
            assert_eq!(rig.conns.clone().send(conn, &frame::ping(b"")), Sent::Gone);
        }
        assert_eq!(rig.front.metrics.connections.get(), 0);
    });
}

#[test]
fn a_fault_is_answered_and_can_be_read_though_the_client_goes_on_sending() {
    run(Setup::default(), async |rig| {
        let (mut client, conn) = rig.open().await;
        client.frame(0x81, b"good").await;
        client.write([0x81, 0x01, b'x']).await;
        for _ in 0..100 {
            client.frame(0x81, b"more").await;
        }
        assert_eq!(rig.told().await, text(conn, "good"));
        let ending = Ending::Fault(Fault::Unmasked);
        assert_eq!(rig.told().await, Told::Closed(conn, ending));
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
fn the_core_closes_and_hears_of_it_once() {
    run(Setup::default(), async |rig| {
        let (mut client, conn) = rig.open().await;
        let mut conns = rig.conns.clone();
        conns.close(conn, ErrorKind::Replaced);
        conns.close(conn, ErrorKind::Internal);
        assert_eq!(conns.send(conn, &frame::ping(b"")), Sent::Gone);
        let ending = Ending::Closed(ErrorKind::Replaced);
        assert_eq!(rig.told().await, Told::Closed(conn, ending));
        assert_eq!(client.next().await, close_frame(4009, "replaced"));
        // What the client said meanwhile counts no more.
        client.frame(0x81, b"too late").await;
        client.frame(0x88, &4009_u16.to_be_bytes()).await;
        assert_eq!(client.next().await, None);
        rig.until(|| rig.conns.is_empty().then_some(())).await;
        assert_eq!(rig.try_told(), None);

        let (_, next) = rig.open().await;
        assert_eq!((next.index, next.generation), (conn.index, 1));
        assert_eq!(conns.send(conn, &frame::ping(b"")), Sent::Gone);
    });
}

#[test]
fn a_client_that_vanishes_is_lost() {
    run(Setup::default(), async |rig| {
        let (client, conn) = rig.open().await;
        drop(client);
        assert_eq!(rig.told().await, Told::Closed(conn, Ending::Lost));
        rig.until(|| rig.conns.is_empty().then_some(())).await;
    });
}

/// The kernel tells what has happened in its order, and of so many at a time.
#[test]
fn who_plays_is_heard_before_hundreds_who_hung_up_earlier() {
    run(Setup::default(), async |rig| {
        let (player, conn) = rig.open().await;
        let mut crowd = Vec::new();
        for _ in 0..2 * Ready::MOST {
            crowd.push(rig.open().await.0);
        }
        // Nothing of this waits for the shard, so it finds all of it at once.
        drop(crowd);
        let frame = [&[0x81, 0x84, 0, 0, 0, 0], &b"move"[..]].concat();
        assert_eq!(player.0.try_write(&frame).unwrap(), frame.len());
        assert_eq!(rig.told().await, text(conn, "move"));
        for _ in 0..2 * Ready::MOST {
            let Told::Closed(_, Ending::Lost) = rig.told().await else {
                panic!("nobody else said anything");
            };
        }
    });
}

#[test]
fn a_paused_connection_says_nothing_until_it_is_resumed_and_loses_nothing() {
    run(Setup::default(), async |rig| {
        rig.pause_at_messages();
        let (mut client, conn) = rig.open().await;
        let mut bytes = Vec::new();
        for i in 0..50_u8 {
            bytes.extend_from_slice(&[0x82, 0x81, 0, 0, 0, 0, i]);
        }
        // In two writes, cut inside a frame.
        client.write(&bytes[..100]).await;
        for i in 0..50_u8 {
            if i == 10 {
                client.write(&bytes[100..]).await;
            }
            let message = Told::Message(conn, MessageKind::Binary, vec![i]);
            assert_eq!(rig.told().await, message);
            tokio::task::yield_now().await;
            assert_eq!(rig.try_told(), None, "paused after {i}");
            rig.conns.clone().pause(conn, false);
        }
    });
}

#[test]
fn a_slow_reader_loses_whole_frames_and_the_core_hears_when_it_has_caught_up() {
    run(Setup::default(), async |rig| {
        let (mut client, conn) = rig.open().await;
        let mut conns = rig.conns.clone();
        let taken = fill(&rig, conn);
        assert!(taken > 60, "{taken}");
        let kept = frame::text("must not be lost");
        assert_eq!(conns.send_control(conn, &kept), Sent::Queued);
        conns.discard(conn);
        let mut got = 0;
        loop {
            match client.next().await {
                Some((0x82, payload)) => {
                    assert_eq!(payload, [7; 1000]);
                    got += 1;
                }
                other => {
                    assert_eq!(other, Some((0x81, b"must not be lost".to_vec())));
                    break;
                }
            }
        }
        assert!(got < taken - 50, "{got} of {taken}");
        assert_eq!(rig.told().await, Told::Drained(conn));
        assert_eq!(conns.send(conn, &kept), Sent::Written);
        assert_eq!(rig.try_told(), None);
    });
}

#[test]
fn a_discard_that_leaves_nothing_is_followed_by_drained_too() {
    run(Setup::default(), async |rig| {
        let (mut client, conn) = rig.open().await;
        fill(&rig, conn);
        rig.conns.clone().discard(conn);
        let reads = async { while client.next().await.is_some() {} };
        tokio::select! {
            told = rig.told() => assert_eq!(told, Told::Drained(conn)),
            () = reads => panic!("closed"),
        }
    });
}

#[test]
fn a_discard_where_nothing_waits_is_followed_by_drained_too() {
    run(Setup::default(), async |rig| {
        let (mut client, conn) = rig.open().await;
        rig.conns.clone().discard(conn);
        assert_eq!(rig.told().await, Told::Drained(conn));
        let sent = rig.conns.clone().send(conn, &frame::text("on"));
        assert_eq!(sent, Sent::Written);
        assert_eq!(client.next().await, Some((0x81, b"on".to_vec())));
    });
}

#[test]
fn too_much_that_must_not_be_lost_ends_the_connection() {
    run(Setup::default(), async |rig| {
        let (mut client, conn) = rig.open().await;
        let mut conns = rig.conns.clone();
        let frame = Bytes::from(vec![0; 0]);
        assert_eq!(conns.send_control(conn, &frame), Sent::Written);
        let frame = frame::binary(&[7; 1000]);
        let mut sent = 0;
        while conns.send_control(conn, &frame) != Sent::Gone {
            sent += 1;
        }
        assert!(sent > 120, "{sent}");
        let ending = Ending::Closed(ErrorKind::TooSlow);
        assert_eq!(rig.told().await, Told::Closed(conn, ending));
        loop {
            match client.next().await {
                Some((0x82, payload)) => assert_eq!(payload, [7; 1000]),
                other => {
                    assert_eq!(other, close_frame(4008, "too_slow"));
                    break;
                }
            }
        }
    });
}

#[test]
fn an_echo_waits_for_a_slow_reader_and_sends_everything_back() {
    run(Setup::default(), async |rig| {
        let mut client = rig.connect().await;
        let request = UPGRADE.replace("/v1/ws", "/v1/echo");
        client.write(format!("{request}\r\n")).await;
        client.head().await;
        const MESSAGES: usize = 3000;
        let (mut reader, mut writer) = client.0.into_split();
        let writes = tokio::task::spawn_local(async move {
            for i in 0..MESSAGES {
                let mut bytes = vec![0x82, 0x80 | 126, 4, 0, 0, 0, 0, 0];
                bytes.resize(8 + 1024, i as u8);
                tokio::io::AsyncWriteExt::write_all(&mut writer, &bytes)
                    .await
                    .unwrap();
            }
            writer
        });
        for i in 0..MESSAGES {
            let mut bytes = vec![0; 4 + 1024];
            tokio::io::AsyncReadExt::read_exact(&mut reader, &mut bytes)
                .await
                .unwrap();
            assert_eq!(bytes[4..], [i as u8; 1024]);
        }
        writes.await.unwrap();
    });
}

/// A client that offered compression, at a path.
async fn compressing(rig: &Rig, path: &str) -> Client {
    let mut client = rig.connect().await;
    let request = UPGRADE.replace("/v1/ws", path);
    let offer = "Sec-WebSocket-Extensions: permessage-deflate";
    client.write(format!("{request}{offer}\r\n\r\n")).await;
    let head = client.head().await;
    assert!(head.contains("permessage-deflate"), "{head}");
    client
}

fn deflating() -> Setup {
    let mut setup = Setup::default();
    setup.options.deflate = true;
    setup
}

/// "Hello" (RFC 7692 section 7.2.3.1).
const HELLO: [u8; 7] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];

#[test]
fn an_echo_inflates_and_compresses_for_those_who_agreed_on_it() {
    run(deflating(), async |rig| {
        let mut client = compressing(&rig, "/v1/echo").await;
        client.frame(0xC1, &HELLO).await;
        assert_eq!(client.next().await, Some((0x81, b"Hello".to_vec())));
        let long = "na ".repeat(100);
        let mut frame = vec![0x82, 0x80 | 126, 1, 44, 0, 0, 0, 0];
        frame.extend_from_slice(long.as_bytes());
        client.write(&frame).await;
        let (first, payload) = client.next().await.unwrap();
        assert_eq!(first, 0xC2);
        assert!(payload.len() < 20, "{}", payload.len());
        client.frame(0xC2, &payload).await;
        assert_eq!(client.next().await, Some((0xC2, payload)));

        // Who has its place next, and did not offer it, is sent none.
        client.frame(0x88, b"").await;
        assert_eq!(client.next().await, Some((0x88, vec![])));
        rig.until(|| rig.conns.is_empty().then_some(())).await;
        let mut other = rig.connect().await;
        let request = UPGRADE.replace("/v1/ws", "/v1/echo");
        other.write(format!("{request}\r\n")).await;
        other.head().await;
        other.write(&frame).await;
        assert_eq!(other.next().await, Some((0x82, long.into_bytes())));
        other.frame(0xC1, &HELLO).await;
        assert_eq!(
            other.next().await,
            close_frame(1002, "reserved bits are set")
        );
    });
}

#[test]
fn compressed_messages_reach_the_endpoint_inflated_and_are_counted() {
    run(deflating(), async |rig| {
        let mut client = compressing(&rig, "/v1/ws").await;
        assert!(matches!(rig.told().await, Told::Open(_, hello) if hello.form.deflate));
        client.frame(0x41, &HELLO[..2]).await;
        client.frame(0x80, &HELLO[2..]).await;
        client.frame(0x81, b"plain").await;
        assert!(
            matches!(rig.told().await, Told::Message(_, MessageKind::Text, m) if m == b"Hello")
        );
        assert!(matches!(rig.told().await, Told::Message(_, _, m) if m == b"plain"));
        let metrics = &rig.front.metrics;
        rig.until(|| (metrics.inflate_in_bytes.get() == 7).then_some(()))
            .await;
        assert_eq!(metrics.inflate_out_bytes.get(), 5);
        client.frame(0xC1, &HELLO[..3]).await;
        let ending = Ending::Fault(Fault::Deflate);
        assert!(matches!(rig.told().await, Told::Closed(_, why) if why == ending));
        assert_eq!(
            client.next().await,
            close_frame(1007, "message cannot be inflated")
        );
    });
}

#[test]
fn what_is_held_while_paused_is_inflated_later() {
    run(deflating(), async |rig| {
        rig.pause_at_messages();
        let mut client = compressing(&rig, "/v1/ws").await;
        let Told::Open(conn, _) = rig.told().await else {
            panic!("not opened");
        };
        let mut bytes = Vec::new();
        for _ in 0..20 {
            bytes.extend_from_slice(&[0xC1, 0x87, 0, 0, 0, 0]);
            bytes.extend_from_slice(&HELLO);
        }
        client.write(&bytes).await;
        for _ in 0..20 {
            assert_eq!(rig.told().await, text(conn, "Hello"));
            rig.conns.clone().pause(conn, false);
        }
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
fn a_silent_client_is_pinged_and_at_last_closed() {
    run(heartbeat(Duration::from_millis(200)), async |rig| {
        let (mut client, conn) = rig.open().await;
        for _ in 0..3 {
            answer_ping(&mut client).await;
        }
        assert_eq!(rig.try_told(), None);
        assert_eq!(client.next().await, Some((0x89, vec![])));
        assert_eq!(client.next().await, close_frame(1008, "timeout"));
        let ending = Ending::Closed(ErrorKind::Timeout);
        assert_eq!(rig.told().await, Told::Closed(conn, ending));
    });
}

#[test]
fn a_paused_client_is_not_held_to_its_heartbeat() {
    run(heartbeat(Duration::from_millis(100)), async |rig| {
        let (mut client, conn) = rig.open().await;
        rig.conns.clone().pause(conn, true);
        // Another one, which is not paused, is closed meanwhile.
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
