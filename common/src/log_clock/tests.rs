use std::time::{Duration, Instant};

use super::*;
use crate::clock::unix_ms;

const HOUR_MS: u64 = 3_600_000;

/// The log's time at the start of a test, which the wall clock does not show.
const LOG_MS: u64 = 5_000_000;

/// A clock and a server, in virtual time.
struct Bench {
    clock: LogClock,
    at: Instant,
    server_us: u64,
}

impl Bench {
    fn new() -> Self {
        let clock = LogClock::new();
        Self {
            at: clock.start(),
            clock,
            server_us: LOG_MS * 1_000,
        }
    }

    fn pass(&mut self, us: u64) {
        self.at += Duration::from_micros(us);
        self.server_us += us;
    }

    /// An entry is stored now and received after a delay.
    fn entry(&mut self, delay_us: u64) {
        let time_ms = self.server_us / 1_000;
        self.pass(delay_us);
        self.clock.note(self.at, time_ms);
    }

    fn log_ms(&self) -> u64 {
        self.clock.estimate_ms(self.at).unwrap()
    }

    fn server_ms(&self) -> u64 {
        self.server_us / 1_000
    }

    fn error_ms(&self) -> i64 {
        self.log_ms() as i64 - self.server_ms() as i64
    }
}

#[test]
fn d24_the_wall_clock_counts_only_before_the_first_entry() {
    let clock = LogClock::new();
    assert!(clock.now().log_ms.abs_diff(unix_ms()) < HOUR_MS);
    assert_eq!(clock.skew_ms(), None);
    clock.note(clock.now().at, LOG_MS);
    assert!(clock.now().log_ms.abs_diff(LOG_MS) < HOUR_MS);
    assert!(clock.skew_ms().unwrap() > HOUR_MS as i64);
}

#[test]
fn d24_the_estimate_is_never_ahead_of_the_log_and_as_close_as_the_fastest_message() {
    let mut bench = Bench::new();
    let mut fastest = u64::MAX;
    for n in 0..5_000_u64 {
        // From 0.3 to 200 ms.
        let delay = 300 + n * 7_919 % 199_700;
        fastest = fastest.min(delay);
        bench.entry(delay);
        assert!(bench.error_ms() <= 0, "entry {n}: {}", bench.error_ms());
        bench.pass(n * 31 % 10_000);
        assert!(bench.error_ms() <= 0, "entry {n}: {}", bench.error_ms());
    }
    assert!(bench.error_ms() >= -2 - (fastest / 1_000) as i64);
}

#[test]
fn d24_without_entries_the_estimate_goes_on_at_the_pace_of_the_monotonic_clock() {
    let mut bench = Bench::new();
    bench.entry(1_000);
    bench.pass(24 * HOUR_MS * 1_000);
    assert!((-2..=0).contains(&bench.error_ms()));
}

#[test]
fn d24_a_server_s_clock_that_is_set_forward_is_followed_at_once() {
    let mut bench = Bench::new();
    bench.entry(1_000);
    bench.server_us += HOUR_MS * 1_000;
    bench.entry(1_000);
    assert!((-2..=0).contains(&bench.error_ms()));
}

#[test]
fn d24_a_server_s_clock_that_is_set_back_is_followed_after_a_few_seconds_of_entries() {
    let mut bench = Bench::new();
    for _ in 0..200 {
        bench.entry(1_000);
        bench.pass(499_000);
    }
    bench.server_us -= HOUR_MS * 1_000;
    for _ in 0..7 {
        bench.entry(1_000);
        bench.pass(499_000);
    }
    assert!((-2..=0).contains(&bench.error_ms()), "{}", bench.error_ms());
}

#[test]
fn d24_entries_that_come_late_for_a_moment_move_the_estimate_nowhere() {
    let mut bench = Bench::new();
    for _ in 0..20 {
        bench.entry(1_000);
        bench.pass(499_000);
    }
    // A stall of 5 s: what had arrived meanwhile is read at its end.
    bench.entry(5_000_000);
    bench.entry(4_500_000);
    bench.entry(1_000);
    assert!((-2..=0).contains(&bench.error_ms()), "{}", bench.error_ms());
}

#[test]
fn d24_after_a_minute_a_sample_no_longer_counts() {
    let mut bench = Bench::new();
    bench.entry(1_000);
    bench.pass(1_000_000);
    for _ in 0..97 {
        bench.entry(600_000);
        assert!(bench.error_ms() >= -2);
    }
    for _ in 0..4 {
        bench.entry(600_000);
    }
    assert!(
        (-602..-590).contains(&bench.error_ms()),
        "{}",
        bench.error_ms()
    );
}

#[test]
fn d24_entries_that_were_stored_before_the_reader_began_do_not_count() {
    let bench = Bench::new();
    let mut reader = ReaderClock::new(bench.clock.clone());
    let second = |s| bench.at + Duration::from_secs(s);
    reader.note(bench.at, LOG_MS - HOUR_MS, 2);
    reader.note(bench.at, LOG_MS - HOUR_MS, 0);
    assert_eq!(
        bench.clock.estimate_ms(bench.at),
        None,
        "the last stored one"
    );
    reader.note(second(1), LOG_MS, 3);
    assert_eq!(bench.clock.estimate_ms(bench.at), None, "more were stored");
    reader.note(second(1), LOG_MS, 0);
    assert_eq!(bench.clock.estimate_ms(second(2)), Some(LOG_MS + 1_000));

    let mut idle = ReaderClock::new(bench.clock.clone());
    idle.note_idle();
    idle.note(second(3), LOG_MS + HOUR_MS, 0);
    assert_eq!(bench.clock.estimate_ms(second(3)), Some(LOG_MS + HOUR_MS));
}

#[test]
fn d24_readers_share_the_clock_across_threads() {
    let clock = LogClock::new();
    let start = clock.start();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let mut reader = ReaderClock::new(clock.clone());
            scope.spawn(move || {
                reader.note_idle();
                for n in 0..10_000_u64 {
                    let at = start + Duration::from_micros(n * 100);
                    reader.note(at, LOG_MS + n / 10 - thread, 0);
                }
            });
        }
    });
    let end = clock.estimate_ms(start + Duration::from_secs(1)).unwrap();
    assert_eq!(end, LOG_MS + 1_000);
}
