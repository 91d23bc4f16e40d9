use std::net::SocketAddr;

use grandstand_common::data::Data;
use grandstand_common::envelope::{
    ClientKind, Encoding, Payload, Role, ServerMessage, decode_client, encode_server,
};
use grandstand_common::id::RoomId;

use super::super::dialect::{self, Dialect};
use super::super::job::{Job, Reading, Rooms};
use super::super::timestamp;
use super::*;
use crate::host::priority::Priority;

fn job(role: LoadRole, connections: u32, rooms: Rooms) -> Job {
    Job {
        targets: vec![SocketAddr::from(([127, 0, 0, 1], 1))],
        tls: None,
        front: None,
        source: 1,
        dialect: Dialect::Grandstand,
        secret: "a secret for tests only, 32 bytes".to_owned(),
        role,
        rooms,
        connections,
        first_player: 0,
        at_once: 1,
        idle_ms: 0,
        waits: false,
        size: 64,
        controls: false,
        reading: Reading::All,
        receive_buffer: 0,
        core: None,
        priority: Priority::default(),
    }
}

fn rooms(each: u32, per_connection: u32) -> Rooms {
    Rooms {
        prefix: "relay-x-".to_owned(),
        each,
        per_connection,
    }
}

/// Encodes a message as an edge does.
fn server(message: &ServerMessage<'_>) -> Vec<u8> {
    framed(Encoding::Json, message)
}

fn framed(encoding: Encoding, message: &ServerMessage<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    encode_server(encoding, message, &mut payload);
    let mut bytes = vec![0x81 + encoding.index() as u8, 126];
    bytes.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    bytes.extend_from_slice(&payload);
    bytes
}

const UPGRADED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";

fn shown(room: &RoomId, epoch: &str, version: u64) -> Vec<u8> {
    let joined = server(&ServerMessage::Joined {
        id: None,
        room,
        role: Role::Player,
        instance: Some("1"),
        last_seq: 4,
    });
    let snapshot = server(&ServerMessage::Snapshot {
        room,
        epoch,
        version,
        is_patched: false,
        data: &Data::Json(b"{}".to_vec().into()),
    });
    [joined, snapshot].concat()
}

fn update(room: &RoomId, version: u64, due_ns: u64) -> Vec<u8> {
    let mut data = b"\"".to_vec();
    timestamp::put(due_ns, &mut data);
    data.push(b'"');
    server(&ServerMessage::Update {
        room,
        version,
        prev: version - 1,
        data: &Data::Json(data.into()),
    })
}

/// A crowd whose client 0 is connected.
fn live(job: Job) -> Crowd {
    let mut crowd = Crowd::new(job);
    let (room, mut out) = ("relay-x-0".parse().unwrap(), Vec::new());
    crowd.handle_connect(0, 1000, &mut out);
    assert!(out.starts_with(b"GET /v1/ws "));
    let answer = [UPGRADED, &shown(&room, "e1", 7)].concat();
    crowd.handle_bytes(0, &answer, 3_001_000, &mut out).unwrap();
    assert_eq!(crowd.live(), 1);
    crowd
}

#[test]
fn a_player_connects_sends_due_inputs_and_counts_updates_and_acks() {
    let mut crowd = live(job(LoadRole::Player, 2, rooms(2, 1)));
    let room = "relay-x-0".parse().unwrap();
    crowd.handle_command(Command::Window(0, u64::MAX), 0);
    crowd.handle_command(Command::Rate(1000.0), 10_000_000);
    let mut out = Vec::new();
    assert_eq!(crowd.poll_input(9_999_999, &mut out), None);
    assert_eq!(crowd.poll_input(12_000_000, &mut out), Some(Some(0)));
    assert!(!out.is_empty());
    // The other player of the room is not connected.
    assert_eq!(crowd.poll_input(12_000_000, &mut out), Some(None));

    let mut bytes = update(&room, 8, 10_000_000);
    bytes.extend(server(&ServerMessage::Ack {
        room: &room,
        seq: 5,
    }));
    for byte in bytes {
        crowd
            .handle_bytes(0, &[byte], 14_000_000, &mut Vec::new())
            .unwrap();
    }
    let tally = crowd.take_tally();
    assert_eq!(
        (tally.sent, tally.unsent, tally.acked, tally.unacked),
        (1, 1, 1, 0)
    );
    assert_eq!((tally.received, tally.gaps, tally.errors), (1, 0, 0));
    assert_eq!(tally.latencies.max_ms().unwrap().round(), 4.0);
    assert_eq!(tally.acks.max_ms().unwrap().round(), 4.0);
    assert_eq!(tally.entries.max_ms().unwrap().round(), 3.0);
    assert_eq!(crowd.take_tally().received, 0);
}

