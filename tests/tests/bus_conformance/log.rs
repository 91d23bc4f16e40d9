//! Rules of the log, for every bus.

use grandstand_common::bus::{Bucket, Read};
use grandstand_common::id::{Partition, RoomId};
use grandstand_common::subject;

use crate::rig::{Rig, append, entry, soon, text};

const P0: Partition = Partition(0);
const P2: Partition = Partition(2);

pub(crate) async fn appends_are_stored_in_order_with_growing_sequences(rig: Rig) {
    let mut receipts = Vec::new();
    for i in 0..500 {
        receipts.push(
            rig.bus
                .append("in.0.room".to_owned(), text(i))
                .await
                .unwrap(),
        );
    }
    let mut last = 0;
    for receipt in receipts {
        let seq = soon("an ack", receipt).await.unwrap();
        assert!(seq > last, "{seq} after {last}");
        last = seq;
    }
    let mut reader = rig.other.read_log(P0, 1).await.unwrap();
    for i in 0..500 {
        assert_eq!(entry(&mut reader).await.0.payload, text(i));
    }
}

pub(crate) async fn partitions_that_share_a_stream_are_read_separately(rig: Rig) {
    let mut seqs = Vec::new();
    for i in 0..6 {
        let subject = format!("in.{}.room", [0, 2, 1][i % 3]);
        seqs.push(append(&rig.bus, &subject, i).await);
    }
    assert_eq!(
        [seqs[0], seqs[1], seqs[3], seqs[4]],
        [1, 2, 3, 4],
        "partitions 0 and 2 share a stream"
    );
    assert_eq!(
        [seqs[2], seqs[5]],
        [1, 2],
        "partition 1 is in another stream"
    );
    let mut reader = rig.bus.read_log(P2, 1).await.unwrap();
    for (seq, payload) in [(2, 1), (4, 4)] {
        let (entry, _) = entry(&mut reader).await;
        assert_eq!((entry.seq, entry.payload), (seq, text(payload)));
        assert_eq!(entry.subject, "in.2.room");
    }
    assert_eq!(soon("idle", reader.next()).await, Read::Idle);
}

pub(crate) async fn a_log_is_read_from_a_sequence_and_then_live(rig: Rig) {
    for i in 1..=10 {
        append(&rig.bus, "in.0.room", i).await;
    }
    let mut reader = rig.other.read_log(P0, 7).await.unwrap();
    for i in 7..=10 {
        let (entry, pending) = entry(&mut reader).await;
        assert_eq!((entry.seq, entry.payload), (i, text(i)));
        assert_eq!(pending, 10 - i);
    }
    assert_eq!(append(&rig.bus, "in.0.room", 11).await, 11);
    assert_eq!(entry(&mut reader).await.0.seq, 11);
    let mut ahead = rig.other.read_log(P0, 12).await.unwrap();
    assert_eq!(soon("idle", ahead.next()).await, Read::Idle);
    append(&rig.bus, "in.0.room", 12).await;
    assert_eq!(entry(&mut ahead).await.0.seq, 12);
}

pub(crate) async fn an_empty_log_is_idle_at_once(rig: Rig) {
    let mut reader = rig.bus.read_log(P0, 1).await.unwrap();
    assert_eq!(soon("idle", reader.next()).await, Read::Idle);
    let mut watch = rig.bus.watch(Bucket::Rooms(P0), "0.").await.unwrap();
    assert_eq!(soon("idle", watch.next()).await, Read::Idle);
    assert_eq!(reader.try_next(), None);
    assert_eq!(soon("another idle", reader.next()).await, Read::Idle);
}

pub(crate) async fn many_readers_each_get_all(rig: Rig) {
    let mut readers = Vec::new();
    for i in 0..20 {
        let bus = if i % 2 == 0 { &rig.bus } else { &rig.other };
        readers.push(bus.read_log(P0, 1).await.unwrap());
    }
    for i in 0..300 {
        drop(
            rig.bus
                .append("in.0.room".to_owned(), text(i))
                .await
                .unwrap(),
        );
    }
    for reader in &mut readers {
        for i in 0..300 {
            assert_eq!(entry(reader).await.0.payload, text(i));
        }
    }
}

pub(crate) async fn log_state_says_where_it_begins_and_ends(rig: Rig) {
    let empty = rig.bus.log_state(P0).await.unwrap();
    assert_eq!((empty.first, empty.last), (1, 0));
    assert!(empty.created_ms > 1_600_000_000_000);
    append(&rig.bus, "in.0.room", 1).await;
    append(&rig.bus, "in.2.room", 2).await;
    let state = rig.other.log_state(P0).await.unwrap();
    assert_eq!((state.first, state.last), (1, 2));
    assert_eq!(state.created_ms, empty.created_ms);
    assert_eq!(rig.bus.log_state(Partition(1)).await.unwrap().last, 0);
}

pub(crate) async fn times_never_go_backwards(rig: Rig) {
    for i in 0..50 {
        append(&rig.bus, "in.0.room", i).await;
    }
    let mut reader = rig.bus.read_log(P0, 1).await.unwrap();
    let mut last = 0;
    for _ in 0..50 {
        let (entry, _) = entry(&mut reader).await;
        assert!(entry.time_ms >= last && entry.time_ms > 1_600_000_000_000);
        last = entry.time_ms;
    }
}

pub(crate) async fn the_log_of_one_room_is_read_alone(rig: Rig) {
    let room: RoomId = "relay-1".parse().unwrap();
    let partition = rig.bus.layout().partition_of(&room);
    let (mine, other) = (
        subject::log(partition, &room),
        format!("in.{partition}.relay-10"),
    );
    let empty = || async { rig.other.read_room(&room, 1).await.unwrap() };
    assert_eq!(soon("idle", empty().await.next()).await, Read::Idle);
    let (mut receipts, mut seqs) = (Vec::new(), Vec::new());
    for i in 0..900 {
        let is_mine = i % 9 == 4 || (400..500).contains(&i);
        let subject = if is_mine { &mine } else { &other };
        let receipt = rig.bus.append(subject.clone(), text(i)).await.unwrap();
        receipts.push((is_mine, i, receipt));
    }
    for (is_mine, i, receipt) in receipts {
        let seq = soon("an ack", receipt).await.unwrap();
        seqs.extend(is_mine.then_some((seq, i)));
    }
    for from in [1, seqs[70].0, seqs[70].0 + 1] {
        let mut reader = rig.other.read_room(&room, from).await.unwrap();
        let expected: Vec<_> = seqs.iter().filter(|(seq, _)| *seq >= from).collect();
        for (at, (seq, i)) in expected.iter().enumerate() {
            let (entry, behind) = entry(&mut reader).await;
            assert_eq!((entry.seq, &entry.subject), (*seq, &mine));
            assert_eq!(entry.payload, text(i));
            assert_eq!(
                behind == 0,
                at + 1 == expected.len(),
                "{behind} behind {at}"
            );
        }
        assert_eq!(soon("idle", reader.next()).await, Read::Idle);
    }
    let mut reader = rig
        .other
        .read_room(&room, seqs[seqs.len() - 1].0 + 1)
        .await
        .unwrap();
    append(&rig.bus, &other, "x").await;
    let seq = append(&rig.bus, &mine, "y").await;
    assert_eq!(entry(&mut reader).await.0.seq, seq);
}
