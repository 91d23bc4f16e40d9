//! Versions of games that partitions need (D34).

use super::*;

fn games(version: u32) -> GameVersions {
    GameVersions::from([("sum".to_owned(), version)])
}

fn able(version: u32) -> LeaseMachine {
    LeaseMachine::new(LeaseSettings {
        games: games(version),
        ..settings(false)
    })
}

fn peer(version: u32) -> WorkerRecord {
    WorkerRecord {
        games: games(version),
        ..record(WorkerState::Alive, 7)
    }
}

fn needing(version: u32) -> Lease {
    Lease {
        needs: games(version),
        ..lease(None, Epoch(7), false)
    }
}

/// Starts a machine on free leases that need a version, beside a living worker with `other`. Returns the number of
/// partitions that it takes.
fn taken(mut machine: LeaseMachine, needed: u32, other: &WorkerRecord) -> usize {
    let (now, mut revision) = (start(), 100);
    machine.handle_connection(now, true);
    machine.handle_worker(now, &entry("other", other, 1));
    for partition in 0..4 {
        let stored = entry(&partition.to_string(), &needing(needed), partition + 1);
        machine.handle_lease(now, &stored);
    }
    machine.handle_loaded();
    let commands = drain(&mut machine, now, &mut revision);
    starts(&commands).len()
}

#[test]
fn d34_partitions_go_to_workers_that_can_run_their_rooms() {
    let share = taken(able(1), 1, &peer(1));
    assert!((1..4).contains(&share), "{share}");
    assert_eq!(taken(able(1), 2, &peer(2)), 0);
    assert_eq!(taken(able(2), 2, &peer(1)), 4);
    assert_eq!(taken(able(3), 2, &peer(2)), share);
    // None can.
    assert_eq!(taken(able(1), 3, &peer(2)), share);
    // The record of a build without versions.
    let unnamed = record(WorkerState::Alive, 7);
    assert_eq!(taken(able(1), 2, &unnamed), share);
    assert_eq!(taken(able(2), 2, &unnamed), 4);
    assert_eq!(taken(able(2), 1, &unnamed), share);
}

fn needs(commands: &[LeaseCommand]) -> Vec<(Partition, u32)> {
    let needs = commands.iter().filter_map(|command| match command {
        LeaseCommand::Needs {
            partition, needs, ..
        } => Some((*partition, needs["sum"])),
        _ => None,
    });
    needs.collect()
}

#[test]
fn d34_what_a_partition_needs_is_told_once_it_is_stored() {
    let (now, mut revision) = (start(), 0);
    let mut machine = able(2);
    machine.handle_connection(now, true);
    machine.handle_loaded();
    let commands = drain(&mut machine, now, &mut revision);
    assert!(needs(&commands).is_empty(), "no lease needs anything");

    let p = Partition(2);
    machine.handle_needs(p, &games(2));
    let put = machine.poll_command(now, UNIX).unwrap();
    let LeaseCommand::Put { record, value, .. } = &put else {
        panic!("{put:?}");
    };
    assert_eq!(*record, RecordKey::Lease(p));
    let stored: Lease = decode(value).unwrap();
    assert_eq!(
        (stored.needs, stored.worker, stored.ready),
        (games(2), Some(id("me")), false)
    );
    assert_eq!(
        machine.poll_command(now, UNIX),
        None,
        "it is not stored yet"
    );
    machine.handle_put(record, PutOutcome::Stored(revision + 1));
    let commands = drain(&mut machine, now, &mut revision);
    assert_eq!(needs(&commands), [(p, 2)]);

    // Nothing more to say, but the lease says it from now on.
    machine.handle_needs(p, &games(1));
    machine.handle_ready(p);
    revision += 10;
    let commands = drain(&mut machine, now, &mut revision);
    assert!(needs(&commands).is_empty());
    let known = machine.state.leases[2].stored.as_ref().unwrap();
    assert_eq!((&known.needs, known.ready), (&games(2), true));
}

#[test]
fn d34_a_partition_that_is_handed_over_may_need_more() {
    let (now, mut revision) = (start(), 0);
    let mut machine = able(2);
    machine.handle_connection(now, true);
    machine.handle_loaded();
    drain(&mut machine, now, &mut revision);
    machine.handle_ready(Partition(2));
    drain(&mut machine, now, &mut revision);
    machine.handle_leave();
    drain(&mut machine, now, &mut revision);
    machine.handle_needs(Partition(2), &games(2));
    let commands = drain(&mut machine, now, &mut revision);
    assert_eq!(needs(&commands), [(Partition(2), 2)]);
    machine.handle_stopped(Partition(2));
    drain(&mut machine, now, &mut revision);
    let released = machine.state.leases[2].stored.as_ref().unwrap();
    assert_eq!((&released.worker, &released.needs), (&None, &games(2)));
}
