//! The core against an owner played by hand.

use std::collections::{HashMap, HashSet};

use grandstand_common::envelope::{ServerEvent, decode_server};
use grandstand_common::id::Epoch;
use grandstand_common::record::Lease;
use grandstand_common::wire::*;
use prost::Message;

use super::*;
use crate::session::frame::frame_len;
use crate::sink::Sent;

#[derive(Default)]
struct Clients {
    got: HashMap<ConnKey, Vec<serde_json::Value>>,
    closed: HashMap<ConnKey, ErrorKind>,
    paused: HashSet<ConnKey>,
    blocked: HashSet<ConnKey>,
}

impl Sink for Clients {
    fn send(&mut self, conn: ConnKey, frames: &Bytes) -> Sent {
        if self.blocked.contains(&conn) {
            return Sent::Full;
        }
        let mut rest = &frames[..];
        while let Some(len) = frame_len(rest) {
            let header = match rest[1] {
                126 => 4,
                127 => 10,
                _ => 2,
            };
            self.got
                .entry(conn)
                .or_default()
                .push(serde_json::from_slice(&rest[header..len]).unwrap());
            rest = &rest[len..];
        }
        Sent::Written
    }
    fn send_control(&mut self, conn: ConnKey, frames: &Bytes) -> Sent {
        let blocked = self.blocked.remove(&conn);
        let sent = self.send(conn, frames);
        if blocked {
            self.blocked.insert(conn);
        }
        sent
    }
    fn discard(&mut self, _: ConnKey) {}
    fn close(&mut self, conn: ConnKey, why: ErrorKind) {
        self.closed.insert(conn, why);
    }
    fn pause(&mut self, conn: ConnKey, paused: bool) {
        if paused {
            self.paused.insert(conn)
        } else {
            self.paused.remove(&conn)
        };
    }
}

struct Bench {
    core: Core,
    clients: Clients,
    now: Now,
    number: u64,
    epoch: u64,
}

const ROOM: &str = "relay-1";

impl Bench {
    fn new() -> Self {
        let now = Now {
            at: tokio::time::Instant::now().into_std(),
            unix_ms: 1_000_000,
        };
        let core = Core::new(
            CoreConfig::default(),
            "edge-0-x".parse().unwrap(),
            None,
            1,
            now,
        );
        let mut bench = Self {
            core,
            clients: Clients::default(),
            now,
            number: 0,
            epoch: 1,
        };
        bench.own(1);
        bench
    }

    fn own(&mut self, epoch: u64) {
        self.epoch = epoch;
        let lease = Lease {
            worker: Some("w".parse().unwrap()),
            epoch: Epoch(epoch),
            ready: true,
        };
        for p in 0..64 {
            self.core.handle_lease(Partition(p), &lease, self.now);
        }
    }

    /// What the room's owner is asked as.
    fn question(&self) -> Question {
        Question {
            partition: ROOM.parse::<RoomId>().unwrap().partition(64),
            epoch: Epoch(self.epoch),
        }
    }

    fn open(&mut self, index: u32, player: &str) -> ConnKey {
        let conn = ConnKey {
            index,
            generation: 0,
        };
        let grants = Grants::trusted(player.parse().unwrap());
        self.core
            .handle_open(conn, Encoding::Json, grants, self.now, &mut self.clients);
        assert_eq!(self.take(conn), ["welcome"]);
        conn
    }

    fn says(&mut self, conn: ConnKey, message: serde_json::Value) {
        let text = message.to_string();
        self.core
            .handle_message(conn, false, text.as_bytes(), self.now, &mut self.clients);
        self.flush();
    }

    fn join(&mut self, conn: ConnKey, role: &str) {
        self.says(
            conn,
            serde_json::json!({"type": "join", "room": ROOM, "role": role}),
        );
    }

    fn owner(&mut self, items: Vec<ItemKind>) {
        self.owner_of(7, items);
    }

