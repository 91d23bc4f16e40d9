use grandstand_common::bus::Bucket;

use super::*;
use crate::partition::testing::{TENURE, context, only_command, pass};

/// Returns a checkpoint as a key that an owner with this epoch wrote.
fn stored_by(epoch: u64) -> KvEntry {
    let checkpoint = Checkpoint {
        epoch: Epoch(epoch),
        generation: 1,
        seq: 100,
        created_ms: 50,
        cuts: Vec::new(),
        unread_to: None,
    };
    KvEntry {
        key: TENURE.checkpoint_key().1,
        revision: 40,
        time_ms: 0,
        value: Some(serde_json::to_vec(&checkpoint).unwrap().into()),
    }
}

/// Returns checkpoints after a takeover of log 1..=120, with revision 41.
fn claimed(cx: &mut Context) -> Checkpoints {
    cx.config.checkpoint_entries = 0;
    let mut checkpoints = Checkpoints::new(TENURE.epoch, cx.now.at);
    assert_eq!(checkpoints.claim(cx, TENURE, Some(stored_by(6))), Ok(()));
    cx.commands.clear();
    checkpoints.on_takeover_stored(41);
    checkpoints.on_loaded(cx.now.at);
    checkpoints
}

/// Returns the checkpoint that the only command writes, and the revision that it expects.
fn written(cx: &mut Context) -> (Checkpoint, u64) {
    let Command::PutIf {
        bucket,
        value,
        expected,
        ..
    } = only_command(cx)
    else {
        panic!("not a write");
    };
    assert_eq!(bucket, Bucket::Rooms(TENURE.id));
    (serde_json::from_slice(&value).unwrap(), expected)
}

#[test]
fn a_later_owners_checkpoint_is_not_claimed() {
    let mut cx = context();
    let mut checkpoints = Checkpoints::new(TENURE.epoch, cx.now.at);
    assert_eq!(
        checkpoints.claim(&mut cx, TENURE, Some(stored_by(8))),
        Err(Epoch(8))
    );
    assert_eq!(cx.commands, []);

    assert_eq!(
        checkpoints.claim(&mut cx, TENURE, Some(stored_by(6))),
        Ok(())
    );
    let (claim, expected) = written(&mut cx);
    assert_eq!((claim.epoch, claim.seq, expected), (TENURE.epoch, 100, 40));
}

#[test]
fn the_checkpoint_is_written_once_an_interval_unless_at_once() {
    let mut cx = context();
    let interval = cx.config.checkpoint_interval;
    let mut checkpoints = claimed(&mut cx);
    checkpoints.advance(&mut cx, TENURE, 100, false);
    assert_eq!(cx.commands, [], "it covers no more than before");

    checkpoints.advance(&mut cx, TENURE, 105, false);
    let (first, expected) = written(&mut cx);
    assert_eq!((first.seq, expected), (105, 41));
    checkpoints.advance(&mut cx, TENURE, 106, true);
    assert_eq!(cx.commands, [], "one write at a time");
    assert!(checkpoints.on_written(&mut cx, TENURE, 106, &Outcome::Stored(42)));

    checkpoints.advance(&mut cx, TENURE, 106, false);
    assert_eq!(cx.commands, [], "the interval has not passed");
    checkpoints.advance(&mut cx, TENURE, 106, true);
    assert_eq!(written(&mut cx).0.seq, 106);
    assert!(checkpoints.on_written(&mut cx, TENURE, 107, &Outcome::Stored(43)));

    pass(&mut cx, interval);
    checkpoints.advance(&mut cx, TENURE, 107, false);
    assert_eq!(written(&mut cx).0.seq, 107);
}

#[test]
fn a_failed_write_is_repeated_over_the_revision_that_is_read_back() {
    let mut cx = context();
    let mut checkpoints = claimed(&mut cx);
    checkpoints.advance(&mut cx, TENURE, 105, false);
    cx.commands.clear();
    assert!(!checkpoints.on_written(&mut cx, TENURE, 105, &Outcome::Failed));
    assert!(matches!(only_command(&mut cx), Command::Get { .. }));

    let mut own = stored_by(TENURE.epoch.0);
    own.revision = 42;
    let ownership = checkpoints.on_read_back(cx.now.at, TENURE, Outcome::Value(Some(own)));
    assert_eq!(ownership, TenureState::Held);
    assert!(!checkpoints.is_settled());
    checkpoints.advance(&mut cx, TENURE, 105, true);
    assert_eq!(cx.commands, [], "not before the delay");
    pass(&mut cx, RETRY);
    checkpoints.advance(&mut cx, TENURE, 105, false);
    let (again, expected) = written(&mut cx);
    assert_eq!((again.seq, expected), (105, 42));
}

#[test]
fn d23_an_older_checkpoint_than_was_acked_is_a_rollback() {
    let mut cx = context();
    let mut checkpoints = claimed(&mut cx);
    checkpoints.advance(&mut cx, TENURE, 105, false);
    cx.commands.clear();
    assert!(!checkpoints.on_written(&mut cx, TENURE, 105, &Outcome::Conflict));
    let mut older = stored_by(TENURE.epoch.0 - 1);
    older.revision = 40;
    let read = Outcome::Value(Some(older));
    let ownership = checkpoints.on_read_back(cx.now.at, TENURE, read);
    assert_eq!(ownership, TenureState::RolledBack);
}

#[test]
fn a_log_that_ends_early_or_is_new_begins_a_generation() {
    let log = LogState {
        first: 1,
        last: 120,
        created_ms: 50,
    };
    let early = LogState { last: 90, ..log };
    let new = LogState {
        first: 3,
        last: 500,
        created_ms: 51,
    };
    let mut cx = context();
    let now = cx.now.at;
    assert_eq!(claimed(&mut cx).cut(now, 120, log), None);

    let mut cut_early = claimed(&mut cx);
    assert_eq!(cut_early.cut(now, 120, early), Some(91));
    assert_eq!((cut_early.generation(), cut_early.seq()), (2, 91));
    assert_eq!(cut_early.covered(1, 110), 90, "an older snapshot");
    assert_eq!(cut_early.covered(2, 110), 110);

    let mut cut_new = claimed(&mut cx);
    assert_eq!(cut_new.cut(now, 120, new), Some(3));
    assert_eq!((cut_new.generation(), cut_new.seq()), (2, 3));
    assert_eq!(cut_new.covered(1, 110), 2);
}

#[test]
fn d32_a_checkpoint_that_covers_little_more_is_written_rarely() {
    let mut cx = context();
    let mut checkpoints = claimed(&mut cx);
    (cx.config.checkpoint_entries, cx.config.checkpoint_delay) = (10, Duration::from_secs(30));
    checkpoints.advance(&mut cx, TENURE, 101, false);
    assert_eq!(written(&mut cx).0.seq, 101);
    assert!(checkpoints.on_written(&mut cx, TENURE, 101, &Outcome::Stored(42)));

    let interval = cx.config.checkpoint_interval;
    let begun = cx.now.at;
    pass(&mut cx, interval);
    checkpoints.advance(&mut cx, TENURE, 110, false);
    assert_eq!(cx.commands, []);
    let later = begun + Duration::from_secs(30);
    assert_eq!(checkpoints.poll_timeout(110), Some(later));
    assert_eq!(checkpoints.poll_timeout(111), Some(begun + interval));
    checkpoints.advance(&mut cx, TENURE, 111, false);
    assert_eq!(written(&mut cx).0.seq, 111);
}
