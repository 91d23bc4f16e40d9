//! Players against a running `grandstand dev`, as somebody tests a deployment: over TCP and TLS, with targets that are met
//! and missed.

use std::process::Command;

use grandstand_bench::host::tls::TlsPort;
use grandstand_harness::process::{Process, Start};
use grandstand_harness::programs;
use grandstand_harness::site::SECRET;
use serde_json::Value;

/// A `grandstand dev`, and its port for TLS.
async fn dev() -> (Process, TlsPort) {
    let tls = TlsPort::take().expect("a port for TLS");
    let start = Start::grandstand("dev")
        .flag("--shards", 1)
        .flag("--secret", SECRET);
    let start = tls
        .variables()
        .iter()
        .fold(start, |start, (name, value)| start.env(name, value));
    (Process::start(start, true).await, tls)
}

/// Runs a profile for a few seconds; returns its exit code, its figures and its errors.
fn load(profile: &str, url: &str, flags: &[&str]) -> (Option<i32>, Value, String) {
    let program = programs::find("grandstand").unwrap_or_else(|e| panic!("{e}"));
    let output = Command::new(program)
        .args(["bench", profile, "--json", "--url", url, "--players", "40"])
        .args([
            "--minutes",
            "0.05",
            "--connect-s",
            "1",
            "--inputs-per-player",
            "5",
        ])
        .args(flags)
        .env("GRANDSTAND_SECRET", SECRET)
        .output()
        .expect("the program can be run");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), report["figures"].clone(), err)
}

#[tokio::test]
async fn a_load_passes_or_fails_by_its_targets() {
    let (dev, tls) = dev().await;
    let url = format!("ws://{}", dev.address());
    // A machine that is busy must not fail it.
    let lenient = ["--connect-p95-ms", "60000", "--ack-p95-ms", "60000"];
    for profile in ["ramp", "spike"] {
        let (code, figures, err) = load(profile, &url, &lenient);
        assert_eq!(code, Some(0), "{profile}: {figures} {err}");
        assert_eq!(
            (&figures["passed"], &figures["connected"]),
            (&true.into(), &40.into())
        );
        assert_eq!(figures["inputs"], figures["inputs_acked"], "{figures}");
    }
    let secured = format!("wss://localhost:{}", tls.address().port());
    let file = tls.certificate().file().display().to_string();
    let with_authority = [&lenient[..], &["--ca-file", &file]].concat();
    let (code, figures, err) = load("stress", &secured, &with_authority);
    assert_eq!(code, Some(0), "{figures} {err}");

    let (code, figures, err) = load("ramp", &url, &["--ack-p95-ms", "0.001"]);
    assert_eq!(
        (code, &figures["passed"]),
        (Some(1), &false.into()),
        "{err}"
    );
    assert!(err.contains("ack p95 is"), "{err}");
}

#[test]
fn a_front_that_cannot_be_used_is_reported() {
    let (code, _, err) = load("ramp", "https://play.example.com", &[]);
    assert_eq!(code, Some(64), "{err}");
    assert!(err.contains("wss://"), "{err}");
    for nowhere in ["ws://no-such-host.invalid", "ws://127.0.0.1:1"] {
        let (code, _, err) = load("ramp", nowhere, &[]);
        assert_eq!(code, Some(69), "{err}");
        assert!(err.contains("cannot be reached"), "{err}");
    }
}
