use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

#[expect(clippy::disallowed_methods, reason = "a base to count from")]
fn start() -> Instant {
    Instant::now()
}

fn expired(wheel: &mut TimerWheel<u32>, now: Instant) -> Vec<u32> {
    std::iter::from_fn(|| wheel.poll_expired(now)).collect()
}

#[test]
fn a_key_expires_once_at_its_deadline_and_not_before() {
    let base = start();
    let mut wheel = TimerWheel::new(base);
    wheel.insert(base + Duration::from_millis(250), 1);
    wheel.insert(base + Duration::from_millis(120), 2);
    assert!(expired(&mut wheel, base + Duration::from_millis(119)).is_empty());
    let next = wheel.next_deadline().unwrap();
    assert_eq!(next, base + Duration::from_millis(200));
    assert_eq!(expired(&mut wheel, next), [2]);
    assert_eq!(expired(&mut wheel, base + Duration::from_millis(350)), [1]);
    assert!(wheel.is_empty());
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn a_key_with_a_past_deadline_expires_at_the_next_tick() {
    let base = start();
    let mut wheel = TimerWheel::new(base);
    let now = base + Duration::from_secs(100);
    assert!(expired(&mut wheel, now).is_empty());
    wheel.insert(base, 7);
    assert!(expired(&mut wheel, now).is_empty());
    let next = wheel.next_deadline().unwrap();
    assert_eq!(expired(&mut wheel, next), [7]);
}

#[test]
fn a_deadline_more_than_a_round_away_waits_for_its_round() {
    let base = start();
    let mut wheel = TimerWheel::new(base);
    let far = base + TICK * (SLOTS as u32) * 3 + TICK * 5;
    wheel.insert(far, 1);
    let mut polls = 0;
    loop {
        let next = wheel.next_deadline().unwrap();
        polls += 1;
        if !expired(&mut wheel, next).is_empty() {
            assert_eq!(next, far);
            break;
        }
        assert!(next < far);
    }
    assert_eq!(polls, 4);
}

#[test]
fn random_deadlines_expire_within_a_tick_however_time_jumps() {
    for seed in 0..100 {
        let mut rng = StdRng::seed_from_u64(seed);
        let base = start();
        let mut wheel = TimerWheel::new(base);
        let mut now = base;
        let mut waiting = std::collections::BTreeMap::new();
        for key in 0..500_u32 {
            let deadline = now + Duration::from_millis(rng.random_range(0..120_000));
            wheel.insert(deadline, key);
            waiting.insert(key, deadline);
            if rng.random_bool(0.2) {
                let jump = if rng.random_bool(0.05) { 200_000 } else { 700 };
                now += Duration::from_millis(rng.random_range(0..jump));
                for key in expired(&mut wheel, now) {
                    let deadline = waiting.remove(&key).unwrap();
                    assert!(deadline <= now, "seed {seed}: too early");
                }
                assert!(
                    waiting.values().all(|&d| d + TICK > now),
                    "seed {seed}: too late"
                );
                assert_eq!(wheel.len(), waiting.len());
                if let Some(first) = waiting.values().min() {
                    let next = wheel.next_deadline().unwrap();
                    assert!(next < *first + TICK, "seed {seed}: sleeps too long");
                    assert!(next > now, "seed {seed}: would spin");
                }
            }
        }
    }
}
