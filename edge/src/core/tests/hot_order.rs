//! The order of the frames for one client only and the updates of a hot room, which arrive on another subject (D31).

use super::*;

/// The room's stream.
const STREAM: u64 = 9;

fn hot(way: HotWay, next: u64) -> ItemKind {
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

impl Bench {
    /// Makes the room hot. The edge follows its subject from the first item on.
    fn heat(&mut self) {
        self.receive(vec![hot(HotWay::Both, 1)]);
        self.on_hot(1, vec![]);
        self.receive(vec![hot(HotWay::Hot, 1)]);
        self.commands();
        self.reply();
    }

    /// Answers the request of the edge.
    fn reply(&mut self) {
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
    // A rejected input has no update, so its reject need not wait.
    assert_eq!(bench.take_types(conn), ["reject"]);
    let is_asked = |bench: &mut Bench| {
        let interests = bench.interests();
        interests
            .iter()
            .any(|i| i.rooms.iter().any(|room| room.sync))
    };
    assert!(is_asked(&mut bench));
    let synced = || vec![ItemKind::Synced(Empty {})];
    let answer = [vec![update(1, 0)], private(session, 1), synced()].concat();
    bench.receive_after(3, answer);
    assert_eq!(bench.take_types(conn), ["update"]);
    bench.reply();
    assert!(is_asked(&mut bench));
    let answer = [vec![update(2, 0)], private(session, 2), synced()].concat();
    bench.receive_after(3, answer);
    assert_eq!(
        bench.take_types(conn),
        ["update", "direct", "reject", "ack"]
    );
    // A late item of the subject is a repeat.
    bench.on_hot(1, vec![update(1, 0), update(2, 0)]);
    bench.on_hot(3, vec![update(3, 0)]);
    assert_eq!(bench.take_types(conn), ["update"]);
}
