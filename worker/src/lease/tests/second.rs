//! The second observer of a cluster (D17).

use super::*;

/// The step of 100 ms in which another worker is marked as dead. `answer` gives the outcome of each probe.
fn found_dead(
    connection: impl Fn(u64) -> Option<SecondConnectionState>,
    answer: impl Fn(u64, &Probe) -> ProbeOutcome,
) -> Option<u64> {
    let (first, mut revision) = (start(), 10);
    let mut machine = machine(false);
    machine.handle_connection(first, true);
    machine.handle_worker(first, &entry("other", &record(WorkerState::Alive, 7), 1));
    machine.handle_loaded();
    for step in 0..29 {
        let now = first + Duration::from_millis(100 * step);
        if let Some(connection) = connection(step) {
            machine.handle_second_connection(now, connection);
        }
        let commands = drain(&mut machine, now, &mut revision);
        if marks(&commands, "other") {
            return Some(step);
        }
        for command in commands {
            if let LeaseCommand::Probe(probe) = command {
                let outcome = answer(step, &probe);
                machine.handle_probe(now, &probe, outcome);
            }
        }
    }
    None
}

/// Answers as an observer that reaches this worker and finds no responders of the other one.
fn only_me(_: u64, probe: &Probe) -> ProbeOutcome {
    match probe.worker.as_str() {
        "me" => ProbeOutcome::Alive,
        _ => ProbeOutcome::NoResponders,
    }
}

fn from_the_start(
    connection: SecondConnectionState,
) -> impl Fn(u64) -> Option<SecondConnectionState> {
    move |step| (step == 0).then_some(connection)
}

#[test]
fn d17_in_a_cluster_two_observers_must_agree() {
    let there = || from_the_start(SecondConnectionState::Connected(1));
    assert_eq!(found_dead(there(), only_me), Some(12));
    // The first observer has no route to the other worker.
    let split = |step, probe: &Probe| match probe.observer {
        Observer::First => only_me(step, probe),
        Observer::Second => ProbeOutcome::Alive,
    };
    assert_eq!(found_dead(there(), split), None);
    // The second observer gets no answer.
    let deaf = |step, probe: &Probe| match probe.observer {
        Observer::First => only_me(step, probe),
        Observer::Second => ProbeOutcome::Timeout,
    };
    assert_eq!(found_dead(there(), deaf), None);
}

#[test]
fn d17_an_observer_that_does_not_reach_its_own_worker_is_ignored() {
    let blind = |step, probe: &Probe| match probe.observer {
        Observer::First => only_me(step, probe),
        Observer::Second => ProbeOutcome::NoResponders,
    };
    assert_eq!(
        found_dead(from_the_start(SecondConnectionState::Connected(1)), blind),
        None
    );
}

#[test]
fn d17_probes_mark_no_worker_as_dead_while_a_needed_second_observer_is_missing() {
    assert_eq!(
        found_dead(from_the_start(SecondConnectionState::Missing), only_me),
        None
    );
    // It is connected from step 10 on, and counts 1 s later.
    let late = |step| match step {
        0 => Some(SecondConnectionState::Missing),
        10 => Some(SecondConnectionState::Connected(1)),
        _ => None,
    };
    assert_eq!(found_dead(late, only_me), Some(22));
    // It is a new connection every second.
    let flapping = |step| (step % 10 == 0).then_some(SecondConnectionState::Connected(step));
    assert_eq!(found_dead(flapping, only_me), None);
}