    fn owner_of(&mut self, instance: u64, items: Vec<ItemKind>) {
        self.number += 1;
        let items = items
            .into_iter()
            .map(|kind| Item { kind: Some(kind) })
            .collect();
        let room = RoomBatch {
            room: ROOM.into(),
            epoch: self.epoch,
            instance,
            items,
        };
        let batch = Batch {
            worker: "w".into(),
            number: self.number,
            beat: false,
            rooms: vec![room],
        };
        self.core
            .handle_batch(batch.encode_to_vec().into(), self.now, &mut self.clients);
        self.flush();
    }

    fn flush(&mut self) {
        while self.core.flush(3, &mut self.clients) {}
    }

    fn passes(&mut self, ms: u64) {
        self.now.at += Duration::from_millis(ms);
        self.now.unix_ms += ms;
        self.core.handle_timeout(self.now, &mut self.clients);
        self.flush();
    }

    fn got(&mut self, conn: ConnKey) -> Vec<serde_json::Value> {
        self.clients.got.remove(&conn).unwrap_or_default()
    }

    fn take(&mut self, conn: ConnKey) -> Vec<String> {
        self.got(conn)
            .iter()
            .map(|m| m["type"].as_str().unwrap().to_owned())
            .collect()
    }

    fn commands(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.core.poll_command()).collect()
    }

    fn entries(&mut self) -> Vec<Entry> {
        let append = |c| match c {
            Command::Append { payload, .. } => Some(Entry::decode(payload).unwrap()),
            _ => None,
        };
        self.commands().into_iter().filter_map(append).collect()
    }

    fn interests(&mut self) -> Vec<Interest> {
        let interest = |c| match c {
            Command::Interest { payload, .. } => Some(Interest::decode(payload).unwrap()),
            _ => None,
        };
        self.commands().into_iter().filter_map(interest).collect()
    }

    /// A player who is in.
    fn player(&mut self, index: u32, name: &str) -> (ConnKey, u64) {
        let conn = self.open(index, name);
        self.join(conn, "player");
        let session = self.entries()[0].session;
        self.owner(vec![snapshot(0, 0), processed(session, 0, 0)]);
        assert_eq!(self.take(conn)[..2], ["joined", "snapshot"]);
        (conn, session)
    }
}

fn json(n: u64) -> Option<grandstand_common::data::Data> {
    grandstand_common::data::Data::json(&n).ok()
}

fn snapshot(lane: u32, version: u64) -> ItemKind {
    ItemKind::Snapshot(Snapshot {
        lane,
        version,
        data: json(version),
    })
}

fn update(players: u64, spectators: u64) -> ItemKind {
    ItemKind::Update(Update {
        players,
        spectators,
        key: String::new(),
        data: json(players),
    })
}

fn processed(session: u64, n: u64, last_seq: u64) -> ItemKind {
    ItemKind::Processed(Processed {
        session,
        n,
        last_seq,
        ..Processed::default()
    })
}

