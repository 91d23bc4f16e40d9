//! Clients that send more than the edge allows, or more than others leave time for.

use super::*;

/// Appends a frame of up to 125 bytes, masked with zeros.
fn put(bytes: &mut Vec<u8>, first: u8, payload: &[u8]) {
    bytes.extend_from_slice(&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0]);
    bytes.extend_from_slice(payload);
}

#[test]
fn d25_of_many_pings_at_once_the_last_ones_are_answered_in_order() {
    run(Setup::default(), async |rig| {
        let (mut client, _) = rig.open().await;
        let mut bytes = Vec::new();
        for i in 0..5000_u16 {
            put(&mut bytes, 0x89, &i.to_be_bytes());
        }
        // Nobody's turn ends.
        tokio::time::pause();
        client.write(&bytes).await;
        let (mut pongs, mut last) = (0, None);
        while last != Some(4999) {
            let (first, payload) = client.next().await.unwrap();
            assert_eq!(first, 0x8A);
            let number = u16::from_be_bytes(payload.try_into().unwrap());
            assert!(last < Some(number), "{number} after {last:?}");
            (pongs, last) = (pongs + 1, Some(number));
        }
        assert!(pongs < 1000, "{pongs}");
    });
}

#[test]
fn a_few_pings_at_once_are_all_answered() {
    run(Setup::default(), async |rig| {
        let (mut client, _) = rig.open().await;
        let mut bytes = Vec::new();
        for i in 0..10_u8 {
            put(&mut bytes, 0x89, &[i; 125]);
        }
        client.write(&bytes).await;
        for i in 0..10_u8 {
            assert_eq!(client.next().await, Some((0x8A, vec![i; 125])));
        }
    });
}

#[test]
fn d25_the_message_of_a_client_does_not_wait_for_the_flood_of_another() {
    run(Setup::default(), async |rig| {
        let (flooder, flooding) = rig.open().await;
        let (other, conn) = rig.open().await;
        let (mut flood, mut bytes) = (Vec::new(), Vec::new());
        while flood.len() < 60_000 {
            put(&mut flood, 0x81, b"");
        }
        put(&mut bytes, 0x81, b"move");
        // Both are there before the shard's next turn.
        let sent = flooder.0.try_write(&flood).unwrap();
        assert!(sent > 20_000, "{sent}");
        assert_eq!(other.0.try_write(&bytes).unwrap(), bytes.len());
        let (mut before, mut found) = (0, false);
        while before < sent / 6 {
            match rig.told().await {
                Told::Message(key, ..) if key == flooding => before += 1,
                told => {
                    assert_eq!(told, text(conn, "move"));
                    found = true;
                    break;
                }
            }
        }
        assert!(found, "the message came after the flood");
    });
}

#[test]
fn d25_frames_that_are_no_messages_are_charged_before_they_are_answered() {
    run(Setup::default(), async |rig| {
        for (first, more) in [(0x89, 0x89), (0x8A, 0x8A), (0x01, 0x00)] {
            rig.close_after_frames(10);
            let (mut client, conn) = rig.open().await;
            let mut bytes = Vec::new();
            put(&mut bytes, first, b"");
            for _ in 1..1000 {
                put(&mut bytes, more, b"");
            }
            client.write(&bytes).await;
            let reason = CloseReason::Closed(ErrorKind::RateLimited);
            assert_eq!(rig.told().await, Told::Closed(conn, reason));
            assert_eq!(client.next().await, close_frame(4029, "rate_limited"));
            // Further bytes of the client are neither decoded nor answered.
            client.write([0xFF; 1000]).await;
            assert_eq!(client.next().await, None);
            drop(client);
            rig.until(|| rig.conns.is_empty().then_some(())).await;
            assert_eq!(rig.try_told(), None);
        }
    });
}
