use std::collections::BTreeSet;

use super::*;

const SHAPE: Shape = Shape {
    workers: 3,
    edges: 2,
};
const MINUTE: Duration = Duration::from_secs(60);

fn usual(seed: u64, duration: Duration) -> Vec<Event> {
    schedule(seed, duration, Kind::USUAL, SHAPE)
}

fn all(seed: u64, duration: Duration) -> Vec<Event> {
    schedule(seed, duration, &Kind::ALL, SHAPE)
}

#[test]
fn the_same_seed_gives_the_same_events() {
    let once = usual(7, MINUTE);
    assert_eq!(once, usual(7, MINUTE));
    assert_ne!(once, usual(8, MINUTE));
}

#[test]
fn a_longer_schedule_begins_with_the_shorter_one() {
    let (short, long) = (usual(3, MINUTE), usual(3, MINUTE * 10));
    let until = MINUTE - RESTART_ESTIMATE - RECOVERY;
    let begin = |events: &[Event]| -> Vec<Event> {
        let begin = events.iter().filter(|e| e.at < until);
        begin.copied().collect()
    };
    assert_eq!(begin(&short), begin(&long));
}

#[test]
fn every_kind_happens_and_every_process_recovers_in_time() {
    for seed in 0..50 {
        let events = all(seed, MINUTE * 30);
        let kinds: BTreeSet<_> = events.iter().map(|event| event.kind).collect();
        assert_eq!(kinds.len(), Kind::ALL.len(), "seed {seed}: {kinds:?}");
        assert!(events.iter().all(|e| e.over() <= MINUTE * 30));
        assert!(events.is_sorted_by_key(|e| e.at));
        assert!(events.len() > 100, "seed {seed}: {}", events.len());
    }
}

#[test]
fn a_process_has_one_fault_at_a_time_and_faults_of_processes_overlap() {
    let mut together = 0;
    for seed in 0..20 {
        let events = all(seed, MINUTE * 5);
        for (index, one) in events.iter().enumerate() {
            for other in &events[index + 1..] {
                let during = other.at < one.over();
                assert!(!(during && one.target == other.target), "seed {seed}");
                together += usize::from(during);
            }
        }
    }
    assert!(together > 100, "{together}");
}

#[test]
fn a_schedule_of_no_time_has_no_events() {
    assert_eq!(usual(1, Duration::from_secs(1)), []);
}

#[test]
fn only_the_named_kinds_happen() {
    for kind in Kind::ALL {
        let events = schedule(1, MINUTE * 2, &[kind], SHAPE);
        assert!(events.len() > 3, "{kind:?}: {}", events.len());
        assert!(events.iter().all(|event| event.kind == kind), "{events:?}");
    }
    assert_eq!(schedule(1, MINUTE, &[], SHAPE), []);
}

#[test]
fn kinds_have_names_of_their_own() {
    let names: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), Kind::ALL.len());
    for kind in Kind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
    }
    let unknown = "worker-hug".parse::<Kind>().unwrap_err();
    assert!(
        unknown.contains("`worker-hug`") && unknown.contains("rollback"),
        "{unknown}"
    );
}
