//! Clients that negotiated compression.

use super::*;

/// A client that negotiated compression at `path`.
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

/// "Hello", compressed (RFC 7692 section 7.2.3.1).
const HELLO: [u8; 7] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];

#[test]
fn an_echo_is_compressed_for_clients_that_negotiated_compression() {
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

        // The next client in the same slot did not negotiate compression and gets uncompressed replies.
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
fn compressed_messages_reach_the_handler_inflated_and_are_counted() {
    run(deflating(), async |rig| {
        let mut client = compressing(&rig, "/v1/ws").await;
        assert!(matches!(rig.told().await, Told::Open(_, hello) if hello.format.deflate));
        client.frame(0x41, &HELLO[..2]).await;
        client.frame(0x80, &HELLO[2..]).await;
        client.frame(0x81, b"plain").await;
        assert!(
            matches!(rig.told().await, Told::Message(_, MessageKind::Text, m) if m == b"Hello")
        );
        assert!(matches!(rig.told().await, Told::Message(_, _, m) if m == b"plain"));
        let metrics = &rig.server.context().metrics;
        rig.until(|| (metrics.inflate_in_bytes.get() == 7).then_some(()))
            .await;
        assert_eq!(metrics.inflate_out_bytes.get(), 5);
        client.frame(0xC1, &HELLO[..3]).await;
        let reason = CloseReason::Protocol(ProtocolError::Deflate);
        assert!(matches!(rig.told().await, Told::Closed(_, why) if why == reason));
        assert_eq!(
            client.next().await,
            close_frame(1007, "message cannot be inflated")
        );
    });
}

#[test]
fn messages_buffered_during_a_pause_are_inflated_later() {
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
