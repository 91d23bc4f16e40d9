use std::collections::BTreeSet;

use super::*;

const SHAPE: Shape = Shape {
    workers: 3,
    edges: 2,
};
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn the_same_seed_gives_the_same_events() {
    let once = schedule(7, MINUTE, SHAPE);
    assert_eq!(once, schedule(7, MINUTE, SHAPE));
    assert_ne!(once, schedule(8, MINUTE, SHAPE));
}

#[test]
fn a_longer_schedule_begins_with_the_shorter_one() {
    let (short, long) = (schedule(3, MINUTE, SHAPE), schedule(3, MINUTE * 10, SHAPE));
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
        let events = schedule(seed, MINUTE * 10, SHAPE);
        let kinds: BTreeSet<_> = events.iter().map(Event::kind).collect();
        assert_eq!(kinds.len(), 9, "seed {seed}: {kinds:?}");
        assert!(events.iter().all(|e| e.over() <= MINUTE * 10));
        assert!(events.is_sorted_by_key(|e| e.at));
        assert!(events.len() > 100, "seed {seed}: {}", events.len());
    }
}

#[test]
fn a_process_has_one_fault_at_a_time_and_faults_of_processes_overlap() {
    let mut together = 0;
    for seed in 0..20 {
        let events = schedule(seed, MINUTE * 5, SHAPE);
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
    assert_eq!(schedule(1, Duration::from_secs(1), SHAPE), []);
}
