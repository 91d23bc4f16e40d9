//! Takeovers: the read up to the own write, and logs that were cut (D10, D11).

use bytes::Bytes;
use grandstand_common::bus::KvEntry;
use grandstand_common::id::Epoch;
use grandstand_common::record::Checkpoint;
use grandstand_common::subject;
use grandstand_common::wire::{Interest, Known, RoomInterest};
use grandstand_game::Games;

use super::*;
use crate::command::{Command, EngineConfig, KvSource, Outcome, Token};
use crate::engine::Engine;

fn commands(owner: &mut Engine) -> Vec<Command> {
    std::iter::from_fn(|| owner.poll_command()).collect()
}

fn entry(key: &str, value: Bytes, revision: u64) -> KvEntry {
    KvEntry {
        key: key.to_owned(),
        value: Some(value),
        revision,
        time_ms: 0,
    }
}

fn claim(owner: &mut Engine, rig: &Rig) -> (Bytes, Token) {
    owner.take(rig.now, P, Epoch(9));
    let [Command::Get { token, .. }, Command::OpenKv { .. }] = commands(owner)[..] else {
        panic!("a takeover begins with the checkpoint and the quarantine records");
    };
    owner.handle_outcome(rig.now, token, Outcome::Value(None));
    let [Command::PutIf { value, token, .. }, Command::OpenKv { .. }] = &commands(owner)[..] else {
        panic!("the claim of the checkpoint follows, and the rooms");
    };
    (value.clone(), *token)
}

/// Whether the owner ends its reading of rooms with these commands.
fn ends_rooms(commands: &[Command]) -> bool {
    let is_end = |command: &Command| {
        let rooms = KvSource::Rooms;
        matches!(command, Command::CloseKv { source, .. } if *source == rooms)
    };
    commands.iter().any(is_end)
}

#[test]
fn d10_the_read_of_the_rooms_ends_behind_the_own_write() {
    let rig = Rig::new();
    let config = EngineConfig::new("w".parse().unwrap());
    let mut owner = Engine::new(rig.now, config, Games::new().with::<Echo>());
    let (value, token) = claim(&mut owner, &rig);
    owner.handle_outcome(rig.now, token, Outcome::Stored(50));
    let rooms = (P, KvSource::Rooms);
    // No key is pending, but the own write was not delivered. A stale write may have moved a room beyond this point.
    let key = subject::room_key(P, &room_id("echo-1"));
    owner.handle_kv(rig.now, rooms, entry(&key, "x".into(), 49), 0);
    assert!(!ends_rooms(&commands(&mut owner)));
    let key = subject::checkpoint_key(P);
    owner.handle_kv(rig.now, rooms, entry(&key, value, 50), 1);
    assert!(!ends_rooms(&commands(&mut owner)));
    let key = subject::room_key(P, &room_id("echo-2"));
    owner.handle_kv(rig.now, rooms, entry(&key, "x".into(), 51), 0);
    assert!(ends_rooms(&commands(&mut owner)));
}

#[test]
fn d10_the_own_write_may_be_delivered_before_its_answer() {
    let rig = Rig::new();
    let config = EngineConfig::new("w".parse().unwrap());
    let mut owner = Engine::new(rig.now, config, Games::new().with::<Echo>());
    let (value, token) = claim(&mut owner, &rig);
    let rooms = (P, KvSource::Rooms);
    let room = subject::room_key(P, &room_id("echo-1"));
    owner.handle_kv(rig.now, rooms, entry(&room, "x".into(), 49), 0);
    let key = subject::checkpoint_key(P);
    owner.handle_kv(rig.now, rooms, entry(&key, value, 50), 1);
    owner.handle_kv(rig.now, rooms, entry(&room, "y".into(), 51), 0);
    assert_eq!(
        commands(&mut owner),
        [],
        "the revision of the own write is unknown"
    );
    owner.handle_outcome(rig.now, token, Outcome::Stored(50));
    assert!(ends_rooms(&commands(&mut owner)));
}

#[test]
fn d10_a_later_claim_wins() {
    let rig = Rig::new();
    let config = || EngineConfig::new("w".parse().unwrap());
    let mut owner = Engine::new(rig.now, config(), Games::new());
    let (value, token) = claim(&mut owner, &rig);
    owner.handle_outcome(rig.now, token, Outcome::Stored(50));
    commands(&mut owner);
    let mut later: Checkpoint = serde_json::from_slice(&value).unwrap();
    later.epoch = Epoch(10);
    let later = serde_json::to_vec(&later).unwrap();
    let claimed = entry(&subject::checkpoint_key(P), later.into(), 60);
    let is_lost = |command: &Command| {
        let own = Epoch(9);
        let later = Epoch(10);
        matches!(command, Command::Lost { epoch, later: of, .. } if *epoch == own && *of == later)
    };
    let rooms = (P, KvSource::Rooms);
    owner.handle_kv(rig.now, rooms, claimed.clone(), 0);
    assert!(commands(&mut owner).last().is_some_and(is_lost));
    // The later claim is stored before the owner reads the checkpoint.
    let mut owner = Engine::new(rig.now, config(), Games::new());
    owner.take(rig.now, P, Epoch(9));
    let Command::Get { token, .. } = commands(&mut owner)[0] else {
        panic!("it begins with the checkpoint");
    };
    owner.handle_outcome(rig.now, token, Outcome::Value(Some(claimed)));
    let then = commands(&mut owner);
    assert!(then.iter().any(is_lost), "{then:?}");
    let writes = |command: &Command| matches!(command, Command::PutIf { .. });
    assert!(!then.iter().any(writes), "{then:?}");
}

