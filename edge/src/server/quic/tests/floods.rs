//! Clients that send what nobody needs, as fast as they can.

use bytes::Bytes;
use quinn::Connection;

use super::*;

/// Floods until the client is closed for it.
fn floods(flood: impl AsyncFn(&Connection)) {
    with(Setup::default(), async |quic| {
        quic.rig.close_after_frames(50);
        let mut peer = quic.open().await;
        let conn = opened(&quic).await;
        let connection = peer.connection.clone();
        let flooding = async {
            loop {
                flood(&connection).await;
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            told = quic.rig.told() => {
                let reason = CloseReason::Closed(ErrorKind::RateLimited);
                assert_eq!(told, Told::Closed(conn, reason));
            }
            () = flooding => {}
        }
        let close = peer.next().await.unwrap();
        let code = 4029_u16.to_be_bytes();
        assert_eq!((close.0, &close.1[..2]), (0x88, code.as_slice()));
    });
}

#[test]
fn d25_datagrams_that_are_no_frames_are_charged() {
    floods(async |connection| {
        let nothing = Bytes::from_static(b"nothing");
        connection.send_datagram_wait(nothing).await.ok();
    });
}

#[test]
fn d25_streams_that_nobody_needs_are_charged() {
    floods(async |connection| {
        if let Ok(mut stream) = connection.open_uni().await {
            stream.reset(VarInt::from_u32(0)).ok();
        }
    });
}