#[test]
fn a_player_joins_and_plays_in_the_protocols_order() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "alice");
    bench.join(conn, "player");
    let entry = &bench.entries()[0];
    assert!(matches!(&entry.body, Some(Body::Joined(j)) if j.seed.len() == 32));
    assert_eq!(
        (entry.player.as_str(), entry.n, entry.edge.as_str()),
        ("alice", 0, "edge-0-x")
    );
    let session = entry.session;
    let direct = ItemKind::Direct(Direct {
        session,
        data: json(5),
    });
    let kept = ItemKind::Rejected(Rejected {
        session,
        seq: 3,
        code: "no".into(),
        message: "No.".into(),
    });
    bench.owner(vec![snapshot(0, 4), direct, kept, processed(session, 0, 3)]);
    let got = bench.got(conn);
    let types: Vec<_> = got.iter().map(|m| m["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["joined", "snapshot", "direct", "reject", "ack"]);
    assert_eq!(
        (&got[0]["last_seq"], &got[0]["instance"]),
        (&3.into(), &"7".into())
    );
    bench.says(
        conn,
        serde_json::json!({"type": "input", "room": ROOM, "seq": 4, "data": 1}),
    );
    let entry = &bench.entries()[0];
    assert_eq!((entry.n, entry.session), (1, session));
    bench.owner(vec![update(5, 1), processed(session, 1, 4)]);
    assert_eq!(
        bench.take(conn),
        ["update", "ack"],
        "what came of it, then that it is durable"
    );
}

#[test]
fn inputs_out_of_place_are_refused_and_repeats_answered_again() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "alice");
    let input = |seq: u64| serde_json::json!({"type": "input", "room": ROOM, "seq": seq, "data": 1, "id": 9});
    let code = |bench: &mut Bench| {
        let got = bench.got(conn);
        assert_eq!(got.len(), 1, "{got:?}");
        (
            got[0]["code"].as_str().unwrap().to_owned(),
            got[0]["id"].as_u64(),
        )
    };
    bench.says(conn, input(1));
    assert_eq!(code(&mut bench), ("not_joined".into(), Some(9)));
    bench.join(conn, "player");
    bench.says(conn, input(1));
    assert_eq!(code(&mut bench), ("not_joined".into(), Some(9)));
    let session = bench.entries()[0].session;
    bench.owner(vec![snapshot(0, 0), processed(session, 0, 2)]);
    bench.take(conn);
    for seq in [0, 4] {
        bench.says(conn, input(seq));
        assert_eq!(code(&mut bench), ("bad_seq".into(), Some(9)));
    }
    bench.says(conn, input(2));
    assert_eq!(bench.take(conn), ["ack"]);
    assert!(bench.entries().is_empty(), "nothing of it went to the log");
}

#[test]
fn a_spectator_waits_for_a_room_that_does_not_exist_yet() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "eve");
    bench.join(conn, "spectator");
    let asked = bench.interests();
    assert!(asked[0].rooms[0].sync && asked[0].rooms[0].players.is_none());
    assert_eq!(asked[0].rooms[0].viewers, 1);
    bench.owner_of(0, vec![ItemKind::Absent(Empty {})]);
    let got = bench.got(conn);
    assert_eq!(
        (&got[0]["type"], got[0].get("instance")),
        (&"joined".into(), None)
    );
    bench.owner(vec![snapshot(1, 0), update(0, 1)]);
    assert_eq!(bench.take(conn), ["snapshot", "update"]);
    let late = bench.open(2, "dan");
    bench.join(late, "spectator");
    assert_eq!(
        bench.take(late),
        ["joined", "snapshot", "update"],
        "from the edge's own"
    );
    assert!(bench.interests().is_empty(), "the owner is not asked");
}

#[test]
fn d15_an_older_epoch_is_dropped_and_a_new_one_begins_with_a_snapshot() {
    let mut bench = Bench::new();
    let (conn, _) = bench.player(1, "alice");
    bench.own(5);
    bench.owner(vec![snapshot(0, 0)]);
    assert_eq!(bench.take(conn), ["snapshot"]);
    bench.epoch = 1;
    bench.owner(vec![update(1, 1)]);
    assert_eq!(bench.take(conn), [""; 0]);
}

#[test]
fn a_new_owner_is_told_what_is_watched_and_gets_what_it_has_not_reported() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.says(
        conn,
        serde_json::json!({"type": "input", "room": ROOM, "seq": 1, "data": 1}),
    );
    bench.commands();
    bench.own(5);
    let asked = bench.interests();
    let room = &asked.iter().flat_map(|i| &i.rooms).next().unwrap();
    assert_eq!(
        (room.sessions.as_slice(), room.sync),
        ([session].as_slice(), true)
    );
    assert_eq!(room.players.unwrap().epoch, 1);
    bench.owner(vec![snapshot(0, 0), processed(session, 0, 0)]);
    let again = bench.entries();
    assert_eq!((again[0].n, again[0].round), (1, 1));
}

