use super::*;

#[test]
fn an_entry_is_accepted_once_unless_the_log_was_cut_before_it() {
    let mut log = LogReading::default();
    log.seek(10);
    assert!(!log.accept(9));
    assert!(log.accept(10));
    assert!(log.accept(12), "sequences of other partitions are missing");
    assert!(!log.accept(11));
    assert_eq!((log.reached(), log.next_seq()), (12, 13));

    log.seek(11);
    assert!(log.accept(11));
}

#[test]
fn the_reading_pauses_at_the_limit_and_resumes_below_half_of_it() {
    let mut log = LogReading::default();
    log.accept(77);
    for _ in 1..MAX_WAITING {
        assert!(!log.add_waiting());
    }
    assert!(log.add_waiting());
    assert!(!log.add_waiting(), "it is paused already");
    assert!(log.is_paused());

    log.remove_waiting(MAX_WAITING / 2);
    assert_eq!(log.resume(), None);
    log.remove_waiting(2);
    assert_eq!(log.resume(), Some(78));
    assert!(!log.is_paused());
    assert_eq!(log.resume(), None);
}
