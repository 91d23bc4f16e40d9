use super::*;
use crate::partition::testing::{room, start};

const DELAY: Duration = Duration::from_secs(1);

fn coverage() -> Coverage {
    Coverage::new(Limits {
        entries: 3,
        delay: DELAY,
    })
}

#[test]
fn a_room_is_due_after_the_delay_or_at_the_limit_of_entries() {
    let (mut coverage, now) = (coverage(), start());
    let (slow, fast) = (room("echo-slow"), room("echo-fast"));

    assert!(!coverage.mark(&slow, 1, now));
    assert!(!coverage.mark(&fast, 2, now));
    assert!(!coverage.mark(&fast, 3, now));
    assert!(coverage.mark(&fast, 4, now), "the third entry");

    assert!(!coverage.is_due(&slow, now + DELAY / 2));
    assert!(coverage.is_due(&slow, now + DELAY));
    coverage.begin_write(&fast);
    assert_eq!(coverage.take_due(now + DELAY), [slow]);
}

#[test]
fn a_write_covers_only_the_entries_before_it_began() {
    let (mut coverage, now) = (coverage(), start());
    let id = room("echo-1");
    coverage.mark(&id, 1, now);
    coverage.mark(&id, 2, now);
    coverage.begin_write(&id);
    coverage.mark(&id, 3, now);
    coverage.mark(&id, 4, now);
    assert_eq!(coverage.first(), Some(1), "until the write is stored");

    coverage.on_written(&id, None, now);
    assert_eq!(coverage.first(), Some(3));
    assert!(
        !coverage.is_due(&id, now),
        "two entries since the write began"
    );
    assert!(coverage.is_due(&id, now + DELAY));

    coverage.begin_write(&id);
    coverage.on_written(&id, None, now);
    assert_eq!(coverage.first(), None);
    assert!(coverage.is_clean(&id));
}

#[test]
fn a_failed_write_covers_nothing_and_is_repeated_at_once_only_after_a_conflict() {
    for conflict in [false, true] {
        let (mut coverage, now) = (coverage(), start());
        let id = room("echo-1");
        coverage.mark(&id, 1, now);
        coverage.begin_write(&id);
        coverage.mark(&id, 2, now);
        coverage.on_failed(&id, conflict, now);
        assert!(!coverage.is_due(&id, now + DELAY), "the read is in flight");

        coverage.on_read_back(&id, true, now);
        assert_eq!(coverage.first(), Some(1));
        assert_eq!(coverage.is_due(&id, now), conflict);
        assert!(coverage.is_due(&id, now + RETRY));
    }
}

#[test]
fn waiting_entries_hold_the_checkpoint_back_and_are_due_once_they_are_applied() {
    let (mut coverage, now) = (coverage(), start());
    let id = room("echo-1");
    coverage.mark_waiting(&id, 5);
    coverage.mark_waiting(&id, 6);
    assert_eq!(coverage.first(), Some(5));
    assert_eq!(coverage.poll_timeout(), None, "not before it is loaded");

    assert!(coverage.end_waiting(&id, now));
    assert_eq!(coverage.first(), Some(5), "until a write is stored");
}

#[test]
fn a_deleted_rooms_key_stays_until_the_checkpoint_has_passed_the_deletion() {
    let (mut coverage, now) = (coverage(), start());
    let id = room("echo-1");
    coverage.mark(&id, 8, now);
    assert!(coverage.set_urgent(&id, true, now), "due at once");
    coverage.begin_write(&id);
    coverage.on_written(&id, Some(8), now);

    assert_eq!(coverage.pop_deleted(8), None);
    assert_eq!(coverage.pop_deleted(9), Some(id));
    assert_eq!(coverage.pop_deleted(9), None);
}
