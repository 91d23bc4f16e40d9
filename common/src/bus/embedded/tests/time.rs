//! The time of the log is one clock (D24).

use std::time::Duration;

use super::Folder;
use super::rig::{self, WALL_MS};
use crate::bus::embedded::clock::Clock;
use crate::bus::embedded::open::open_folder;
use crate::bus::types::Bucket;

const YEAR_MS: u64 = 365 * 86_400_000;
const MINUTE_MS: u64 = 60_000;

/// Opens the folder when the wall clock shows `wall_ms`, and returns the time of a new entry.
fn entry_ms(folder: &Folder, wall_ms: u64) -> u64 {
    let bus = rig::bus(open_folder(&folder.0, &rig::options(), wall_ms).unwrap());
    rig::runtime().block_on(async {
        let receipt = bus.append("in.0.room".to_owned(), "x".into()).await;
        receipt.unwrap().await.unwrap();
        rig::see(&bus).await.log.last().unwrap().time_ms
    })
}

#[test]
fn d24_a_jump_of_the_wall_clock_moves_the_time_of_the_log_nowhere() {
    let folder = Folder::new("jump");
    let mut last_ms = entry_ms(&folder, WALL_MS);
    assert!((WALL_MS..WALL_MS + MINUTE_MS).contains(&last_ms));
    for wall_ms in [WALL_MS + YEAR_MS, WALL_MS - YEAR_MS, 0, WALL_MS] {
        let time_ms = entry_ms(&folder, wall_ms);
        assert!(
            (last_ms..last_ms + MINUTE_MS).contains(&time_ms),
            "{wall_ms}"
        );
        last_ms = time_ms;
    }
}

#[test]
fn d24_one_start_with_a_wrong_date_does_not_stop_the_time_of_the_log() {
    let folder = Folder::new("wrong-date");
    let first_ms = entry_ms(&folder, WALL_MS + YEAR_MS);
    let bus = rig::open(&folder.0).unwrap();
    let now_ms = bus.log_clock().now().log_ms;
    assert!(now_ms >= first_ms);
    while bus.log_clock().now().log_ms == now_ms {
        std::thread::yield_now();
    }
}

#[tokio::test(start_paused = true)]
async fn d24_the_time_of_the_log_keeps_pace_with_the_monotonic_clock() {
    let mut clock = Clock::from(WALL_MS);
    assert_eq!(clock.now_ms(), WALL_MS);
    tokio::time::advance(Duration::from_millis(1_234)).await;
    assert_eq!(clock.now_ms(), WALL_MS + 1_234);
}

#[test]
fn d24_time_that_passed_without_entries_counts_after_a_restart() {
    let folder = Folder::new("idle");
    let bus = rig::open(&folder.0).unwrap();
    while bus.log_clock().now().log_ms < WALL_MS + 20 {
        std::thread::yield_now();
    }
    drop(bus);
    let bus = rig::open(&folder.0).unwrap();
    assert!(bus.log_clock().now().log_ms >= WALL_MS + 20);
}

#[test]
fn a_value_with_a_time_to_live_survives_a_restart_and_ends() {
    let folder = Folder::new("expiring");
    let bucket = Bucket::Revocations;
    let (short, long) = (Duration::from_millis(1), Duration::from_secs(600));
    let bus = rig::open(&folder.0).unwrap();
    rig::runtime().block_on(async {
        let put = |key, value, ttl| bus.put_expiring(bucket, key, value, ttl, 0);
        put("long", "kept".into(), long).await.unwrap();
        put("short", "gone".into(), short).await.unwrap();
    });
    drop(bus);
    let bus = rig::open(&folder.0).unwrap();
    rig::runtime().block_on(async {
        let kept = bus.get(bucket, "long").await.unwrap().unwrap();
        assert_eq!(kept.value, Some("kept".into()));
        while bus.get(bucket, "short").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}
