//! A minute of chaos with real processes: see `grandstand_tests::chaos`.
//!
//! `SEED=7 SECONDS=300 cargo test -p grandstand-tests --test chaos -- --nocapture` varies it.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use grandstand_tests::chaos::{Settings, run};
use grandstand_tests::rig::Plan;
use tokio::sync::watch;

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name);
    given.map_or(default, |text| text.parse().unwrap())
}

#[tokio::test]
async fn rooms_survive_a_minute_of_chaos() {
    let settings = Settings {
        seed: number("SEED", 1),
        duration: Duration::from_secs(number("SECONDS", 60)),
        rooms: number("ROOMS", 200) as usize,
        pace: Duration::from_millis(number("PACE_MS", 1_500)),
        keep_logs: false,
        rig: Plan::default(),
    };
    println!(
        "SEED={} SECONDS={}",
        settings.seed,
        settings.duration.as_secs()
    );
    let mut progress = |p: grandstand_tests::chaos::Progress| {
        for event in &p.events {
            println!("{:7.2} s  {event}", event.at.as_secs_f64());
        }
    };
    let (_stop, stopped) = watch::channel(false);
    let report = run(settings, &mut progress, stopped).await.unwrap();
    println!("{report}");
    assert!(
        report.is_good(),
        "{} things are wrong",
        report.violations.total
    );
}
