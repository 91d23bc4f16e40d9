//! The cost of an update to a large room, in allocations, writes and encodings.

use grandstand_common::envelope::{ClientKind, ClientMessage, Join, Role, encode_client};

use super::*;
use crate::alloc_counter::allocations;

/// A room with `by` spectators, in all wire formats in turn, that have been sent the snapshot and some updates.
pub(crate) fn watched(by: u32) -> Bench {
    let mut bench = Bench::new();
    bench.player(0, "ann");
    for index in 1..=by {
        let conn = ConnKey {
            index,
            generation: 0,
        };
        let grants = Grants::trusted("spectator".parse().unwrap());
        let format = WireFormat::ALL[index as usize % WireFormat::ALL.len()];
        let encoding = format.encoding;
        let (core, clients) = (&mut bench.core, &mut bench.clients);
        clients.quiet = true;
        core.handle_open(conn, format, grants, bench.now, clients);
        let join = ClientMessage {
            id: None,
            kind: ClientKind::Join(Join {
                room: ROOM.parse().unwrap(),
                since: None,
                epoch: None,
                role: Some(Role::Spectator),
                params: None,
                client: None,
                attempt: 0,
                datagrams: false,
                token: None,
            }),
        };
        let mut message = Vec::new();
        encode_client(encoding, &join, &mut message);
        let payload = Payload::from_bytes(encoding, &message).unwrap();
        core.handle_message(conn, payload, bench.now, clients);
    }
    bench.receive(vec![snapshot(1, 0)]);
    for version in 1..=8 {
        bench.receive(vec![update(version, version)]);
    }
    bench
}

/// The cost of one more update: allocations, writes, encodings.
fn cost(bench: &mut Bench, version: u64) -> (u64, usize, u64) {
    let (writes, encodings) = (bench.clients.writes, bench.core.counts().encodings);
    let allocations = allocations(|| bench.receive(vec![update(version, version)]));
    (
        allocations,
        bench.clients.writes - writes,
        bench.core.counts().encodings - encodings,
    )
}

#[test]
fn a_delivery_allocates_nothing_and_an_update_is_encoded_once_for_all() {
    let (few, many) = (&mut watched(4), &mut watched(400));
    for version in 9..=12 {
        let (allocations, writes, encodings) = cost(few, version);
        // The player's lane has one encoding, the spectators' lane two.
        assert_eq!((writes, encodings), (5, 3));
        assert_eq!(cost(many, version), (allocations, 401, 3));
    }
}

#[test]
fn queued_updates_are_one_write_per_member() {
    let mut bench = watched(50);
    let before = bench.clients.writes;
    bench.receive((9..=20).map(|version| update(version, version)).collect());
    assert_eq!(bench.clients.writes - before, 51);
}