#[test]
fn a_gap_in_a_lane_is_asked_for() {
    let mut bench = Bench::new();
    let (conn, _) = bench.player(1, "alice");
    bench.commands();
    bench.owner(vec![update(2, 0)]);
    assert_eq!(bench.take(conn), [""; 0]);
    assert!(bench.interests()[0].rooms[0].sync);
}

#[test]
fn d19_a_hole_in_the_numbers_is_asked_for_and_its_rooms_are_synced() {
    let mut bench = Bench::new();
    bench.player(1, "alice");
    bench.commands();
    bench.number += 2;
    bench.owner(vec![]);
    let commands = bench.commands();
    let [
        Command::Link {
            payload,
            worker,
            to,
            ..
        },
    ] = &commands[..]
    else {
        panic!("{commands:?}")
    };
    let request = LinkRequest::decode(payload.clone()).unwrap();
    assert_eq!((request.from, request.to, *to), (2, 3, 3));
    let reply = LinkReply {
        all: false,
        rooms: vec![ROOM.into()],
    };
    bench
        .core
        .handle_link_reply(worker, *to, Some(reply.encode_to_vec().into()), bench.now);
    assert!(bench.interests()[0].rooms[0].sync);
}

#[test]
fn who_is_replaced_leaves_and_is_closed_if_nothing_is_left() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.owner(vec![ItemKind::Gone(Gone {
        session,
        code: "replaced".into(),
    })]);
    let got = bench.got(conn);
    assert_eq!(
        (&got[0]["type"], &got[0]["code"]),
        (&"left".into(), &"replaced".into())
    );
    assert_eq!(bench.clients.closed[&conn], ErrorKind::Replaced);
}

#[test]
fn d02_a_full_window_stops_the_reading_until_the_owner_reports() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    for seq in 1..=64 {
        bench.says(
            conn,
            serde_json::json!({"type": "input", "room": ROOM, "seq": seq, "data": 1}),
        );
    }
    assert!(bench.clients.paused.contains(&conn));
    bench.owner(vec![processed(session, 10, 10)]);
    assert!(bench.clients.paused.is_empty());
}

#[test]
fn d02_a_window_outlives_its_connection() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.says(
        conn,
        serde_json::json!({"type": "input", "room": ROOM, "seq": 1, "data": 1}),
    );
    bench.core.handle_closed(conn, bench.now);
    let sent = bench.entries();
    assert!(matches!(sent.last().unwrap().body, Some(Body::Lost(_))));
    bench.passes(1100);
    let again: Vec<_> = bench.entries().iter().map(|e| (e.n, e.round)).collect();
    assert_eq!(again, [(1, 1), (2, 1)]);
    bench.owner(vec![ItemKind::Processed(Processed {
        session,
        n: 2,
        last_seq: 1,
        ended: true,
        ..Processed::default()
    })]);
    bench.passes(5000);
    assert!(bench.entries().is_empty());
}

#[test]
fn d06_a_session_that_the_owner_took_for_lost_says_that_it_is_here() {
    let mut bench = Bench::new();
    let (_, session) = bench.player(1, "alice");
    bench.owner(vec![ItemKind::Processed(Processed {
        session,
        n: 0,
        lost: true,
        ..Processed::default()
    })]);
    assert!(matches!(bench.entries()[0].body, Some(Body::Here(_))));
}

#[test]
fn a_slow_spectator_converges() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "eve");
    bench.join(conn, "spectator");
    bench.owner(vec![snapshot(1, 0)]);
    assert_eq!(bench.take(conn), ["joined", "snapshot"]);
    bench.clients.blocked.insert(conn);
    bench.owner(vec![update(0, 1)]);
    bench.owner(vec![update(0, 2), snapshot(1, 2)]);
    bench.owner(vec![update(0, 3)]);
    assert_eq!(bench.take(conn), [""; 0]);
    bench.clients.blocked.clear();
    bench.core.handle_drained(conn, &mut bench.clients);
    assert_eq!(bench.take(conn), ["snapshot", "update"]);
    bench.owner(vec![update(0, 4)]);
    let got = bench.got(conn);
    assert_eq!((&got[0]["version"], got.len()), (&4.into(), 1));
}

