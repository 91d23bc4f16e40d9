//! The order of the frames for one client only and the updates of a hot room, which arrive on another subject (D31).

use super::*;

/// The room's stream.
const STREAM: u64 = 9;

fn hot(way: HotSubjects, next: u64) -> ItemKind {
    ItemKind::Hot(Hot {
        stream: STREAM,
        next,
        way: way.into(),
    })
}

/// The items that follow the update of input `n`: a `direct` message, a reject and the report.
fn private(session: u64, n: u64) -> Vec<ItemKind> {
    vec![
        ItemKind::Direct(Direct {
            session,
            data: json(n),
        }),
        ItemKind::Rejected(Rejected {
            session,
            seq: n,
            code: "no".into(),
            ..Rejected::default()
        }),
        processed(session, n, n),
    ]
}

fn synced(number: u64) -> ItemKind {
    ItemKind::Synced(Synced { number })
}

impl Bench {
    /// The number of the sync that the edge has requested since the last call; `None` if it has requested none.
    fn sync_number(&mut self) -> Option<u64> {
        let interests = self.interests();
        let rooms = interests.iter().flat_map(|interest| &interest.rooms);
        let syncs = rooms.filter(|room| room.sync);
        syncs.map(|room| room.sync_number).next_back()
    }

    /// Makes the room hot. The edge follows its subject from the first item on.
    fn heat(&mut self) {
        self.receive(vec![hot(HotSubjects::Both, 1)]);
        self.on_hot(1, vec![]);
        self.receive(vec![hot(HotSubjects::Hot, 1)]);
        self.commands();
        self.reply();
    }

    /// Answers the request of the edge.
    pub(super) fn reply(&mut self) {
        let reply = InterestReply {
            worker: "w".into(),
            epoch: 1,
            number: self.number,
        };
        let (tag, reply) = (self.tag(), Some(reply.encode_to_vec().into()));
        self.core.handle_interest_reply(tag, reply, self.now);
    }

    /// Receives items on the room's subject.
    fn on_hot(&mut self, first: u64, items: Vec<ItemKind>) {
        let number = self.number;
        let batch = self.batch_at((STREAM, first), 7, items);
        self.number = number;
        self.core.handle_hot(batch, self.now, &mut self.clients);
        self.flush();
    }

    /// Receives items on the edge's subject, after the owner has published the items before `next` on that of the room.
    fn receive_after(&mut self, next: u64, items: Vec<ItemKind>) {
        let batch = self.batch_at((STREAM, next), 7, items);
        self.core.handle_batch(batch, self.now, &mut self.clients);
        self.flush();
    }
}

#[test]
fn d31_acks_of_a_hot_room_follow_its_updates() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.heat();
    bench.take_messages(conn);
    bench.on_hot(1, vec![update(1, 0)]);
    bench.receive_after(2, private(session, 1));
    assert_eq!(
        bench.take_types(conn),
        ["update", "direct", "reject", "ack"]
    );
    assert!(
        bench
            .interests()
            .iter()
            .all(|i| i.rooms.iter().all(|room| !room.sync))
    );
}

#[test]
fn d31_what_belongs_to_a_lost_update_of_a_hot_room_waits_for_it() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.heat();
    bench.take_messages(conn);
    // The first update on the subject is lost, and so is one while the owner answers.
    bench.receive_after(2, private(session, 1));
    assert_eq!(bench.take_types(conn), [""; 0]);
    let first = bench.sync_number().expect("a sync is requested");
    // The answer to a request from before the loss does not have it.
    bench.receive_after(2, vec![synced(first - 1)]);
    assert_eq!(bench.take_types(conn), [""; 0]);
    let answer = [vec![update(1, 0)], private(session, 1), vec![synced(first)]].concat();
    bench.receive_after(3, answer);
    assert_eq!(bench.take_types(conn), ["update"]);
    bench.reply();
    let second = bench.sync_number().expect("a sync is requested again");
    assert!(second > first);
    let answer = [
        vec![update(2, 0)],
        private(session, 2),
        vec![synced(second)],
    ]
    .concat();
    bench.receive_after(3, answer);
    let got = bench.take_messages(conn);
    let told: Vec<_> = got
        .iter()
        .map(|m| (m["type"].as_str().unwrap(), m["seq"].as_u64()))
        .collect();
    let expected = [
        ("update", None),
        ("direct", None),
        ("reject", Some(1)),
        ("reject", Some(2)),
        ("ack", Some(2)),
    ];
    assert_eq!(told, expected);
    // A late item of the subject is a repeat.
    bench.on_hot(1, vec![update(1, 0), update(2, 0)]);
    bench.on_hot(3, vec![update(3, 0)]);
    assert_eq!(bench.take_types(conn), ["update"]);
}

