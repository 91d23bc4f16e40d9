//! Taking free leases and those of dead workers.

use super::*;

/// A worker alone on its bus. Another worker, whose record says alive, holds all leases.
fn heir(now: Instant) -> LeaseMachine {
    let mut machine = machine(true);
    machine.handle_connection(now, true);
    machine.handle_worker(now, &entry("old", &record(WorkerState::Alive, 7), 1));
    for p in ["0", "1", "2", "3"] {
        let old = lease(Some(&id("old")), Epoch(5), true);
        machine.handle_lease(now, &entry(p, &old, 2));
    }
    machine.handle_loaded();
    machine
}

#[test]
fn d15_an_epoch_is_higher_than_the_one_before() {
    let (now, mut revision) = (start(), 10);
    let mut machine = machine(false);
    machine.handle_connection(now, true);
    let last = Epoch(UNIX + 5);
    machine.handle_lease(now, &entry("0", &lease(None, last, false), 3));
    machine.handle_loaded();
    let commands = drain(&mut machine, now, &mut revision);
    assert!(starts(&commands).contains(&(Partition(0), Epoch(UNIX + 6))));
}

#[test]
fn d18_a_worker_alone_on_its_bus_takes_leases_of_other_workers_at_once() {
    let (now, mut revision) = (start(), 10);
    let mut machine = heir(now);
    let commands = drain(&mut machine, now, &mut revision);
    assert!(marks(&commands, "old"));
    assert_eq!(starts(&commands).len(), 4);
}

#[test]
fn d16_leases_are_taken_only_when_their_worker_is_marked_as_dead() {
    let now = start();
    let mut machine = heir(now);
    let polled = |machine: &mut LeaseMachine| {
        std::iter::from_fn(|| machine.poll_command(now, UNIX)).collect::<Vec<_>>()
    };
    polled(&mut machine);
    machine.handle_put(&RecordKey::Worker(id("me")), PutOutcome::Stored(11));
    let takes = |commands: &[LeaseCommand]| {
        let lease = |command: &&LeaseCommand| {
            matches!(
                command,
                LeaseCommand::Put {
                    record: RecordKey::Lease(_),
                    ..
                }
            )
        };
        commands.iter().filter(lease).count()
    };
    let commands = polled(&mut machine);
    assert!(marks(&commands, "old"));
    assert_eq!(takes(&commands), 0, "it is not stored yet");
    machine.handle_put(&RecordKey::Worker(id("old")), PutOutcome::Stored(12));
    machine.handle_worker(now, &entry("old", &record(WorkerState::Dead, 7), 12));
    assert_eq!(takes(&polled(&mut machine)), 4);
}

#[test]
fn d33_a_lease_of_rooms_that_are_moved_is_not_taken() {
    let (now, mut revision) = (start(), 100);
    let mut machine = machine(false);
    machine.handle_connection(now, true);
    for partition in 0..4 {
        let moved = Lease {
            moved: partition != 2,
            ..lease(None, Epoch(7), false)
        };
        let stored = entry(&partition.to_string(), &moved, partition + 1);
        machine.handle_lease(now, &stored);
    }
    machine.handle_loaded();
    let commands = drain(&mut machine, now, &mut revision);
    let taken: Vec<_> = starts(&commands).iter().map(|(p, _)| *p).collect();
    assert_eq!(taken, [Partition(2)]);
    // The move is undone.
    let stored = entry("0", &lease(None, Epoch(7), false), 50);
    machine.handle_lease(now, &stored);
    let commands = drain(&mut machine, now, &mut revision);
    assert_eq!(starts(&commands)[0].0, Partition(0));
}