#[test]
fn a_refused_join_says_why_and_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "alice");
    bench.says(
        conn,
        serde_json::json!({"type": "join", "room": ROOM, "id": 3}),
    );
    let session = bench.entries()[0].session;
    let refused = Refused {
        session,
        code: "room_full".into(),
        message: "Two play.".into(),
    };
    bench.owner(vec![ItemKind::Refused(refused)]);
    let got = bench.got(conn);
    assert_eq!(
        (&got[0]["code"], &got[0]["id"]),
        (&"room_full".into(), &3.into())
    );
    bench.passes(31_000);
    bench.passes(1_000);
    let asked = bench.interests();
    assert!(
        asked
            .iter()
            .flat_map(|i| &i.rooms)
            .any(|r| r.players.is_none() && r.spectators.is_none())
    );
}

#[test]
fn an_empty_room_is_unwatched_and_forgotten() {
    let mut bench = Bench::new();
    let conn = bench.open(1, "eve");
    bench.join(conn, "spectator");
    bench.owner(vec![snapshot(1, 0)]);
    let question = bench.question();
    let reply = InterestReply {
        worker: "w".into(),
        epoch: 1,
        number: bench.number,
    };
    bench
        .core
        .handle_interest_reply(question, Some(reply.encode_to_vec().into()), bench.now);
    bench.core.handle_closed(conn, bench.now);
    for _ in 0..32 {
        bench.passes(1_000);
        bench
            .core
            .handle_interest_reply(question, Some(reply.encode_to_vec().into()), bench.now);
    }
    assert_eq!(bench.core.sizes(), (0, 0));
}

#[test]
fn a_new_owner_is_asked_while_the_former_one_still_owes_an_answer() {
    let mut bench = Bench::new();
    bench.player(1, "alice");
    let former = bench.question();
    bench.interests();
    bench.own(2);
    assert_eq!(bench.interests().len(), 1);
    // The former one's silence is no reason to ask the new one again.
    bench.core.handle_interest_reply(former, None, bench.now);
    bench.passes(1_000);
    assert_eq!(bench.interests().len(), 0);
}

#[test]
fn d03_a_join_that_was_not_reported_is_repeated_to_a_new_owner_at_once() {
    let mut bench = Bench::new();
    bench.player(1, "alice");
    let bob = bench.open(2, "bob");
    bench.join(bob, "player");
    let first = bench.entries();
    bench.own(2);
    let again = bench.entries();
    let of = |entries: &[Entry]| entries.iter().map(|e| e.session).collect::<Vec<_>>();
    assert_eq!(of(&again), of(&first), "bob's, and his alone");
}

#[test]
fn both_encodings_say_the_same() {
    let mut bench = Bench::new();
    let conn = ConnKey {
        index: 9,
        generation: 0,
    };
    struct Raw(Vec<u8>);
    impl Sink for Raw {
        fn send(&mut self, _: ConnKey, frames: &Bytes) -> Sent {
            self.0.extend_from_slice(frames);
            Sent::Written
        }
        fn send_control(&mut self, conn: ConnKey, frames: &Bytes) -> Sent {
            self.send(conn, frames)
        }
        fn discard(&mut self, _: ConnKey) {}
        fn close(&mut self, _: ConnKey, _: ErrorKind) {}
        fn pause(&mut self, _: ConnKey, _: bool) {}
    }
    let mut raw = Raw(Vec::new());
    let grants = Grants::trusted("alice".parse().unwrap());
    bench
        .core
        .handle_open(conn, Encoding::Proto, grants, bench.now, &mut raw);
    assert_eq!(raw.0[0], 0x82, "a binary frame");
    let event = decode_server(Encoding::Proto, &raw.0[2..]).unwrap();
    assert!(matches!(
        event,
        ServerEvent::Welcome {
            heartbeat_ms: 25_000,
            ..
        }
    ));
}
