//! A client that joins many rooms at once and reads.

use std::collections::BTreeMap;
use std::io::IoSlice;

use bytes::Bytes;
use grandstand_common::auth::Grants;
use grandstand_common::data::Data;
use grandstand_common::envelope::{Encoding, Payload};
use grandstand_common::error::ErrorKind;
use grandstand_common::wire::{Batch, Item, ItemKind, RoomBatch, Snapshot, Update};
use prost::Message;

use crate::conn::key::ConnKey;
use crate::conn::transport::{SendStatus, Transport};
use crate::core::tests::Bench;
use crate::server::connections::outbox::{FrameClass, Outbox};
use crate::websocket::frame::frame_len;

const CAP: usize = 256 * 1024;
const ROOMS: usize = 64;
const SNAPSHOT: usize = 500 * 1024;
/// The bytes that the kernel takes before its buffer is full, and that the client reads at once.
const KERNEL: usize = 128 * 1024;
const CONN: ConnKey = ConnKey {
    index: 1,
    generation: 0,
};

/// A socket with a small buffer.
#[derive(Default)]
struct Pipe {
    kernel: usize,
    outbox: Option<Outbox>,
    read: Vec<u8>,
    most_queued: usize,
    closed: Option<ErrorKind>,
}

impl Pipe {
    fn take(&mut self, frames: &Bytes, class: FrameClass) -> SendStatus {
        if let Some(outbox) = &mut self.outbox {
            let status = outbox.push(frames.clone(), class);
            self.most_queued = self.most_queued.max(outbox.weight());
            return status;
        }
        let count = frames.len().min(KERNEL - self.kernel);
        self.kernel += count;
        self.read.extend_from_slice(&frames[..count]);
        if count == frames.len() {
            return SendStatus::Written;
        }
        let mut outbox = Outbox::new(CAP);
        outbox.push_rest(frames.clone(), count, class);
        self.outbox = Some(outbox);
        SendStatus::Queued
    }

    /// The client reads what is in the kernel's buffer, which then takes more. Returns whether the outbox became empty.
    fn turn(&mut self) -> bool {
        self.kernel = 0;
        while let Some(outbox) = &mut self.outbox {
            if outbox.is_empty() {
                self.outbox = None;
                return true;
            }
            if self.kernel == KERNEL {
                return false;
            }
            let mut slices = [IoSlice::new(&[]); 1];
            outbox.slices(&mut slices);
            let count = slices[0].len().min(KERNEL - self.kernel);
            self.read.extend_from_slice(&slices[0][..count]);
            self.kernel += count;
            outbox.advance(count);
        }
        false
    }
}

impl Transport for Pipe {
    fn send(&mut self, _: ConnKey, frames: &Bytes) -> SendStatus {
        self.take(frames, FrameClass::Data)
    }
    fn send_control(&mut self, _: ConnKey, frames: &Bytes) -> SendStatus {
        let status = self.take(frames, FrameClass::Control);
        if status == SendStatus::Full {
            self.closed = Some(ErrorKind::TooSlow);
        }
        status
    }
    fn is_drained(&self, _: ConnKey) -> bool {
        self.outbox.is_none()
    }
    fn discard(&mut self, _: ConnKey) {
        self.outbox
            .get_or_insert_with(|| Outbox::new(CAP))
            .discard();
    }
    fn close(&mut self, _: ConnKey, why: ErrorKind) {
        self.closed = Some(why);
    }
    fn pause(&mut self, _: ConnKey, _: bool) {}
}

fn name(room: usize) -> String {
    format!("relay-{room}")
}

/// The owner sends an item of each room.
fn say(bench: &mut Bench, pipe: &mut Pipe, kind: &ItemKind) {
    for room in 0..ROOMS {
        bench.number += 1;
        let kind = Some(kind.clone());
        let room = RoomBatch {
            room: name(room),
            epoch: 1,
            instance: 7,
            items: vec![Item { kind }],
            ..RoomBatch::default()
        };
        let batch = Batch {
            worker: "w".into(),
            number: bench.number,
            beat: false,
            rooms: vec![room],
        };
        let payload = batch.encode_to_vec().into();
        bench.core.handle_batch(payload, bench.now, pipe);
        while bench.core.flush(4, pipe) {}
    }
}

/// The messages per room: `joined`, `snapshot` and the versions of updates.
fn received(mut bytes: &[u8]) -> BTreeMap<String, Vec<String>> {
    let mut rooms: BTreeMap<String, Vec<String>> = BTreeMap::new();
    while let Some(len) = frame_len(bytes) {
        let header = match bytes[1] {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        let message: serde_json::Value = serde_json::from_slice(&bytes[header..len]).unwrap();
        bytes = &bytes[len..];
        let kind = message["type"].as_str().unwrap();
        if let Some(room) = message["room"].as_str() {
            let brief = match kind {
                "update" => message["version"].to_string(),
                kind => kind.to_owned(),
            };
            rooms.entry(room.to_owned()).or_default().push(brief);
        }
    }
    rooms
}

#[test]
fn d26_a_client_that_reads_may_join_64_busy_rooms_at_once() {
    let (mut bench, mut pipe) = (Bench::new(), Pipe::default());
    let (grants, now) = (Grants::trusted("v".parse().unwrap()), bench.now);
    let core = &mut bench.core;
    core.handle_open(CONN, Encoding::Json.into(), grants, now, &mut pipe);
    for room in 0..ROOMS {
        let join = serde_json::json!({"type": "join", "room": name(room), "role": "spectator"});
        let join = join.to_string();
        core.handle_message(CONN, Payload::Json(&join), now, &mut pipe);
    }
    let snapshot = ItemKind::Snapshot(Snapshot {
        lane: 1,
        data: Data::json(&"x".repeat(SNAPSHOT)).ok(),
        ..Snapshot::default()
    });
    say(&mut bench, &mut pipe, &snapshot);
    let (mut version, mut turns) = (0, 0);
    while pipe.outbox.is_some() || version < 150 {
        assert_eq!(pipe.closed, None);
        turns += 1;
        assert!(turns < 600, "the client never has all rooms");
        if pipe.turn() {
            bench.core.handle_drained(CONN, bench.now, &mut pipe);
        }
        if turns % 2 == 0 {
            continue;
        }
        version += 1;
        let update = Update {
            spectators: version,
            data: Data::json(&version).ok(),
            ..Update::default()
        };
        say(&mut bench, &mut pipe, &ItemKind::Update(update));
    }
    assert!(
        pipe.most_queued <= SNAPSHOT + 3 * CAP,
        "{}",
        pipe.most_queued
    );
    let rooms = received(&pipe.read);
    assert_eq!(rooms.len(), ROOMS);
    for (room, got) in rooms {
        assert_eq!(got[..2], ["joined", "snapshot"], "{room}");
        assert_eq!(got.last(), Some(&version.to_string()), "{room}");
        assert!(!got.contains(&"left".to_owned()));
    }
}
