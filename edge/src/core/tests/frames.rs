//! Frames of rooms in real time: only the newest matters.

use super::*;

fn frame(n: u64) -> ItemKind {
    ItemKind::LiveOut(LiveOut {
        players: true,
        spectators: true,
        frame: true,
        data: json(n),
        ..LiveOut::default()
    })
}

/// The data of the frames that a client got.
fn frames(bench: &mut Bench, conn: ConnKey) -> Vec<u64> {
    let all = bench.take_messages(conn);
    let live = all.iter().filter(|m| m["type"] == "live");
    live.map(|m| m["data"].as_u64().unwrap()).collect()
}

#[test]
fn members_get_each_frame_and_joiners_the_newest() {
    let mut bench = Bench::new();
    let early = bench.open(1, "emil");
    bench.join(early, "spectator");
    bench.receive(vec![snapshot(1, 10), frame(1)]);
    bench.receive(vec![frame(2)]);
    assert_eq!(frames(&mut bench, early), [1, 2]);
    // Of frames in one batch only the newest is sent.
    bench.receive(vec![frame(3), frame(4), update(0, 11), frame(5)]);
    assert_eq!(
        bench
            .take_messages(early)
            .iter()
            .map(|m| m["type"].clone())
            .collect::<Vec<_>>(),
        ["update", "live"]
    );
    let late = bench.open(2, "lily");
    bench.join(late, "spectator");
    assert_eq!(
        bench.take_types(late),
        ["joined", "snapshot", "update", "live"]
    );
    bench.receive(vec![frame(6)]);
    assert_eq!(frames(&mut bench, late), [6]);
    assert_eq!(frames(&mut bench, early), [6]);
}

#[test]
fn a_client_that_reads_slowly_gets_only_the_newest_frame_and_all_updates() {
    let mut bench = Bench::new();
    let (slow, quick) = (bench.open(1, "emil"), bench.open(2, "lily"));
    for conn in [slow, quick] {
        bench.join(conn, "spectator");
    }
    bench.receive(vec![snapshot(1, 10), frame(1)]);
    assert_eq!(frames(&mut bench, slow), [1]);
    bench.clients.undrained.insert(slow);
    for n in 2..50 {
        bench.receive(vec![frame(n)]);
    }
    bench.receive(vec![update(0, 11)]);
    assert_eq!(bench.take_types(slow), ["update"]);
    bench.clients.undrained.remove(&slow);
    let now = bench.now;
    bench.core.handle_drained(slow, now, &mut bench.clients);
    assert_eq!(frames(&mut bench, slow), [49]);
    bench.core.handle_drained(slow, now, &mut bench.clients);
    assert_eq!(frames(&mut bench, slow), [0; 0]);
    bench.receive(vec![frame(50)]);
    assert_eq!(frames(&mut bench, slow), [50]);
    assert_eq!(frames(&mut bench, quick).len(), 50);
}

#[test]
fn a_client_that_gets_a_snapshot_because_it_was_slow_gets_the_newest_frame_with_it() {
    let mut bench = Bench::new();
    let slow = bench.open(1, "emil");
    bench.join(slow, "spectator");
    bench.receive(vec![snapshot(1, 10), frame(1)]);
    bench.clients.blocked.insert(slow);
    bench.receive(vec![update(0, 11), frame(2)]);
    bench.receive(vec![frame(3)]);
    bench.receive(vec![snapshot(1, 12)]);
    bench.take_messages(slow);
    bench.clients.blocked.remove(&slow);
    let now = bench.now;
    bench.core.handle_drained(slow, now, &mut bench.clients);
    assert_eq!(bench.take_types(slow), ["snapshot", "live"]);
}

#[test]
fn a_frame_of_a_former_owner_is_not_shown_to_joiners() {
    let mut bench = Bench::new();
    let early = bench.open(1, "emil");
    bench.join(early, "spectator");
    bench.receive(vec![snapshot(1, 10), frame(1)]);
    bench.set_epoch(2);
    bench.receive(vec![snapshot(1, 3)]);
    let late = bench.open(2, "lily");
    bench.join(late, "spectator");
    assert_eq!(bench.take_types(late), ["joined", "snapshot"]);
}

#[test]
fn a_delayed_lane_shows_frames_later_and_only_the_newest_of_a_release() {
    let mut bench = Bench::new();
    let watcher = bench.open(1, "emil");
    bench.join(watcher, "spectator");
    let delayed = ItemKind::Snapshot(Snapshot {
        lane: 1,
        version: 10,
        max_rate_hz: 2,
        delay_ms: 1_000,
        data: json(10),
        ..Snapshot::default()
    });
    bench.receive(vec![delayed]);
    for n in 1..=40 {
        bench.receive(vec![frame(n)]);
        bench.advance(33);
    }
    let shown = frames(&mut bench, watcher);
    assert!((1..=3).contains(&shown.len()), "{shown:?}");
    bench.advance(2_000);
    assert_eq!(frames(&mut bench, watcher).last(), Some(&40));
}
