use super::*;
use crate::partition::room_coverage::RETRY;
use crate::partition::testing::{room, start};

const DELAY: Duration = Duration::from_secs(1);
/// An entry of ten bytes of a room without a snapshot.
const SMALL: (u64, u64) = (10, 0);

fn coverage() -> Coverage {
    Coverage::new(CoverageLimits {
        entries: 3,
        bytes: 1_000,
        delay: DELAY,
        max_delay: DELAY * 3,
    })
}

#[test]
fn a_room_is_due_after_the_delay_or_at_the_limit_of_entries() {
    let (mut coverage, now) = (coverage(), start());
    let (slow, fast) = (room("echo-slow"), room("echo-fast"));

    assert!(!coverage.mark(&slow, 1, SMALL, now));
    assert!(!coverage.mark(&fast, 2, SMALL, now));
    assert!(!coverage.mark(&fast, 3, SMALL, now));
    assert!(coverage.mark(&fast, 4, SMALL, now), "the third entry");

    assert!(!coverage.is_due(&slow, now + DELAY / 2));
    assert!(coverage.is_due(&slow, now + DELAY));
    coverage.begin_write(&fast);
    assert_eq!(coverage.take_due(now + DELAY), [slow]);
}

#[test]
fn a_write_covers_only_the_entries_before_it_began() {
    let (mut coverage, now) = (coverage(), start());
    let id = room("echo-1");
    coverage.mark(&id, 1, SMALL, now);
    coverage.mark(&id, 2, SMALL, now);
    coverage.begin_write(&id);
    coverage.mark(&id, 3, SMALL, now);
    coverage.mark(&id, 4, SMALL, now);
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
        coverage.mark(&id, 1, SMALL, now);
        coverage.begin_write(&id);
        coverage.mark(&id, 2, SMALL, now);
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
    coverage.mark(&id, 8, SMALL, now);
    assert!(coverage.set_urgent(&id, true, now), "due at once");
    coverage.begin_write(&id);
    coverage.on_written(&id, Some(8), now);

    assert_eq!(coverage.pop_deleted(8), None);
    assert_eq!(coverage.pop_deleted(9), Some(id));
    assert_eq!(coverage.pop_deleted(9), None);
}

#[test]
fn d32_a_room_is_due_when_its_entries_have_more_bytes_than_the_limit_and_than_its_snapshot() {
    let (mut coverage, now) = (coverage(), start());
    let (small, large) = (room("echo-small"), room("echo-large"));
    assert!(!coverage.mark(&small, 1, (1_000, 0), now));
    assert!(coverage.mark(&small, 2, (1, 0), now));
    assert!(!coverage.mark(&large, 3, (2_000, 2_500), now));
    assert!(coverage.mark(&large, 4, (501, 2_500), now));
}

#[test]
fn d32_a_large_room_waits_longer_but_not_longer_than_the_limit() {
    let (mut coverage, now) = (coverage(), start());
    for (name, snapshot, delays) in [
        ("echo-1", 64 * 1024, 1),
        ("echo-2", 64 * 1024 + 1, 2),
        ("echo-3", 700 * 1024, 3),
    ] {
        let id = room(name);
        coverage.mark(&id, 1, (10, snapshot), now);
        let due = now + DELAY * delays;
        assert!(!coverage.is_due(&id, due - Duration::from_millis(1)));
        assert!(coverage.is_due(&id, due), "{name}");
    }
}

#[test]
fn d32_the_oldest_room_is_written_while_the_uncovered_entries_exceed_the_limit() {
    let (mut coverage, now) = (coverage(), start());
    let (old, new) = (room("echo-old"), room("echo-new"));
    coverage.mark(&old, 1, SMALL, now);
    coverage.mark(&new, 2, SMALL, now);
    coverage.mark(&old, 3, SMALL, now);
    let entries = |entries| ReplaySize {
        entries,
        bytes: 1_000,
    };
    let bytes = |bytes| ReplaySize { entries: 9, bytes };
    assert_eq!(coverage.oldest_beyond(entries(3)), None);
    assert_eq!(coverage.oldest_beyond(bytes(30)), None);
    assert_eq!(coverage.oldest_beyond(bytes(29)), Some(old.clone()));
    assert_eq!(coverage.oldest_beyond(entries(2)), Some(old.clone()));

    coverage.begin_write(&old);
    assert_eq!(coverage.oldest_beyond(entries(1)), None, "one is left");
    assert_eq!(coverage.oldest_beyond(entries(0)), Some(new));
}

#[test]
fn d32_an_entry_that_a_predecessor_left_uncovered_is_written_before_the_log_lets_go_of_it() {
    let (now, id) = (start(), room("echo-1"));
    let second = Duration::from_secs(1);
    let mut coverage = Coverage::new(CoverageLimits {
        entries: 100,
        bytes: 1_000_000,
        delay: second * 60,
        max_delay: second * 100,
    });
    assert!(!coverage.mark(&id, 1, SMALL, now));
    assert!(!coverage.note_age(&id, second * 95, now));
    assert!(!coverage.mark(&id, 2, SMALL, now));
    assert!(!coverage.note_age(&id, second * 20, now), "a younger entry");
    assert_eq!(coverage.poll_timeout(), Some(now + second * 5));
    coverage.begin_write(&id);
    coverage.on_written(&id, None, now);
    assert_eq!(coverage.poll_timeout(), None);
    assert!(!coverage.mark(&id, 3, SMALL, now));
    assert_eq!(coverage.poll_timeout(), Some(now + second * 60));
    assert!(
        coverage.note_age(&id, second * 200, now),
        "it may leave the log"
    );
}