/// The next item of the subject shows the loss, before the batch that belongs to the lost one.
#[test]
fn d31_what_belongs_to_a_gap_in_the_subject_of_a_hot_room_waits_for_it() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.heat();
    bench.take_messages(conn);
    bench.on_hot(2, vec![update(2, 0)]);
    bench.receive_after(3, private(session, 1));
    assert_eq!(bench.take_types(conn), [""; 0]);
    let number = bench.sync_number().expect("a sync is requested");
    let answer = vec![update(1, 0), update(2, 0), synced(number)];
    bench.receive_after(3, answer);
    assert_eq!(
        bench.take_types(conn),
        ["update", "update", "direct", "reject", "ack"]
    );
}

/// While the bus was away, messages on the subject were lost. The edge subscribes again, and no number shows it.
#[test]
fn d31_what_belongs_to_updates_of_a_hot_room_lost_with_the_bus_waits_for_them() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.heat();
    bench.core.handle_bus(false, bench.now);
    bench.core.handle_bus(true, bench.now);
    bench.flush();
    bench.take_messages(conn);
    bench.receive_after(2, private(session, 1));
    assert_eq!(bench.take_types(conn), [""; 0]);
    let number = bench.sync_number().expect("a sync is requested");
    bench.receive_after(2, vec![update(1, 0), synced(number)]);
    assert_eq!(
        bench.take_types(conn),
        ["update", "direct", "reject", "ack"]
    );
}

#[test]
fn d31_what_belongs_to_a_lost_batch_waits_for_it() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.commands();
    let lost = [vec![update(1, 0)], private(session, 1)].concat();
    bench.batch(7, lost);
    bench.receive([vec![update(2, 0)], private(session, 2)].concat());
    assert_eq!(bench.take_types(conn), [""; 0]);
    // The edge has noticed the gap in the versions, but not yet what else was lost.
    let first = bench.sync_number().expect("a sync is requested");
    bench.receive(vec![update(1, 0), update(2, 0), synced(first)]);
    assert_eq!(bench.take_types(conn), ["update", "update"]);
    bench.reply();
    let gone = LinkReply {
        rooms: vec![ROOM.to_owned()],
        ..LinkReply::default()
    };
    let gone = gone.encode_to_vec().into();
    let to = bench.number - 2;
    bench.core.handle_link_reply("w", to, Some(gone), bench.now);
    bench.flush();
    assert_eq!(bench.take_types(conn), [""; 0]);
    let number = bench.sync_number().expect("a sync is requested");
    bench.receive([private(session, 2), vec![synced(number)]].concat());
    assert_eq!(bench.take_types(conn), ["direct", "reject", "ack"]);
}

/// A player joins again while updates are lost: the snapshot is older than what is for this player only.
#[test]
fn d31_the_answer_to_a_join_waits_for_lost_updates_of_its_room() {
    let mut bench = Bench::new();
    let (conn, session) = bench.player(1, "alice");
    bench.heat();
    bench.take_messages(conn);
    bench.receive_after(2, private(session, 1));
    bench.join(conn, "player");
    assert_eq!(bench.take_types(conn), ["joined", "snapshot"]);
    let number = bench.sync_number().expect("a sync is requested");
    bench.receive_after(2, vec![update(1, 0), synced(number)]);
    assert_eq!(
        bench.take_types(conn),
        ["update", "direct", "reject", "ack"]
    );
}
