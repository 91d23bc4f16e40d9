//! One minute of chaos with real processes, see `grandstand_harness::chaos`, and seconds of it with the games of another
//! program.
//!
//! `SEED=7 SECONDS=300 KINDS=rollback,flood cargo test -p grandstand-tests --test chaos -- --nocapture` changes the
//! seed, the length and the kinds of faults.

#![allow(clippy::unwrap_used)]

mod own_game;

use std::time::Duration;

use grandstand_harness::chaos::schedule::Kind;
use grandstand_harness::chaos::{Progress, Settings, run};
use grandstand_harness::nats::{TempDir, program};
use grandstand_harness::process::Start;
use grandstand_harness::rig::Plan;
use serde_json::Value;
use tokio::sync::watch;

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name);
    given.map_or(default, |text| text.parse().unwrap())
}

/// The kinds of faults that `KINDS` names, or the usual ones.
fn kinds() -> Vec<Kind> {
    let Ok(names) = std::env::var("KINDS") else {
        return Kind::USUAL.to_vec();
    };
    names.split(',').map(|name| name.parse().unwrap()).collect()
}

#[tokio::test]
async fn rooms_survive_a_minute_of_chaos() {
    let settings = Settings {
        seed: number("SEED", 1),
        duration: Duration::from_secs(number("SECONDS", 60)),
        rooms: number("ROOMS", 200) as usize,
        game: None,
        pace: Duration::from_millis(number("PACE_MS", 1_500)),
        keep_logs: false,
        kinds: kinds(),
        rig: Plan::default(),
    };
    println!(
        "SEED={} SECONDS={}",
        settings.seed,
        settings.duration.as_secs()
    );
    let mut progress = |p: Progress| {
        for event in &p.events {
            println!("{:7.2} s  {event}", event.at.as_secs_f64());
        }
    };
    let (_stop, stopped) = watch::channel(false);
    let report = run(settings, &mut progress, stopped).await.unwrap();
    println!("{report}");
    assert!(report.is_good(), "{} violations", report.violations.total);
    // One room in eight has a bot.
    if report.rooms >= 8 {
        assert!(
            report.clients.bot_games_over > 0,
            "no game against a bot ended"
        );
        assert!(report.replayed > 0, "no log was replayed");
    }
}

fn tool() -> Start {
    Start::grandstand("chaos")
}

#[tokio::test]
async fn the_tool_reports_a_run() {
    let dir = TempDir::new("report");
    let file = dir.path().join("report.json");
    let done = tool()
        .env("GRANDSTAND_NATS_SERVER", program().display())
        .flag("--minutes", 0.05)
        .flag("--seed", 5)
        .flag("--rooms", 4)
        .flag("--report", file.display())
        .output()
        .await;
    assert_eq!(done.code, Some(0), "{}", done.text);
    assert!(done.text.contains("all is well"), "{}", done.text);
    let report: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(report["seed"], 5);
    assert_eq!(report["violations"]["total"], 0);
    let clients = &report["clients"];
    assert_ne!(clients["inputs_acked"], 0);
    assert_eq!(clients["inputs_acked"], clients["inputs_sent"]);
}

#[tokio::test]
async fn the_tool_rejects_bad_settings() {
    let no_nats = tool().env("GRANDSTAND_NATS_SERVER", "/nowhere/nats-server");
    let output = no_nats.output().await;
    assert_eq!(output.code, Some(69), "{}", output.text);
    assert!(
        output.text.contains("/nowhere/nats-server"),
        "{}",
        output.text
    );
    let no_programs = tool().env("GRANDSTAND_BIN_DIR", "/nowhere");
    let output = no_programs.output().await;
    assert_eq!(output.code, Some(66), "{}", output.text);
    assert!(
        output.text.contains("cargo build --workspace"),
        "{}",
        output.text
    );
    let no_file = tool().flag("--report", "/nowhere/report.json");
    let output = no_file.output().await;
    assert_eq!(output.code, Some(66), "{}", output.text);
    let never = tool().flag("--minutes", "-1").output().await;
    assert_eq!(never.code, Some(64), "{}", never.text);
    let unknown = tool().flag("--kinds", "flood,worker-hug").output().await;
    assert_eq!(unknown.code, Some(64), "{}", unknown.text);
    assert!(
        unknown.text.contains("worker-hug") && unknown.text.contains("rollback"),
        "{}",
        unknown.text
    );
}
