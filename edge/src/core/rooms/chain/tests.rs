use grandstand_common::wire::{Empty, Input};

use super::*;

fn chain(now: Instant) -> Chain {
    let mut chain = Chain::new("alice", 7, "e", ChainConfig::default(), now);
    chain.push(Body::Here(Empty {}), now);
    chain
}

fn input(seq: u64) -> Body {
    Body::Input(Input {
        seq,
        ..Input::default()
    })
}

fn drain(chain: &mut Chain) -> Vec<(u64, u32)> {
    std::iter::from_fn(|| chain.poll_append())
        .map(|o| (o.n, o.round))
        .collect()
}

fn start() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[test]
fn d03_disorder_starts_a_new_round() {
    let now = start();
    let mut chain = chain(now);
    chain.push(input(1), now);
    chain.push(input(2), now);
    assert_eq!(drain(&mut chain), [(0, 0), (1, 0), (2, 0)]);
    chain.handle_stored(0, 0, 10, now);
    chain.handle_stored(2, 0, 11, now);
    assert_eq!(drain(&mut chain), []);
    chain.handle_stored(1, 0, 12, now);
    assert_eq!(drain(&mut chain), [(0, 1), (1, 1), (2, 1)]);
    chain.handle_stored(1, 0, 5, now);
    assert_eq!(
        drain(&mut chain),
        [],
        "a result from an earlier round is ignored"
    );
}

#[test]
fn d03_a_gap_restarts_its_own_round_only() {
    let now = start();
    let mut chain = chain(now);
    chain.push(input(1), now);
    drain(&mut chain);
    chain.handle_processed(0, Some(0), now);
    assert_eq!(drain(&mut chain), [(1, 1)]);
    chain.handle_processed(0, Some(0), now);
    assert_eq!(drain(&mut chain), []);
}

#[test]
fn d03_a_deadline_repeats_the_first_entry_and_backs_off() {
    let now = start();
    let mut chain = chain(now);
    chain.push(input(1), now);
    drain(&mut chain);
    chain.handle_processed(0, None, now);
    let at = chain.poll_timeout().unwrap();
    assert_eq!(at, now + Duration::from_millis(500));
    chain.handle_timeout(at);
    assert_eq!(drain(&mut chain), [(1, 0)]);
    chain.handle_stored(1, 0, 9, at);
    let at = chain.poll_timeout().unwrap();
    assert_eq!(
        at,
        now + Duration::from_secs(1),
        "the entry is stored but not processed"
    );
    chain.handle_timeout(at);
    assert_eq!(drain(&mut chain), [(1, 1)]);
    chain.handle_processed(1, None, at);
    assert_eq!(chain.poll_timeout(), None);
}

#[test]
fn d03_failed_appends_are_repeated_soon_and_back_off() {
    let mut now = start();
    let mut chain = chain(now);
    drain(&mut chain);
    let mut waits = Vec::new();
    for _ in 0..4 {
        let round = chain.round();
        chain.handle_failed(0, round, now);
        let at = chain.poll_timeout().unwrap();
        waits.push((at - now).as_millis());
        chain.handle_timeout(at);
        assert_eq!(drain(&mut chain).first().map(|o| o.0), Some(0));
        now = at;
    }
    assert_eq!(
        waits,
        [100, 200, 400, 300],
        "the last wait ends in a repeat of the whole window"
    );
}

#[test]
fn d02_the_window_is_bounded_in_entries_and_bytes() {
    let now = start();
    let mut chain = Chain::new("alice", 7, "e", ChainConfig::default(), now);
    for seq in 0..64 {
        assert!(!chain.is_full());
        chain.push(input(seq), now);
    }
    assert!(chain.is_full());
    chain.handle_processed(0, None, now);
    assert!(!chain.is_full());
    let big = grandstand_common::data::Data::Binary(vec![0; 256 * 1024].into());
    chain.push(
        Body::Input(Input {
            seq: 1,
            data: Some(big),
            ..Input::default()
        }),
        now,
    );
    assert!(chain.is_full());
}
