//! Losses of players whose edge does not hold their session or is dead (D6, D17).

use grandstand_common::wire::{Body, Entry, Interest, ItemKind, RoomInterest};
use prost::Message;

use super::*;
use crate::command::{Command, Outcome};

fn interest_with_sessions(edge: &str, room: &str, sessions: &[u64], joining: &[u64]) -> Interest {
    Interest {
        edge: edge.into(),
        digest: false,
        rooms: vec![RoomInterest {
            room: room.into(),
            sessions: sessions.to_vec(),
            joining: joining.to_vec(),
            ..RoomInterest::default()
        }],
    }
}

fn losses(rig: &Rig) -> Vec<u64> {
    let entries = rig
        .log
        .iter()
        .map(|stored| Entry::decode(stored.payload.clone()).unwrap());
    let lost = entries.filter(|entry| matches!(entry.body, Some(Body::EdgeLost(_))));
    lost.map(|entry| entry.session).collect()
}

#[test]
fn d03_gone_names_the_entry_that_it_answers() {
    let mut rig = Rig::started();
    rig.append("echo-1", lost(("alice", 10), 1));
    rig.join("echo-1", "bob", 11);
    rig.append("echo-1", lost(("alice", 12), 3));
    let received = rig.items("e1", "echo-1");
    let gone = received.iter().filter_map(|item| match item {
        ItemKind::Gone(gone) => Some((gone.session, gone.n, gone.round)),
        _ => None,
    });
    assert_eq!(gone.collect::<Vec<_>>(), [(10, 1, 1), (12, 3, 1)]);
}

#[test]
fn d06_a_connected_player_whom_the_edge_does_not_have_is_lost() {
    let mut rig = Rig::started();
    for (player, session) in [("alice", 10), ("bob", 11), ("carol", 12), ("dan", 20)] {
        rig.join("echo-1", player, session);
    }
    rig.send_interest(interest_with_sessions("e1", "echo-1", &[10], &[12]));
    assert_eq!(losses(&rig), [11]);
    rig.send_interest(interest_with_sessions("e1", "echo-1", &[10], &[12]));
    rig.advance(2_000);
    rig.send_interest(interest_with_sessions("e1", "echo-1", &[10], &[12]));
    assert_eq!(losses(&rig), [11], "the player is lost already");
    rig.send_interest(interest_with_sessions("e1", "echo-9", &[], &[]));
    assert_eq!(losses(&rig), [11], "there is no such room");
    // The edge did not know of the session yet, and answers with `Here`.
    rig.append("echo-1", here(("bob", 11), 1));
    rig.expect_item("e2", "echo-1", "update 6/0 returned bob");
}

#[test]
fn d06_a_loss_that_was_not_stored_is_appended_again() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.hold_log = true;
    rig.send_interest(interest_with_sessions("e1", "echo-1", &[], &[]));
    rig.advance(500);
    rig.send_interest(interest_with_sessions("e1", "echo-1", &[], &[]));
    assert_eq!(losses(&rig), [10]);
    rig.advance(600);
    rig.send_interest(interest_with_sessions("e1", "echo-1", &[], &[]));
    assert_eq!(losses(&rig), [10, 10]);
    rig.hold_log = false;
    rig.run();
    let lost = rig.received("e1", "echo-1");
    let lost = lost.iter().filter(|received| received.contains("lost"));
    assert_eq!(lost.count(), 1, "the second entry has no effect");
}

#[test]
fn d06_a_digest_loses_the_players_of_rooms_that_it_does_not_name() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-2", "bob", 11);
    rig.join("echo-3", "carol", 20);
    let digest = Interest {
        digest: true,
        ..interest_with_sessions("e1", "echo-1", &[10], &[])
    };
    rig.send_interest(digest);
    assert_eq!(losses(&rig), [11]);
    rig.received("e1", "echo-2");
    rig.append("echo-2", input(("bob", 11), 1, 1, "a"));
    let received = rig.received("e1", "echo-2");
    assert!(
        received.contains(&"processed 11 n1 seq1".into()),
        "{received:?}"
    );
    assert!(
        received[0].starts_with("snapshot"),
        "it watches again: {received:?}"
    );
}