#[test]
fn a_player_can_use_protobuf() {
    let mut job = job(LoadRole::Player, 1, rooms(1, 1));
    job.dialect = Dialect::GrandstandProto;
    let mut crowd = Crowd::new(job);
    let (room, data) = (
        "relay-x-0".parse().unwrap(),
        Data::Json(b"{}".to_vec().into()),
    );
    let mut out = Vec::new();
    crowd.handle_connect(0, 1, &mut out);
    let request = String::from_utf8(std::mem::take(&mut out)).unwrap();
    assert!(request.contains("grandstand.v1.proto"), "{request}");
    let see = |crowd: &mut Crowd, bytes: &[u8], out: &mut Vec<u8>| {
        crowd.handle_bytes(0, bytes, 9_000_000, out).unwrap();
    };
    see(&mut crowd, UPGRADED, &mut out);
    let sent = |out: &[u8]| {
        assert_eq!(out[0], 0x82, "the frame is not binary");
        let start = if out[1] & 0x7f == 126 { 8 } else { 6 };
        let key = &out[start - 4..start];
        let payload = out[start..].iter().zip(key.iter().cycle());
        let payload: Vec<_> = payload.map(|(byte, key)| byte ^ key).collect();
        decode_client(Payload::Proto(&payload)).unwrap().kind
    };
    assert!(matches!(sent(&out), ClientKind::Join(join) if join.room == room));
    let snapshot = ServerMessage::Snapshot {
        room: &room,
        epoch: "e",
        version: 7,
        is_patched: false,
        data: &data,
    };
    see(&mut crowd, &framed(Encoding::Proto, &snapshot), &mut out);
    assert_eq!(crowd.live(), 1);

    crowd.handle_command(Command::Window(0, u64::MAX), 0);
    crowd.handle_command(Command::Rate(1.0), 8_000_000);
    out.clear();
    assert_eq!(crowd.poll_input(8_000_000, &mut out), Some(Some(0)));
    let ClientKind::Input { seq: 1, data, .. } = sent(&out) else {
        panic!("no input was sent");
    };
    assert_eq!(
        (data.len(), timestamp::find(data.bytes()).unwrap().0),
        (64, 8_000_000)
    );
    let update = ServerMessage::Update {
        room: &room,
        version: 9,
        prev: 8,
        data: &data,
    };
    see(&mut crowd, &framed(Encoding::Proto, &update), &mut out);
    let ack = ServerMessage::Ack {
        room: &room,
        seq: 1,
    };
    see(&mut crowd, &framed(Encoding::Proto, &ack), &mut out);
    let tally = crowd.take_tally();
    assert_eq!((tally.received, tally.gaps, tally.acked), (1, 1, 1));
    assert_eq!(tally.errors, 0);
    assert_eq!(tally.latencies.max_ms().unwrap().round(), 1.0);
}

#[test]
fn a_gap_in_the_versions_is_counted() {
    let mut crowd = live(job(LoadRole::Player, 1, rooms(1, 1)));
    let room = "relay-x-0".parse().unwrap();
    for version in [8, 10, 11] {
        let bytes = update(&room, version, 5);
        crowd.handle_bytes(0, &bytes, 10, &mut Vec::new()).unwrap();
    }
    assert_eq!(crowd.take_tally().gaps, 1);
}

