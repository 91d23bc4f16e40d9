//! Rules of the stream of what games emit, for every bus.

use std::time::Duration;

use grandstand_common::bus::{Bus, BusOptions, OutGap, OutPosition, PublishError, Read};
use grandstand_common::id::Topic;
use grandstand_harness::nats::{NatsServer, TempDir};

use crate::rig::{Rig, emitted, options, soon, text};

fn topic(name: &str) -> Topic {
    name.parse().unwrap()
}

/// Emits an item and waits until it is stored.
async fn emit(bus: &Bus, to: &str, id: &str, body: impl ToString) -> u64 {
    let receipt = bus.emit(&topic(to), id, text(body)).await.unwrap();
    soon("an ack", receipt).await.unwrap()
}

pub(crate) async fn items_are_stored_in_order_and_read_by_topic(rig: Rig) {
    let mut receipts = Vec::new();
    for i in 0..300 {
        let to = topic(["results", "chat", "chatter"][i % 3]);
        let receipt = rig.bus.emit(&to, &format!("a.{i}"), text(i)).await.unwrap();
        receipts.push((to, i, receipt));
    }
    let mut stored = Vec::new();
    for (to, i, receipt) in receipts {
        let seq = soon("an ack", receipt).await.unwrap();
        assert_eq!(seq, i as u64 + 1);
        stored.push((to, i, seq));
    }
    for topics in [&["chat"][..], &["results", "chatter"], &[]] {
        let topics: Vec<_> = topics.iter().map(|name| topic(name)).collect();
        let mut reader = rig.other.read_out(&topics, None).await.unwrap();
        assert_eq!(reader.gap(), OutGap::None);
        for (to, i, seq) in &stored {
            if !topics.is_empty() && !topics.contains(to) {
                continue;
            }
            let item = emitted(&mut reader).await;
            assert_eq!((&item.topic, item.seq), (to, *seq));
            assert_eq!((item.id, item.body), (format!("a.{i}"), text(i)));
            assert!(item.time_ms > 1_600_000_000_000);
        }
        assert_eq!(soon("idle", reader.next()).await, Read::Idle);
    }
}

pub(crate) async fn a_repeated_id_is_stored_once(rig: Rig) {
    let first = emit(&rig.bus, "results", "a.1", "first").await;
    assert_eq!(emit(&rig.other, "results", "a.1", "again").await, first);
    // The second one is sent before the first one is stored.
    let mut receipts = Vec::new();
    for _ in 0..2 {
        let sent = rig.bus.emit(&topic("results"), "a.2", text("x")).await;
        receipts.push(sent.unwrap());
    }
    for receipt in receipts {
        assert_eq!(soon("an ack", receipt).await.unwrap(), first + 1);
    }
    assert_eq!(emit(&rig.bus, "results", "a.3", "last").await, first + 2);
    let mut reader = rig.other.read_out(&[], None).await.unwrap();
    for body in ["first", "x", "last"] {
        assert_eq!(emitted(&mut reader).await.body, body);
    }
}

pub(crate) async fn a_reader_goes_on_behind_a_position(rig: Rig) {
    for i in 1..=10 {
        emit(&rig.bus, ["results", "chat"][i % 2], &format!("a.{i}"), i).await;
    }
    let results = [topic("results")];
    let mut reader = rig.other.read_out(&results, None).await.unwrap();
    for i in [2, 4] {
        assert_eq!(emitted(&mut reader).await.body, text(i));
    }
    let item = emitted(&mut reader).await;
    let position = reader.position(&item);
    let created_ms = position.created_ms;
    assert_eq!(position, OutPosition { created_ms, seq: 6 });
    let mut again = rig.other.read_out(&results, Some(position)).await.unwrap();
    assert_eq!(again.gap(), OutGap::None);
    for i in [8, 10] {
        assert_eq!(emitted(&mut again).await.body, text(i));
    }
    assert_eq!(soon("idle", again.next()).await, Read::Idle);
    let end = OutPosition {
        created_ms,
        seq: 10,
    };
    let mut live = rig.bus.read_out(&results, Some(end)).await.unwrap();
    assert_eq!(live.gap(), OutGap::None);
    assert_eq!(soon("idle", live.next()).await, Read::Idle);
    emit(&rig.bus, "chat", "a.11", 11).await;
    emit(&rig.bus, "results", "a.12", 12).await;
    for reader in [&mut again, &mut live] {
        let item = emitted(reader).await;
        assert_eq!((item.seq, item.body), (12, text(12)));
    }
}

pub(crate) async fn a_position_in_another_stream_begins_again(rig: Rig) {
    for i in 1..=3 {
        emit(&rig.bus, "results", &format!("a.{i}"), i).await;
    }
    let mut reader = rig.bus.read_out(&[], None).await.unwrap();
    let item = emitted(&mut reader).await;
    let position = reader.position(&item);
    let other = OutPosition {
        created_ms: position.created_ms - 1,
        ..position
    };
    let ahead = OutPosition { seq: 4, ..position };
    for position in [other, ahead] {
        let mut reader = rig.other.read_out(&[], Some(position)).await.unwrap();
        assert_eq!(reader.gap(), OutGap::Restarted);
        assert_eq!(emitted(&mut reader).await.seq, 1);
    }
}

