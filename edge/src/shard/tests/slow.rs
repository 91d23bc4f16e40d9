//! Clients that do not read: memory is bounded, and a client that reads again becomes current.

use std::collections::{HashMap, HashSet};
use std::io::IoSlice;

use bytes::Bytes;
use grandstand_common::auth::Grants;
use grandstand_common::data::Data;
use grandstand_common::envelope::{Encoding, Payload};
use grandstand_common::error::ErrorKind;
use grandstand_common::wire::{Batch, Item, ItemKind, RoomBatch, Update};
use prost::Message;

use crate::conn::key::ConnKey;
use crate::conn::transport::{SendStatus, Transport};
use crate::core::tests::{Bench, ROOM, snapshot};
use crate::server::connections::outbox::{FrameClass, Outbox};

const CAP: usize = 256 * 1024;
const MEMBERS: u32 = 10_000;
const BIG: usize = 2_000;

/// Sockets. The ones with odd indexes accept no bytes.
#[derive(Default)]
struct Sockets {
    outboxes: HashMap<u32, Outbox>,
    written: HashMap<u32, u64>,
    closed: usize,
}

impl Transport for Sockets {
    fn send(&mut self, conn: ConnKey, frames: &Bytes) -> SendStatus {
        if conn.index.is_multiple_of(2) {
            *self.written.entry(conn.index).or_default() += 1;
            return SendStatus::Written;
        }
        let outbox = self.outboxes.entry(conn.index);
        let outbox = outbox.or_insert_with(|| {
            let mut outbox = Outbox::new(CAP);
            // The socket has accepted the first byte of the first message.
            outbox.push_rest(frames.clone(), 1, FrameClass::Data);
            outbox
        });
        outbox.push(frames.clone(), FrameClass::Data)
    }
    fn send_control(&mut self, _: ConnKey, _: &Bytes) -> SendStatus {
        SendStatus::Written
    }
    fn is_drained(&self, conn: ConnKey) -> bool {
        let outbox = self.outboxes.get(&conn.index);
        outbox.is_none_or(Outbox::is_empty)
    }
    fn discard(&mut self, conn: ConnKey) {
        if let Some(outbox) = self.outboxes.get_mut(&conn.index) {
            outbox.discard();
        }
    }
    fn close(&mut self, _: ConnKey, _: ErrorKind) {
        self.closed += 1;
    }
    fn pause(&mut self, _: ConnKey, _: bool) {}
}

impl Sockets {
    /// The bytes of all outboxes. Frames that several outboxes share count once.
    fn bytes(&self) -> usize {
        let (mut seen, mut bytes) = (HashSet::new(), 0);
        for outbox in self.outboxes.values() {
            let mut slices = [IoSlice::new(&[]); 256];
            let filled = outbox.slices(&mut slices);
            let lens = slices[..filled].iter().map(|slice| slice.len());
            bytes += outbox.weight() - lens.sum::<usize>();
            for slice in &slices[1.min(filled)..filled] {
                if seen.insert(slice.as_ptr()) {
                    bytes += slice.len();
                }
            }
        }
        bytes
    }
}

#[test]
fn memory_is_bounded_if_half_of_the_spectators_do_not_read() {
    let mut bench = Bench::new();
    let mut sockets = Sockets::default();
    let conn = |index| ConnKey {
        index,
        generation: 0,
    };
    let join = serde_json::json!({"type": "join", "room": ROOM, "role": "spectator"}).to_string();
    for index in 0..MEMBERS {
        let (grants, now) = (Grants::trusted("v".parse().unwrap()), bench.now);
        let core = &mut bench.core;
        core.handle_open(
            conn(index),
            Encoding::Json.into(),
            grants,
            now,
            &mut sockets,
        );
        core.handle_message(conn(index), Payload::Json(&join), now, &mut sockets);
    }
    let say = |bench: &mut Bench, sockets: &mut Sockets, kind: ItemKind| {
        bench.number += 1;
        let room = RoomBatch {
            room: ROOM.into(),
            epoch: 1,
            instance: 7,
            items: vec![Item { kind: Some(kind) }],
            ..RoomBatch::default()
        };
        let batch = Batch {
            worker: "w".into(),
            number: bench.number,
            beat: false,
            rooms: vec![room],
        };
        let payload = batch.encode_to_vec().into();
        bench.core.handle_batch(payload, bench.now, sockets);
        while bench.core.flush(1024, sockets) {}
    };
    say(&mut bench, &mut sockets, snapshot(1, 0));
    let big = Data::json(&"x".repeat(BIG)).unwrap();
    let mut peak = 0;
    for version in 1..=300 {
        let update = ItemKind::Update(Update {
            players: 0,
            spectators: version,
            data: Some(big.clone()),
            ..Update::default()
        });
        say(&mut bench, &mut sockets, update);
        if version % 10 == 0 {
            peak = peak.max(sockets.bytes());
        }
    }
    // The queue entries of each slow client, and the frames that they share.
    let (entries, shared) = (5_000 * 128 * 64, 2 * CAP);
    assert!(peak < entries + shared, "{peak} bytes");
    assert!(peak > shared / 4, "{peak} bytes: frames waited");
    let now = sockets.bytes();
    assert!(
        now < 5_000 * 64 + shared,
        "{now} bytes: slow clients wait for a snapshot only"
    );
    assert_eq!(bench.core.counts().stale, 5_000);
    assert_eq!(sockets.closed, 0);
    let written = &sockets.written;
    assert!(
        (0..MEMBERS).step_by(2).all(|i| written[&i] >= 300),
        "other clients get every update"
    );

    // A slow client that reads again gets the current state.
    let mut outbox = sockets.outboxes.remove(&1).unwrap();
    outbox.advance(outbox.weight().min(BIG * 2).min({
        let mut slices = [IoSlice::new(&[]); 1];
        outbox.slices(&mut slices);
        slices[0].len()
    }));
    assert!(outbox.is_empty());
    bench
        .core
        .handle_drained(conn(1), bench.now, &mut bench.clients);
    // It may have seen more than the edge's only snapshot has.
    assert!(bench.take_messages(conn(1)).is_empty());
    bench.receive(vec![snapshot(1, 300)]);
    let got = bench.take_messages(conn(1));
    assert_eq!(got[0]["type"], "snapshot");
    assert_eq!(got.last().unwrap()["version"], 300);
}