#[test]
fn a_pause_is_the_longest_silence_and_the_longest_wait() {
    const MS: u64 = 1_000_000;
    let mut crowd = live(job(LoadRole::Player, 1, rooms(1, 1)));
    let room = "relay-x-0".parse().unwrap();
    let see = |crowd: &mut Crowd, bytes: Vec<u8>, at_ms: u64| {
        crowd
            .handle_bytes(0, &bytes, at_ms * MS, &mut Vec::new())
            .unwrap();
    };
    let ack = |seq| server(&ServerMessage::Ack { room: &room, seq });
    crowd.handle_command(Command::Rate(10.0), 90 * MS);
    see(&mut crowd, update(&room, 8, 90 * MS), 100);
    crowd.handle_command(Command::Watch, 110 * MS);
    for due_ms in [90, 190, 290] {
        crowd.poll_input(due_ms * MS, &mut Vec::new()).unwrap();
    }
    // The new owner's snapshot contains inputs that were sent meanwhile; their ack follows.
    see(&mut crowd, shown(&room, "e2", 10), 390);
    see(&mut crowd, ack(7), 400);
    see(&mut crowd, update(&room, 11, 449 * MS), 450);
    let pauses = crowd.pauses(500 * MS);
    let pause = pauses.moved[0];
    assert_eq!(
        (pause.gap_us, pause.wait_us, pause.back_us),
        (290_000, 310_000, 280_000)
    );
    assert_eq!((pauses.waiting, pauses.stayed.len()), (0, 0));
}

#[test]
fn unanswered_inputs_count_as_waiting() {
    let mut crowd = live(job(LoadRole::Player, 1, rooms(1, 1)));
    crowd.handle_command(Command::Rate(1.0), 1_000_000_000);
    crowd.poll_input(1_000_000_000, &mut Vec::new()).unwrap();
    assert_eq!(crowd.pauses(1_400_000_000).waiting, 0);
    assert_eq!(crowd.pauses(1_600_000_000).waiting, 1);
    assert_eq!(crowd.take_tally().unacked, 1);
}

#[test]
fn a_client_is_connected_once_it_has_seen_all_its_rooms() {
    let three = rooms(1, 3);
    assert_eq!(three.count(2), 6);
    let crowd = Crowd::new(job(LoadRole::Player, 2, three));
    let mut crowd = crowd;
    let mut out = Vec::new();
    crowd.handle_connect(1, 1, &mut out);
    crowd.handle_bytes(1, UPGRADED, 2, &mut out).unwrap();
    for (room, live) in [(3, 0), (4, 0), (5, 1)] {
        let room = format!("relay-x-{room}").parse().unwrap();
        crowd
            .handle_bytes(1, &shown(&room, "e", 0), 3, &mut out)
            .unwrap();
        assert_eq!(crowd.live(), live);
    }
}

#[test]
fn a_rejected_handshake_a_close_and_an_error_are_counted() {
    let mut out = Vec::new();
    let mut crowd = Crowd::new(job(LoadRole::Player, 1, rooms(1, 1)));
    crowd.handle_connect(0, 1, &mut out);
    let refused = b"HTTP/1.1 503 No\r\n\r\n";
    assert_eq!(crowd.handle_bytes(0, refused, 2, &mut out), Err(Gone));
    assert!(crowd.take_tally().error.unwrap().contains("503"));

    let mut crowd = live(job(LoadRole::Player, 1, rooms(1, 1)));
    let closed = [0x88, 2, 0x03, 0xe9];
    assert_eq!(crowd.handle_bytes(0, &closed, 2, &mut out), Err(Gone));
    crowd.handle_lost(0);
    assert_eq!(crowd.live(), 0);
    assert!(crowd.take_tally().error.unwrap().contains("1001"));
}

#[test]
fn every_timestamp_of_a_peers_frame_is_a_message() {
    let mut job = job(LoadRole::Spectator, 1, rooms(1, 1));
    job.dialect = Dialect::Nats;
    let mut crowd = Crowd::new(job);
    let mut out = Vec::new();
    crowd.handle_connect(0, 1, &mut out);
    crowd.handle_bytes(0, UPGRADED, 2, &mut out).unwrap();
    crowd
        .handle_bytes(0, b"\x82\x06PONG\r\n", 3, &mut out)
        .unwrap();
    assert_eq!(crowd.live(), 1);
    let mut text = Vec::new();
    for due in [5, 6] {
        text.extend_from_slice(b"MSG room 1 40\r\n");
        dialect::payload(due, 40, &mut text);
        text.extend_from_slice(b"\r\n");
    }
    let mut bytes = vec![0x82, text.len() as u8];
    bytes.extend(text);
    crowd.handle_bytes(0, &bytes, 9, &mut out).unwrap();
    assert_eq!(crowd.take_tally().received, 2);
}
