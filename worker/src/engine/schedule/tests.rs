use super::*;

#[allow(clippy::disallowed_methods)]
fn start() -> Now {
    Now {
        at: Instant::now(),
        log_ms: 1_000_000,
    }
}

fn after(now: Now, ms: u64) -> Now {
    Now {
        at: now.at + Duration::from_millis(ms),
        log_ms: now.log_ms + ms,
    }
}

fn taken(schedule: &mut Schedule, now: Now) -> Vec<u16> {
    let taken = schedule.take(now.at).into_iter();
    taken.map(|partition| partition.0).collect()
}

#[test]
fn d25_a_partition_at_rest_is_not_looked_at() {
    let (mut schedule, now) = (Schedule::default(), start());
    schedule.set_due(Partition(1), Some(now.at + Duration::from_millis(10)));
    schedule.set_due(Partition(2), Some(now.at + Duration::from_millis(20)));
    schedule.touch(Partition(3));
    assert_eq!(taken(&mut schedule, now), [3]);
    assert_eq!(taken(&mut schedule, now), [0; 0]);
    assert_eq!(schedule.next_due(), Some(after(now, 10).at));
    assert_eq!(taken(&mut schedule, after(now, 10)), [1]);
    schedule.touch(Partition(2));
    assert_eq!(taken(&mut schedule, after(now, 20)), [2], "once");
    assert_eq!(schedule.next_due(), None);
}

#[test]
fn a_partition_that_is_dropped_is_forgotten() {
    let (mut schedule, now) = (Schedule::default(), start());
    schedule.touch(Partition(1));
    schedule.set_due(Partition(1), Some(now.at));
    schedule.forget(Partition(1));
    assert_eq!(taken(&mut schedule, now), [0; 0]);
}

#[test]
fn d24_a_step_of_the_logs_clock_is_noticed_once() {
    let (mut schedule, mut now) = (Schedule::default(), start());
    assert!(schedule.take_clock_step(now), "nothing is computed yet");
    now = after(now, 60_000);
    assert!(!schedule.take_clock_step(now));
    // Times are rounded to milliseconds.
    now.log_ms += 1;
    assert!(!schedule.take_clock_step(now));
    for step in [500, -3_600_000] {
        now.log_ms = now.log_ms.saturating_add_signed(step);
        assert!(schedule.take_clock_step(now));
        assert!(!schedule.take_clock_step(after(now, 5)));
    }
}
