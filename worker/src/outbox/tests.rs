use std::time::{Duration, Instant};

use grandstand_common::data::Data;
use grandstand_common::id::{Epoch, Instance};
use grandstand_common::wire::{Batch, LiveOut};

use super::*;

#[allow(clippy::disallowed_methods)]
fn start() -> (Outbox, Instant) {
    (Outbox::new("w".parse().unwrap(), 2_000), Instant::now())
}

fn head(room: &str) -> RoomHead {
    RoomHead {
        room: room.parse().unwrap(),
        epoch: Epoch(1),
        instance: Instance(1),
    }
}

fn item(bytes: usize) -> ItemKind {
    ItemKind::LiveOut(LiveOut {
        data: Some(Data::Binary(vec![0; bytes].into())),
        ..LiveOut::default()
    })
}

fn batches(outbox: &mut Outbox) -> Vec<Batch> {
    let sent = std::iter::from_fn(|| outbox.poll());
    sent.map(|(_, payload)| {
        assert!(payload.len() < 2_000);
        Batch::decode(payload).unwrap()
    })
    .collect()
}

#[test]
fn a_turn_makes_one_batch_per_edge_unless_it_exceeds_a_message() {
    let (mut outbox, now) = start();
    let edge: EdgeId = "e".parse().unwrap();
    outbox.push(now, &edge, &head("a"), item(10)).unwrap();
    outbox.push(now, &edge, &head("b"), item(10)).unwrap();
    outbox.push(now, &edge, &head("a"), item(10)).unwrap();
    outbox.flush(now);
    let sent = batches(&mut outbox);
    assert_eq!((sent.len(), sent[0].rooms.len()), (1, 2));
    for _ in 0..5 {
        outbox.push(now, &edge, &head("a"), item(600)).unwrap();
    }
    outbox.flush(now);
    let sent = batches(&mut outbox);
    let numbers: Vec<_> = sent.iter().map(|batch| batch.number).collect();
    assert_eq!(numbers, [2, 3, 4]);
    assert!(outbox.push(now, &edge, &head("a"), item(2_000)).is_err());
    outbox.flush(now);
    assert_eq!(batches(&mut outbox), []);
}

#[test]
fn d19_beats_follow_an_edges_last_batch_with_growing_pauses() {
    let (mut outbox, now) = start();
    let edge: EdgeId = "e".parse().unwrap();
    outbox.push(now, &edge, &head("a"), item(10)).unwrap();
    outbox.flush(now);
    batches(&mut outbox);
    let mut beats = Vec::new();
    while let Some(at) = outbox
        .poll_timeout()
        .filter(|at| *at < now + Duration::from_secs(70))
    {
        outbox.handle_timeout(at);
        for beat in batches(&mut outbox) {
            assert!(beat.beat && beat.number == 1 && beat.rooms.is_empty());
            beats.push((at - now).as_millis());
        }
    }
    assert_eq!(beats, [100, 1_000, 31_000, 61_000]);
    outbox.handle_reconnected(now + Duration::from_secs(70));
    assert_eq!(batches(&mut outbox).len(), 1);
}

#[test]
fn a_silent_edge_gets_no_more_beats_and_keeps_its_number() {
    let (mut outbox, now) = start();
    let edge: EdgeId = "e".parse().unwrap();
    outbox.push(now, &edge, &head("a"), item(10)).unwrap();
    outbox.flush(now);
    let mut at = now;
    while let Some(next) = outbox.poll_timeout() {
        assert!(next - now < Duration::from_secs(700));
        at = next;
        outbox.handle_timeout(at);
        batches(&mut outbox);
    }
    let ask = LinkRequest {
        edge: "e".into(),
        from: 1,
        to: 1,
    };
    assert!(outbox.handle_request(at, &ask).all);
    assert_eq!(outbox.number(&edge), 1);
}

#[test]
fn d19_only_the_last_4096_messages_are_remembered() {
    let (mut outbox, now) = start();
    let edge: EdgeId = "e".parse().unwrap();
    for _ in 0..5_000 {
        outbox.push(now, &edge, &head("a"), item(1)).unwrap();
        outbox.flush(now);
        batches(&mut outbox);
    }
    let ask = |from| LinkRequest {
        edge: "e".into(),
        from,
        to: 5_000,
    };
    assert!(outbox.handle_request(now, &ask(904)).all);
    assert_eq!(outbox.handle_request(now, &ask(905)).rooms, ["a"]);
}

#[test]
fn d31_the_items_of_a_hot_room_are_published_before_a_batch_that_is_full() {
    let (mut outbox, now) = start();
    let edge: EdgeId = "e".parse().unwrap();
    let clock = Now { at: now, log_ms: 7 };
    outbox.open_hot(clock, head("a"));
    outbox.push_hot(&"a".parse().unwrap(), item(10)).unwrap();
    // An ack of the item, then more than the batch can take.
    for _ in 0..5 {
        outbox.push(now, &edge, &head("a"), item(600)).unwrap();
    }
    outbox.push_hot(&"a".parse().unwrap(), item(10)).unwrap();
    outbox.flush(now);
    let sent = std::iter::from_fn(|| outbox.poll());
    let sent: Vec<_> = sent
        .map(|(subject, payload)| {
            let room = Batch::decode(payload).unwrap().rooms.remove(0);
            (subject, room.stream, room.first)
        })
        .collect();
    let of = |subject: &str, first| (subject.to_owned(), 7, first);
    let expected = [
        of("hot.a", 1),
        of("edge.e", 2),
        of("edge.e", 2),
        of("hot.a", 2),
        of("edge.e", 3),
    ];
    assert_eq!(sent, expected);
}
