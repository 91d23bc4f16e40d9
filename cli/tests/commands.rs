//! Help and configuration checks of the commands.

use std::process::Command;

/// Runs the program and returns its exit code, stdout and stderr.
fn run(args: &[&str], secret: Option<&str>) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grandstand"));
    command.args(args);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GRANDSTAND_") {
            command.env_remove(name);
        }
    }
    if let Some(secret) = secret {
        command.env("GRANDSTAND_EDGE_AUTH_SECRET", secret);
    }
    let output = command.output().expect("the program can be run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn every_command_has_help() {
    let (code, list, _) = run(&["--help"], None);
    assert_eq!(code, Some(0));
    for command in [
        "dev",
        "edge",
        "worker",
        "leaderboard",
        "cluster",
        "replay",
        "rooms",
        "check-health",
        "smoke",
        "doctor",
        "token",
        "new",
        "completions",
        "man",
    ] {
        assert!(list.contains(&format!("\n  {command} ")), "{list}");
        let (code, help, _) = run(&[command, "--help"], None);
        assert_eq!(code, Some(0), "{command}");
        assert!(
            help.contains(&format!("Usage: grandstand {command}")),
            "{help}"
        );
    }
}

#[test]
fn edge_and_worker_check_their_configuration() {
    let (code, out, _) = run(&["worker", "--check"], None);
    assert_eq!(code, Some(0), "{out}");
    let secret = "a secret of 32 bytes or more, for tests";
    let (code, out, _) = run(&["edge", "--check"], Some(secret));
    assert_eq!(code, Some(0), "{out}");
    let (code, out, _) = run(&["edge", "--check"], Some("short"));
    assert_eq!(code, Some(78), "{out}");
    assert!(out.contains("auth.secret"), "{out}");
    let (code, out, err) = run(&["edge", "--check"], None);
    assert_eq!(code, Some(78), "{out}{err}");
    assert!(out.contains("auth"), "{out}{err}");
    for command in ["edge", "worker"] {
        let (code, ..) = run(&[command, "--config", "/nowhere/at.toml"], Some("s"));
        assert_eq!(code, Some(66), "{command}");
        let (code, ..) = run(&[command, "--no-such-flag"], None);
        assert_eq!(code, Some(64), "{command}");
    }
}

#[cfg(feature = "outlet")]
#[test]
fn an_outlet_checks_its_configuration() {
    let (code, out, _) = run(&["outlet", "--check"], None);
    assert_eq!(code, Some(78), "{out}");
    assert!(out.contains("[[outlet.endpoints]]"), "{out}");
    let (code, _, err) = run(&["outlet", "dead", "show"], None);
    assert_eq!(code, Some(64), "{err}");
}

#[cfg(not(feature = "outlet"))]
#[test]
fn a_program_without_outlets_says_how_to_build_one() {
    for arguments in [&["outlet"][..], &["dev", "--outlet", "outlet.toml"]] {
        let (code, _, err) = run(arguments, None);
        assert_eq!(code, Some(64), "{err}");
        assert!(err.contains("--features grandstand/outlet"), "{err}");
    }
}

#[cfg(feature = "archive")]
#[test]
fn an_archive_checks_its_configuration() {
    let (code, out, _) = run(&["archive", "--check"], None);
    assert_eq!(code, Some(78), "{out}");
    assert!(out.contains("archive.postgres"), "{out}");
    let url = "postgres://grandstand:secret@db.internal/grandstand";
    let (code, out, _) = run(&["archive", "--check", "--postgres", url], None);
    assert_eq!(code, Some(0), "{out}");
    assert!(!out.contains("secret"), "{out}");
}