#[test]
fn d17_the_owner_knows_the_processes_of_all_connected_sessions() {
    let mut rig = Rig::started();
    let held = |rig: &Rig| {
        let processes = rig.owner.partitions().session_processes();
        processes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(held(&rig), [""; 0]);
    rig.join("echo-1", "alice", 10);
    rig.join("echo-1", "bob", 20);
    rig.join("echo-2", "bob", 21);
    assert_eq!(
        (held(&rig), rig.owner.partitions().room_counts().loaded),
        (vec!["e1".into(), "e2".into()], 2)
    );
    rig.append("echo-1", lost(("alice", 10), 1));
    assert_eq!(held(&rig), ["e2"]);
    rig.join("echo-1", "alice", 30);
    rig.join("echo-1", "bob", 31);
    assert_eq!(held(&rig), ["e2", "e3"]);
    rig.append("echo-2", left(("bob", 21), 1));
    assert_eq!(held(&rig), ["e3"]);
    rig.advance(3_000);
    rig.restart();
    let rooms = |rig: &Rig| {
        (
            rig.owner.partitions().room_counts().loaded,
            rig.owner.partitions().room_counts().stored,
        )
    };
    assert_eq!((held(&rig), rooms(&rig)), (vec!["e3".into()], (0, 2)));
    rig.input("echo-1", ("alice", 30), 1, "finish");
    rig.advance(70_000);
    assert_eq!((held(&rig), rooms(&rig)), (vec![], (0, 1)));
}

#[test]
fn d17_all_shards_of_a_dead_process_lose_their_players() {
    let mut rig = Rig::started();
    for (n, edge) in (10..).zip(["a-0-77", "a-1-77", "a-1-78"]) {
        let mut entry = joined(&format!("p{n}"), n);
        entry.edge = edge.into();
        rig.append("echo-1", entry);
    }
    rig.owner
        .handle_process_gone(rig.now, &"a-77".parse().unwrap());
    rig.run();
    assert_eq!(losses(&rig), [10, 11]);
}

#[test]
fn d17_losses_are_appended_2048_at_a_time_until_all_are_stored() {
    let mut rig = Rig::started();
    for n in 0..3_000 {
        rig.join(&format!("echo-{n}"), "alice", 100_000 + n);
    }
    rig.commands.clear();
    rig.owner
        .handle_process_gone(rig.now, &"e1".parse().unwrap());
    let waiting = std::iter::from_fn(|| rig.owner.poll_command());
    let waiting: Vec<_> = waiting
        .filter(|c| matches!(c, Command::Append { .. }))
        .collect();
    assert_eq!(waiting.len(), 2_048, "the limit of appends in flight");
    for command in waiting {
        let Command::Append { token, .. } = command else {
            continue;
        };
        rig.owner.handle_outcome(rig.now, token, Outcome::Failed);
    }
    rig.run();
    assert_eq!(losses(&rig).len(), 952);
    for _ in 0..2 {
        rig.advance(1_000);
        rig.owner
            .handle_process_gone(rig.now, &"e1".parse().unwrap());
    }
    rig.run();
    assert_eq!(
        losses(&rig).len(),
        3_000,
        "the failed ones are appended again"
    );
    assert!(rig.owner.partitions().session_processes().is_empty());
}

#[test]
fn d26_an_edge_that_dies_with_spectators_only_is_probed_and_watches_no_longer() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    let mut watch = interest("e5-0-77", &["echo-1", "echo-2"], false);
    watch.rooms.iter_mut().for_each(|room| room.viewers = 3);
    rig.send_interest(watch);
    let watching = |rig: &Rig| {
        rig.owner
            .partitions()
            .watching_processes()
            .contains("e5-77")
    };
    assert!(watching(&rig));
    assert!(!rig.owner.partitions().session_processes().contains("e5-77"));
    rig.advance(1_000);
    for room in ["echo-1", "echo-2"] {
        assert_ne!(rig.received("e5-0-77", room), [""; 0]);
    }
    rig.owner
        .handle_process_gone(rig.now, &"e5-77".parse().unwrap());
    rig.advance(1_000);
    assert!(!watching(&rig));
    rig.input("echo-1", ("alice", 10), 1, "a");
    rig.join("echo-2", "bob", 20);
    for room in ["echo-1", "echo-2"] {
        assert_eq!(rig.received("e5-0-77", room), [""; 0]);
    }
    assert_eq!(losses(&rig), [0; 0], "no player is lost");
}

#[test]
fn d06_an_edge_that_was_taken_for_dead_is_sent_updates_while_its_players_are_connected() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    let gone = |rig: &mut Rig| {
        rig.owner
            .handle_process_gone(rig.now, &"e1".parse().unwrap());
        rig.run();
    };
    gone(&mut rig);
    rig.append("echo-1", here(("alice", 10), 1));
    rig.received("e1", "echo-1");
    // The answer to an earlier probe is missing. It is too early for another loss.
    rig.advance(250);
    gone(&mut rig);
    rig.append("echo-1", input(("alice", 10), 2, 1, "a"));
    assert_eq!(losses(&rig), [10]);
    rig.expect_item("e1", "echo-1", "update 4/0 alice a");
}
