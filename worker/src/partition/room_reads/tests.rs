use grandstand_common::wire::Entry;

use super::*;
use crate::partition::testing::{TENURE, context, edge, only_command, pass, room};

fn entry(seq: u64) -> WaitingEvent {
    WaitingEvent::Entry(Logged {
        seq,
        time_ms: 0,
        entry: Entry::default(),
    })
}

fn interest(of: &str, sync: bool, viewers: u32) -> WaitingEvent {
    let wanted = RoomInterest {
        sync,
        viewers,
        ..RoomInterest::default()
    };
    WaitingEvent::Interest(edge(of), wanted)
}

/// Names what waits: entries by their sequence, interests by their edge and viewers.
fn names(waiting: VecDeque<WaitingEvent>) -> Vec<String> {
    let name = |what| match what {
        WaitingEvent::Entry(logged) => logged.seq.to_string(),
        WaitingEvent::Interest(edge, wanted) => format!("{edge}:{}", wanted.viewers),
        other => panic!("{other:?}"),
    };
    waiting.into_iter().map(name).collect()
}

#[test]
fn the_latest_interest_of_an_edge_replaces_earlier_ones_that_ask_for_no_sync() {
    let (mut cx, mut reads, id) = (context(), RoomReads::default(), room("echo-1"));
    let events = [
        interest("e-1", true, 1),
        interest("e-1", false, 2),
        entry(5),
        interest("e-2", false, 3),
        interest("e-1", false, 4),
        entry(6),
    ];
    for what in events {
        reads.wait(&id, what, Urgency::Now);
    }
    reads.begin(&mut cx, TENURE, |_| 0);
    assert!(matches!(only_command(&mut cx), Command::Get { .. }));
    let waiting = names(reads.take(&id).unwrap());
    assert_eq!(waiting, ["e-1:1", "5", "e-2:3", "e-1:4", "6"]);
    assert!(reads.take(&id).is_none());
}

#[test]
fn a_failed_read_is_repeated_after_the_delay_unless_its_room_was_forgotten() {
    let (mut cx, mut reads) = (context(), RoomReads::default());
    let [first, second] = ["echo-1", "echo-2"].map(room);
    for id in [&first, &second] {
        reads.wait(id, entry(5), Urgency::Now);
        reads.begin(&mut cx, TENURE, |_| 0);
        only_command(&mut cx);
        reads.on_failed(id, cx.now.at);
    }
    reads.forget(&second);
    reads.retry_due(cx.now.at);
    reads.begin(&mut cx, TENURE, |_| 0);
    assert_eq!(cx.commands, []);

    pass(&mut cx, RETRY);
    reads.retry_due(cx.now.at);
    reads.begin(&mut cx, TENURE, |_| 0);
    let Command::Get { key, .. } = only_command(&mut cx) else {
        panic!("not a read");
    };
    assert_eq!(key, subject::room_key(TENURE.id, &first));
    assert_eq!(names(reads.take(&first).unwrap()), ["5"]);
}