pub(crate) async fn bad_topics_and_ids_are_refused(rig: Rig) {
    for name in ["", "a.b", "a b", "*", ">", &"a".repeat(65)] {
        assert!(name.parse::<Topic>().is_err(), "{name:?}");
    }
    let long = "a".repeat(129);
    for id in ["", "a b", "a..b", "a\r\nb", "*", &long] {
        let refused = rig.bus.emit(&topic("results"), id, text(1)).await;
        let error = refused.map(drop).unwrap_err();
        assert_eq!(error, PublishError::BadSubject(id.to_owned()));
    }
    let body = vec![b'x'; rig.bus.max_payload() + 1].into();
    let refused = rig.bus.emit(&topic("results"), "a.1", body).await;
    let error = refused.map(drop).unwrap_err();
    assert!(matches!(error, PublishError::TooBig { .. }), "{error}");
    assert_eq!(emit(&rig.bus, "results", "a.1", 1).await, 1);
}

/// Emits `count` items and returns the position behind the second one.
async fn emit_some(bus: &Bus, count: u64) -> OutPosition {
    for i in 1..=count {
        let seq = emit(bus, "results", &format!("a.{i}"), i).await;
        assert_eq!(seq, i);
    }
    let mut reader = bus.read_out(&[], None).await.unwrap();
    let mut item = emitted(&mut reader).await;
    while item.seq < 2 {
        item = emitted(&mut reader).await;
    }
    let seq = 2;
    OutPosition {
        seq,
        ..reader.position(&item)
    }
}

#[tokio::test]
async fn a_bus_without_a_folder_drops_the_oldest_items_that_exceed_its_memory() {
    let small = BusOptions {
        log_memory: 10_000,
        ..options()
    };
    let bus = Bus::embedded(&small).unwrap();
    let position = emit_some(&bus, 200).await;
    let mut reader = bus.read_out(&[], Some(position)).await.unwrap();
    assert_eq!(reader.gap(), OutGap::Removed);
    let first = emitted(&mut reader).await;
    assert!((100..200).contains(&first.seq), "{}", first.seq);
    let mut last = first;
    while last.seq < 200 {
        let next = emitted(&mut reader).await;
        assert_eq!(next.seq, last.seq + 1);
        last = next;
    }
}

#[tokio::test]
async fn a_folder_keeps_items_and_knows_their_ids_after_a_restart() {
    let dir = TempDir::new("out");
    let options = options();
    let open = || Bus::open_embedded(Some(dir.path()), &options);
    let bus = open().await.unwrap();
    let position = emit_some(&bus, 5).await;
    drop(bus);
    let bus = open().await.unwrap();
    assert_eq!(emit(&bus, "results", "a.4", "again").await, 4);
    assert_eq!(emit(&bus, "results", "a.6", 6).await, 6);
    let mut reader = bus.read_out(&[], Some(position)).await.unwrap();
    assert_eq!(reader.gap(), OutGap::None);
    for i in 3..=6 {
        let item = emitted(&mut reader).await;
        assert_eq!((item.seq, item.body), (i, text(i)));
    }
    drop((reader, bus));
    let bus = Bus::inspect_folder(dir.path(), &options).await.unwrap();
    let mut reader = bus.read_out(&[], Some(position)).await.unwrap();
    assert_eq!(emitted(&mut reader).await.body, text(3));
}

#[tokio::test]
async fn items_that_nats_has_removed_unread_are_a_gap() {
    let server = NatsServer::start().await;
    let bus = Bus::connect_nats(&server.url(), &options()).await.unwrap();
    let position = emit_some(&bus, 5).await;
    let purge = "$JS.API.STREAM.PURGE.OUT".to_owned();
    let wait = Duration::from_secs(5);
    bus.request(purge, text(r#"{"seq":4}"#), wait)
        .await
        .unwrap();
    let mut reader = bus.read_out(&[], Some(position)).await.unwrap();
    assert_eq!(reader.gap(), OutGap::Removed);
    let item = emitted(&mut reader).await;
    assert_eq!(item.seq, 4);
    let position = reader.position(&item);
    let reader = bus.read_out(&[], Some(position)).await.unwrap();
    assert_eq!(reader.gap(), OutGap::None);
}

#[tokio::test]
async fn a_stream_that_nats_has_lost_is_created_again_and_begins_again() {
    let mut server = NatsServer::start().await;
    let bus = Bus::connect_nats(&server.url(), &options()).await.unwrap();
    let position = emit_some(&bus, 2).await;
    let mut reader = bus.read_out(&[], Some(position)).await.unwrap();
    server.restart_wiped().await;
    while soon("the loss", reader.next()).await != Read::Lost {}
    soon("the stream", async {
        loop {
            let id = "b.1";
            if let Ok(receipt) = bus.emit(&topic("results"), id, text("new")).await
                && receipt.await == Ok(1)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let mut reader = bus.read_out(&[], Some(position)).await.unwrap();
    assert_eq!(reader.gap(), OutGap::Restarted);
    assert_eq!(emitted(&mut reader).await.body, "new");
}