#[test]
fn a_takeover_begins_again_after_a_failed_step() {
    let mut rig = Rig::new();
    rig.fail_writes = 2;
    rig.owner.take(rig.now, P, Epoch(101));
    rig.run();
    assert_eq!(rig.events, [""; 0]);
    rig.advance(250);
    rig.advance(250);
    assert_eq!(rig.events, ["ready"]);
}

#[test]
fn d04_nothing_is_answered_or_emitted_before_the_log_was_read() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.restart();
    assert_eq!(rig.received("e1", "echo-1"), [""; 0]);
    let config = EngineConfig::new("w".parse().unwrap());
    let mut owner = Engine::new(rig.now, config, Games::new());
    claim(&mut owner, &rig);
    let watch = interest("e1", &["echo-1"], true);
    owner.handle_interest(rig.now, P, &watch, Some("r".into()));
    owner.flush(rig.now);
    assert_eq!(commands(&mut owner), []);
}

#[test]
fn d11_a_log_that_was_created_again_is_read_from_its_beginning() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    for n in 1..=10 {
        rig.input("echo-1", ("alice", 10), n, "a");
    }
    rig.advance(3_000);
    assert_eq!(rig.checkpoint().seq, 12);
    rig.log.clear();
    rig.created_ms = 78;
    rig.next_seq = 1;
    rig.hold_log = true;
    rig.input("echo-1", ("alice", 10), 11, "b");
    rig.hold_log = false;
    rig.restart();
    let checkpoint = rig.checkpoint();
    assert_eq!((checkpoint.generation, checkpoint.seq), (1, 1));
    rig.input("echo-1", ("alice", 10), 12, "c");
    assert_eq!(
        rig.received("e1", "echo-1"),
        ["processed 10 n12 seq12"],
        "the entry that was stored before the takeover was applied too"
    );
    rig.advance(3_000);
    assert_eq!(rig.snapshot("echo-1").unwrap()["generation"], 1);
    rig.restart();
    rig.input("echo-1", ("alice", 10), 13, "d");
    assert_eq!(rig.received("e1", "echo-1"), ["processed 10 n13 seq13"]);
}

#[test]
fn d11_a_log_that_lost_its_tail_is_cut_there() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.join("echo-2", "bob", 20);
    rig.advance(3_000);
    for n in 1..=32 {
        rig.input("echo-1", ("alice", 10), n, "a");
    }
    rig.input("echo-2", ("bob", 20), 1, "b");
    // The first room's snapshot covers entry 34. The entries from 31 on are lost, the second room's among them.
    assert_eq!(rig.snapshot("echo-1").unwrap()["last"], 34);
    rig.log.retain(|entry| entry.seq <= 30);
    rig.next_seq = 31;
    rig.restart();
    let checkpoint = rig.checkpoint();
    assert_eq!(checkpoint.generation, 1);
    assert_eq!(checkpoint.cuts.last().unwrap().seq, 31);
    // The edges repeat their windows. The first room has its entry already, the second one applies its entry again.
    rig.input("echo-1", ("alice", 10), 33, "c");
    rig.input("echo-2", ("bob", 20), 1, "b");
    assert_eq!(rig.received("e1", "echo-1"), ["processed 10 n33 seq33"]);
    assert_eq!(rig.received("e2", "echo-2"), ["processed 20 n1 seq1"]);
}

#[test]
fn d11_an_owner_keeps_what_it_applied_before_the_log_was_cut() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    for n in 1..=10 {
        rig.input("echo-1", ("alice", 10), n, "a");
    }
    rig.log.retain(|entry| entry.seq <= 5);
    rig.next_seq = 6;
    rig.owner.handle_log_lost(P);
    rig.run();
    assert_eq!(rig.checkpoint().generation, 1);
    rig.received("e1", "echo-1");
    rig.input("echo-1", ("alice", 10), 11, "b");
    assert_eq!(
        rig.received("e1", "echo-1"),
        ["update 12/0 alice b", "processed 10 n11 seq11"]
    );
    rig.advance(3_000);
    rig.restart();
    rig.input("echo-1", ("alice", 10), 12, "c");
    assert_eq!(rig.received("e1", "echo-1"), ["processed 10 n12 seq12"]);
}

#[test]
fn d20_a_reader_that_lost_its_place_goes_on_from_it() {
    let mut rig = Rig::started();
    rig.join("echo-1", "alice", 10);
    rig.owner.handle_log_lost(P);
    rig.run();
    rig.received("e1", "echo-1");
    rig.input("echo-1", ("alice", 10), 1, "a");
    assert_eq!(
        rig.received("e1", "echo-1"),
        ["update 2/0 alice a", "processed 10 n1 seq1"]
    );
    assert_eq!(rig.checkpoint().generation, 0);
}

#[test]
fn d23_an_edge_that_knows_a_later_epoch_ends_the_ownership() {
    let rig = Rig::new();
    let mut owner = Engine::new(
        rig.now,
        EngineConfig::new("w".parse().unwrap()),
        Games::new(),
    );
    claim(&mut owner, &rig);
    let interest = |epoch| Interest {
        edge: "e1".to_owned(),
        rooms: vec![RoomInterest {
            room: "echo-1".to_owned(),
            spectators: Some(Known {
                epoch,
                ..Known::default()
            }),
            ..RoomInterest::default()
        }],
        ..Interest::default()
    };
    // The one of its owner, and one that no owner can have had.
    for epoch in [9, u64::MAX] {
        owner.handle_interest(rig.now, P, &interest(epoch), None);
        assert!(
            !commands(&mut owner)
                .iter()
                .any(|c| matches!(c, Command::Lost { .. }))
        );
    }
    owner.handle_interest(rig.now, P, &interest(10), None);
    let lost = Command::Lost {
        partition: P,
        epoch: Epoch(9),
        later: Epoch(10),
    };
    assert_eq!(commands(&mut owner).last(), Some(&lost));
}
