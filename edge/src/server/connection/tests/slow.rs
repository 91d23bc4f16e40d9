//! Clients that read more slowly than the edge sends.

use bytes::Bytes;

use super::*;

/// Sends frames of 1000 bytes until the outbox is full. Returns the number of frames accepted.
fn fill(rig: &Rig, conn: ConnKey) -> usize {
    let frame = frame::binary(&[7; 1000]);
    let mut taken = 0;
    loop {
        match rig.conns.clone().send(conn, &frame) {
            SendStatus::Written | SendStatus::Queued => taken += 1,
            SendStatus::Full => return taken,
            SendStatus::Gone => panic!("gone"),
        }
    }
}

#[test]
fn a_discard_drops_whole_frames_and_is_followed_by_drained() {
    run(Setup::default(), async |rig| {
        let (mut client, conn) = rig.open().await;
        let mut conns = rig.conns.clone();
        let taken = fill(&rig, conn);
        assert!(taken > 60, "{taken}");
        let kept = frame::text("must not be lost");
        assert_eq!(conns.send_control(conn, &kept), SendStatus::Queued);
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
        assert_eq!(conns.send(conn, &kept), SendStatus::Written);
        assert_eq!(rig.try_told(), None);
    });
}

#[test]
fn a_discard_of_all_frames_is_followed_by_drained() {
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
fn a_discard_of_an_empty_outbox_is_followed_by_drained() {
    run(Setup::default(), async |rig| {
        let (mut client, conn) = rig.open().await;
        rig.conns.clone().discard(conn);
        assert_eq!(rig.told().await, Told::Drained(conn));
        let sent = rig.conns.clone().send(conn, &frame::text("on"));
        assert_eq!(sent, SendStatus::Written);
        assert_eq!(client.next().await, Some((0x81, b"on".to_vec())));
    });
}

#[test]
fn control_frames_beyond_twice_the_cap_close_the_connection() {
    run(Setup::default(), async |rig| {
        let (mut client, conn) = rig.open().await;
        let mut conns = rig.conns.clone();
        let frame = Bytes::from(vec![0; 0]);
        assert_eq!(conns.send_control(conn, &frame), SendStatus::Written);
        let frame = frame::binary(&[7; 1000]);
        let mut sent = 0;
        while conns.send_control(conn, &frame) != SendStatus::Gone {
            sent += 1;
        }
        assert!(sent > 120, "{sent}");
        let reason = CloseReason::Closed(ErrorKind::TooSlow);
        assert_eq!(rig.told().await, Told::Closed(conn, reason));
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
