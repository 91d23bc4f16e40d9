//! Buckets that come back in an older state than they had acked (D23).

use std::collections::BTreeMap;

use super::*;

/// A worker that owns all partitions, and the revision of the last put.
fn owner(now: Instant, carried_over: CarriedOver) -> (LeaseMachine, u64, Vec<LeaseCommand>) {
    let mut revision = 10;
    let mut machine = LeaseMachine::new(LeaseSettings {
        id: id("me"),
        build: "test".to_owned(),
        games: GameVersions::new(),
        layout: Layout::new(4, 1),
        senders: Vec::new(),
        alone: false,
        carried_over,
    });
    machine.handle_connection(now, true);
    machine.handle_loaded();
    let commands = drain(&mut machine, now, &mut revision);
    (machine, revision, commands)
}

fn polled(machine: &mut LeaseMachine, now: Instant) -> Vec<LeaseCommand> {
    std::iter::from_fn(|| machine.poll_command(now, UNIX)).collect()
}

fn gets(commands: &[LeaseCommand]) -> Vec<&RecordKey> {
    let gets = commands.iter().filter_map(|command| match command {
        LeaseCommand::Get { record } => Some(record),
        _ => None,
    });
    gets.collect()
}

#[test]
fn d23_an_older_record_than_was_acked_ends_the_machine() {
    let now = start();
    let (mut machine, revision, _) = owner(now, CarriedOver::default());
    let own = RecordKey::Worker(id("me"));
    machine.handle_put(&own, PutOutcome::Stored(revision + 1));
    let later = now + Duration::from_millis(500);
    polled(&mut machine, later);
    machine.handle_put(&own, PutOutcome::Conflict);
    assert_eq!(gets(&polled(&mut machine, later)), [&own]);
    let old = entry("me", &record(WorkerState::Alive, 1), 3);
    machine.handle_get(later, &own, &GetOutcome::Found(old));
    assert_eq!(polled(&mut machine, later), [LeaseCommand::RolledBack]);
    assert!(!machine.may_act(later));
}

#[test]
fn d23_an_older_lease_of_the_watch_is_read_and_ends_the_machine_if_it_is_stored() {
    let now = start();
    let (mut machine, ..) = owner(now, CarriedOver::default());
    let old = entry("2", &lease(Some(&id("other")), Epoch(5), true), 3);
    machine.handle_lease(now, &old);
    let key = RecordKey::Lease(Partition(2));
    assert_eq!(gets(&polled(&mut machine, now)), [&key]);
    assert!(
        machine.epoch(Partition(2)).is_some(),
        "the server may only be behind"
    );
    machine.handle_get(now, &key, &GetOutcome::Found(old));
    assert_eq!(polled(&mut machine, now), [LeaseCommand::RolledBack]);
}

#[test]
fn d23_an_older_record_of_another_worker_ends_the_machine_if_it_is_stored() {
    let now = start();
    let (mut machine, revision, _) = owner(now, CarriedOver::default());
    machine.handle_worker(
        now,
        &entry("other", &record(WorkerState::Alive, 7), revision + 5),
    );
    polled(&mut machine, now);
    let old = entry("other", &record(WorkerState::Alive, 5), revision + 2);
    machine.handle_worker(now, &old);
    let key = RecordKey::Worker(id("other"));
    assert_eq!(gets(&polled(&mut machine, now)), [&key]);
    machine.handle_get(now, &key, &GetOutcome::Found(old));
    assert_eq!(polled(&mut machine, now), [LeaseCommand::RolledBack]);
}

#[test]
fn d23_after_a_reconnect_a_worker_acts_only_once_its_leases_are_read() {
    let now = start();
    let (mut machine, revision, _) = owner(now, CarriedOver::default());
    machine.handle_connection(now, false);
    machine.handle_connection(now, true);
    let commands = polled(&mut machine, now);
    assert_eq!(gets(&commands).len(), 4);
    let own = RecordKey::Worker(id("me"));
    machine.handle_put(&own, PutOutcome::Stored(revision + 1));
    assert!(!machine.may_act(now));
    for key in gets(&commands) {
        machine.handle_get(now, key, &GetOutcome::Failed);
    }
    assert!(!machine.may_act(now));
    let later = now + Duration::from_millis(100);
    let again = polled(&mut machine, later);
    assert_eq!(gets(&again).len(), 4, "gets that failed are repeated");
    confirm_leases(&mut machine, later, &again);
    assert!(machine.may_act(later));
    assert_eq!(machine.owned(), 4);
}

#[test]
fn d23_leases_that_are_gone_end_the_machine_once_their_watch_has_lost_its_position() {
    let now = start();
    let (mut machine, ..) = owner(now, CarriedOver::default());
    machine.handle_leases_lost(now);
    assert!(!machine.may_act(now), "its leases may be gone");
    let commands = polled(&mut machine, now);
    assert_eq!(gets(&commands).len(), 4);
    confirm_leases(&mut machine, now, &commands);
    assert!(machine.may_act(now));
    machine.handle_leases_lost(now);
    let commands = polled(&mut machine, now);
    machine.handle_get(now, gets(&commands)[0], &GetOutcome::Missing);
    assert_eq!(polled(&mut machine, now), [LeaseCommand::RolledBack]);
}

#[test]
fn d23_a_lease_is_taken_above_every_epoch_that_was_seen() {
    let now = start();
    let seen = CarriedOver {
        id: None,
        epochs: [(Partition(0), Epoch(UNIX + 5)), (Partition(1), Epoch(1))].into(),
    };
    let (mut machine, mut revision, commands) = owner(now, seen);
    let starts = starts(&commands);
    assert!(
        starts.contains(&(Partition(0), Epoch(UNIX + 6))),
        "{starts:?}"
    );
    assert!(starts.contains(&(Partition(1), Epoch(UNIX))), "{starts:?}");
    // A stored record with a higher epoch than the lease: the partition is released, and taken above that.
    machine.handle_epoch(Partition(3), Epoch(UNIX + 50));
    machine.handle_stopped(Partition(3));
    let commands = drain(&mut machine, now, &mut revision);
    assert!(self::starts(&commands).contains(&(Partition(3), Epoch(UNIX + 51))));
    assert_eq!(
        machine.carried_over().epochs[&Partition(0)],
        Epoch(UNIX + 6)
    );
}

#[test]
fn d23_the_former_id_of_a_worker_is_marked_as_dead_at_once() {
    let (now, mut revision) = (start(), 10);
    let mut machine = LeaseMachine::new(LeaseSettings {
        id: id("me"),
        build: "test".to_owned(),
        games: GameVersions::new(),
        layout: Layout::new(4, 1),
        senders: Vec::new(),
        alone: false,
        carried_over: CarriedOver {
            id: Some(id("me-before")),
            epochs: BTreeMap::new(),
        },
    });
    machine.handle_connection(now, true);
    machine.handle_worker(now, &entry("me-before", &record(WorkerState::Alive, 7), 1));
    machine.handle_worker(now, &entry("other", &record(WorkerState::Alive, 7), 2));
    machine.handle_loaded();
    let commands = drain(&mut machine, now, &mut revision);
    assert!(marks(&commands, "me-before"));
    assert!(!marks(&commands, "other"));
}
