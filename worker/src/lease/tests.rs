use std::time::Duration;

use grandstand_common::layout::Layout;
use grandstand_common::record::{Lease, WorkerRecord};
use serde::Serialize;

use super::record::{decode, encode, lease};
use super::*;

mod second;

mod taking;

mod rolled_back;

mod stuck;

mod needs;

const UNIX: u64 = 1_767_225_600_000;

fn start() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn id(name: &str) -> WorkerId {
    name.parse().unwrap()
}

fn settings(alone: bool) -> LeaseSettings {
    LeaseSettings {
        id: id("me"),
        build: "test".to_owned(),
        games: GameVersions::new(),
        layout: Layout::new(4, 1),
        senders: Vec::new(),
        alone,
        carried_over: CarriedOver::default(),
    }
}

fn machine(alone: bool) -> LeaseMachine {
    LeaseMachine::new(settings(alone))
}

fn entry(key: &str, value: &impl Serialize, revision: u64) -> KvEntry {
    KvEntry {
        key: key.to_owned(),
        value: Some(encode(value)),
        revision,
        time_ms: UNIX,
    }
}

fn record(state: WorkerState, beat: u64) -> WorkerRecord {
    WorkerRecord {
        state,
        beat,
        build: String::new(),
        follows_layout: true,
        games: GameVersions::new(),
    }
}

/// Polls all commands. Answers each put as stored, with revisions after `revision`.
fn drain(machine: &mut LeaseMachine, now: Instant, revision: &mut u64) -> Vec<LeaseCommand> {
    let mut all = Vec::new();
    while let Some(command) = machine.poll_command(now, UNIX) {
        if let LeaseCommand::Put { record, value, .. } = &command {
            *revision += 1;
            machine.handle_put(record, PutOutcome::Stored(*revision));
            let shown = KvEntry {
                key: record.key(),
                value: Some(value.clone()),
                revision: *revision,
                time_ms: UNIX,
            };
            match record {
                RecordKey::Worker(_) => machine.handle_worker(now, &shown),
                RecordKey::Lease(_) => machine.handle_lease(now, &shown),
            }
        }
        all.push(command);
    }
    all
}

/// Answers the gets of leases with what is known to be stored.
fn confirm_leases(machine: &mut LeaseMachine, now: Instant, commands: &[LeaseCommand]) {
    for command in commands {
        let LeaseCommand::Get {
            record: RecordKey::Lease(partition),
        } = command
        else {
            continue;
        };
        let known = &machine.state.leases[usize::from(partition.0)];
        let found = entry(
            &partition.to_string(),
            known.stored.as_ref().unwrap(),
            known.revision,
        );
        let record = RecordKey::Lease(*partition);
        machine.handle_get(now, &record, &GetOutcome::Found(found));
    }
}

fn starts(commands: &[LeaseCommand]) -> Vec<(Partition, Epoch)> {
    let starts = commands.iter().filter_map(|command| match command {
        LeaseCommand::Start {
            partition, epoch, ..
        } => Some((*partition, *epoch)),
        _ => None,
    });
    starts.collect()
}

fn marks(commands: &[LeaseCommand], worker: &str) -> bool {
    commands.iter().any(|command| {
        matches!(command, LeaseCommand::Put { record: RecordKey::Worker(id), .. } if id.as_str() == worker)
    })
}

#[test]
fn a_lone_worker_takes_every_partition_and_stores_which_are_ready() {
    let (now, mut revision) = (start(), 0);
    let mut machine = machine(false);
    machine.handle_connection(now, true);
    machine.handle_loaded();
    assert!(!machine.may_act(now));
    let commands = drain(&mut machine, now, &mut revision);
    assert_eq!(starts(&commands).len(), 4);
    assert!(
        starts(&commands)
            .iter()
            .all(|(_, epoch)| *epoch == Epoch(UNIX))
    );
    assert!(machine.may_act(now + Duration::from_millis(1_999)));
    assert!(!machine.may_act(now + Duration::from_secs(2)));

    machine.handle_ready(Partition(2));
    let commands = drain(&mut machine, now, &mut revision);
    let [LeaseCommand::Put { record, value, .. }] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert_eq!(*record, RecordKey::Lease(Partition(2)));
    let stored: Lease = decode(value).unwrap();
    assert!(stored.ready && stored.epoch == Epoch(UNIX));
}

#[test]
fn d16_a_worker_is_silent_after_three_seconds_and_three_own_renewals() {
    let (first, mut revision) = (start(), 10);
    let mut machine = machine(false);
    machine.handle_connection(first, true);
    machine.handle_worker(first, &entry("other", &record(WorkerState::Alive, 7), 1));
    machine.handle_loaded();
    drain(&mut machine, first, &mut revision);
    // The bus stalls for ten seconds: the watch delivers no renewals.
    let now = first + Duration::from_secs(10);
    assert!(!machine.may_act(now));
    for beat in 0..3 {
        let now = now + Duration::from_millis(500 * beat);
        let commands = drain(&mut machine, now, &mut revision);
        let counted = beat == 2;
        assert_eq!(marks(&commands, "other"), counted, "beat {beat}");
    }
}

#[test]
fn d16_a_worker_that_was_marked_as_dead_drops_everything() {
    let (now, mut revision) = (start(), 0);
    let mut machine = machine(false);
    machine.handle_connection(now, true);
    machine.handle_loaded();
    drain(&mut machine, now, &mut revision);
    machine.handle_worker(now, &entry("me", &record(WorkerState::Dead, 1), 99));
    assert!(!machine.may_act(now));
    assert_eq!(machine.owned(), 0);
    assert_eq!(machine.poll_command(now, UNIX), Some(LeaseCommand::Dead));
    assert_eq!(machine.poll_command(now, UNIX), None);
}

#[test]
fn d17_a_worker_without_responders_in_two_rounds_is_marked_as_dead() {
    let (first, mut revision) = (start(), 10);
    let mut machine = machine(false);
    machine.handle_connection(first, true);
    machine.handle_worker(first, &entry("other", &record(WorkerState::Alive, 7), 1));
    machine.handle_loaded();
    let mut marked = Vec::new();
    for step in 0..14 {
        let now = first + Duration::from_millis(100 * step);
        let commands = drain(&mut machine, now, &mut revision);
        marked.push(marks(&commands, "other"));
        for command in commands {
            if let LeaseCommand::Probe(probe) = command {
                let outcome = match probe.worker.as_str() {
                    "me" => ProbeOutcome::Alive,
                    _ => ProbeOutcome::NoResponders,
                };
                machine.handle_probe(now, &probe, outcome);
            }
        }
    }
    // The first miss counts when the connection has been up for 1 s, the second 100 ms later.
    assert_eq!(marked.iter().position(|marked| *marked), Some(12));
}

#[test]
fn d17_rounds_in_which_the_own_probe_is_unanswered_mark_no_worker_as_dead() {
    let (first, mut revision) = (start(), 10);
    let mut machine = machine(false);
    machine.handle_connection(first, true);
    machine.handle_worker(first, &entry("other", &record(WorkerState::Alive, 7), 1));
    machine.handle_loaded();
    for step in 0..28 {
        let now = first + Duration::from_millis(100 * step);
        let commands = drain(&mut machine, now, &mut revision);
        assert!(!marks(&commands, "other"));
        for command in commands {
            if let LeaseCommand::Probe(probe) = command {
                machine.handle_probe(now, &probe, ProbeOutcome::NoResponders);
            }
        }
    }
}

#[test]
fn records_of_dead_workers_are_deleted_after_ten_minutes() {
    let (first, mut revision) = (start(), 10);
    let mut machine = machine(false);
    machine.handle_connection(first, true);
    machine.handle_loaded();
    drain(&mut machine, first, &mut revision);
    let forgets = |machine: &mut LeaseMachine, now, log_ms| {
        let mut all = Vec::new();
        while let Some(command) = machine.poll_command(now, log_ms) {
            match command {
                LeaseCommand::Put { record, .. } if matches!(record, RecordKey::Worker(_)) => {
                    machine.handle_put(&record, PutOutcome::Stored(1000));
                }
                LeaseCommand::Delete { record, expected } => all.push((record, expected)),
                _ => {}
            }
        }
        all
    };
    machine.handle_worker(first, &entry("old", &record(WorkerState::Dead, 1), 5));
    machine.handle_worker(first, &entry("named", &record(WorkerState::Dead, 1), 6));
    let stale = lease(Some(&id("named")), Epoch(5), true);
    machine.handle_lease(first, &entry("3", &stale, 900));
    machine.handle_worker(first, &entry("alive", &record(WorkerState::Leaving, 1), 7));
    // The search runs every minute; records are kept for ten minutes.
    let later = first + Duration::from_secs(61);
    machine.handle_connection(later, true);
    assert_eq!(forgets(&mut machine, later, UNIX + 61_000), []);
    let late = first + Duration::from_secs(660);
    machine.handle_connection(late, true);
    let forgotten = forgets(&mut machine, late, UNIX + 660_000);
    assert_eq!(forgotten, [(RecordKey::Worker(id("old")), 5)]);
    // A worker whose record was deleted is forgotten unless a lease names it.
    let marker = KvEntry {
        value: None,
        ..entry("old", &(), 8)
    };
    machine.handle_worker(late, &marker);
    assert!(machine.state.peers.all.contains_key(&id("old")));
    let later = late + Duration::from_secs(61);
    machine.handle_connection(later, true);
    forgets(&mut machine, later, UNIX + 721_000);
    assert!(!machine.state.peers.all.contains_key(&id("old")));
    assert!(machine.state.peers.all.contains_key(&id("named")));
}

#[test]
fn a_surplus_partition_is_handed_over_and_a_leaving_worker_gives_all_away() {
    let (now, mut revision) = (start(), 0);
    let mut machine = machine(false);
    machine.handle_connection(now, true);
    machine.handle_loaded();
    drain(&mut machine, now, &mut revision);
    (0..4).map(Partition).for_each(|p| machine.handle_ready(p));
    drain(&mut machine, now, &mut revision);
    let stops = |commands: &[LeaseCommand]| {
        let stops = commands.iter().filter_map(|command| match command {
            LeaseCommand::Stop { partition, .. } => Some(*partition),
            _ => None,
        });
        stops.collect::<Vec<_>>()
    };
    machine.handle_worker(now, &entry("other", &record(WorkerState::Alive, 1), 50));
    revision = 50;
    let surplus = stops(&drain(&mut machine, now, &mut revision));
    assert!(!surplus.is_empty() && surplus.len() < 4);
    machine.handle_stopped(surplus[0]);
    let commands = drain(&mut machine, now, &mut revision);
    let [LeaseCommand::Put { value, .. }] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert_eq!(decode::<Lease>(value).unwrap().worker, None);

    machine.handle_leave();
    let mut all = surplus.len();
    let mut waiting = surplus[1..].to_vec();
    let mut last = None;
    for round in 0..6 {
        let commands = drain(&mut machine, now, &mut revision);
        let next = stops(&commands);
        all += next.len();
        waiting.extend(next);
        last = commands.last().cloned().or(last);
        assert!(
            waiting.len() <= 2,
            "two at a time: {waiting:?} in round {round}"
        );
        for partition in waiting.drain(..) {
            machine.handle_stopped(partition);
        }
        last = drain(&mut machine, now, &mut revision).pop().or(last);
        // The successor is ready.
        for p in 0..4 {
            revision += 1;
            let lease = lease(Some(&id("other")), Epoch(UNIX + 9), true);
            if machine.epoch(Partition(p)).is_none() {
                machine.handle_lease(now, &entry(&p.to_string(), &lease, revision));
            }
        }
    }
    assert_eq!(all, 4);
    assert_eq!(last, Some(LeaseCommand::Left));
}

#[test]
fn a_partition_whose_successor_is_never_ready_delays_the_others_by_one_second() {
    let (now, mut revision) = (start(), 0);
    let mut machine = machine(false);
    machine.handle_connection(now, true);
    machine.handle_loaded();
    drain(&mut machine, now, &mut revision);
    (0..4).map(Partition).for_each(|p| machine.handle_ready(p));
    drain(&mut machine, now, &mut revision);
    machine.handle_worker(now, &entry("other", &record(WorkerState::Alive, 1), 50));
    revision = 50;
    machine.handle_leave();
    let mut stopped = Vec::new();
    for after in [0, 500, 1_100, 1_600] {
        let now = now + Duration::from_millis(after);
        let commands = drain(&mut machine, now, &mut revision);
        let stops = commands.iter().filter_map(|command| match command {
            LeaseCommand::Stop { partition, .. } => Some(*partition),
            _ => None,
        });
        let stops: Vec<_> = stops.collect();
        stopped.push(stops.len());
        stops.into_iter().for_each(|p| machine.handle_stopped(p));
    }
    assert_eq!(stopped, [2, 0, 2, 0]);
}

#[test]
fn a_worker_that_lost_its_connection_acts_only_after_a_later_acked_renewal() {
    let (now, mut revision) = (start(), 0);
    let mut machine = machine(false);
    machine.handle_connection(now, true);
    machine.handle_loaded();
    drain(&mut machine, now, &mut revision);
    machine.handle_connection(now, false);
    assert!(!machine.may_act(now));
    let later = now + Duration::from_millis(100);
    machine.handle_connection(later, true);
    let commands = drain(&mut machine, later, &mut revision);
    confirm_leases(&mut machine, later, &commands);
    assert!(machine.may_act(later));
    assert_eq!(machine.owned(), 4);
}

#[test]
fn a_lease_of_another_worker_means_that_the_partition_is_lost() {
    let (now, mut revision) = (start(), 0);
    let mut machine = machine(false);
    machine.handle_connection(now, true);
    machine.handle_loaded();
    drain(&mut machine, now, &mut revision);
    machine.handle_worker(now, &entry("other", &record(WorkerState::Leaving, 1), 69));
    let other = lease(Some(&id("other")), Epoch(UNIX + 9), true);
    machine.handle_lease(now, &entry("1", &other, 70));
    let commands = drain(&mut machine, now, &mut 100);
    assert!(commands.contains(&LeaseCommand::Lost {
        partition: Partition(1)
    }));
    assert_eq!(machine.epoch(Partition(1)), None);
}
