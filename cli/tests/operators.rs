//! The commands that look at running processes, against `grandstand dev` and against what is none.

#![allow(clippy::unwrap_used)]

mod server;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use grandstand_harness::nats::{NatsServer, TempDir};
use serde_json::Value;
use server::Server;
use tokio::time::Instant;

const PROGRAM: &str = env!("CARGO_BIN_EXE_grandstand");

/// Runs the program and returns its exit code, stdout and stderr.
fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(PROGRAM);
    for name in ["GRANDSTAND_SECRET", "GRANDSTAND_ADMIN_TOKEN"] {
        command.env_remove(name);
    }
    let output = command.args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// Checks that a command fails with this code and one line, which has these words.
#[track_caller]
fn fails(args: &[&str], code: i32, words: &str) {
    let (found, out, err) = run(args);
    assert_eq!(found, Some(code), "{args:?}: {out}{err}");
    assert_eq!(err.lines().count(), 1, "{args:?}: {err}");
    assert!(
        err.starts_with("grandstand: ") && err.contains(words),
        "{args:?}: {err}"
    );
}

/// An address at which nothing listens.
const NOTHING: &str = "127.0.0.1:1";

/// A server that answers each connection with this text, and its address. It lives as long as the test.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                stream.write_all(answer.as_bytes()).ok();
            }
        }
    });
    address
}

const PAGE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";
const UNHEALTHY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 83\r\n\
                         connection: close\r\n\r\n\
                         {\"status\":\"unhealthy\",\"dependencies\":{\"nats\":{\"state\":\"away\",\"reason\":\"no route\"}}}";

#[test]
fn check_health_says_whether_a_process_is_well() {
    let server = Server::start(PROGRAM, &[]);
    let url = format!("http://{}", server.admin);
    let (code, out, err) = run(&["check-health", &url]);
    assert_eq!((code, out.lines().count()), (Some(0), 1), "{out}{err}");
    assert!(out.contains("answers 200"), "{out}");
    // The worker takes its partitions at first.
    let deadline = Instant::now() + server::PATIENCE;
    loop {
        let (code, out, err) = run(&["check-health", &url, "--ready"]);
        if code == Some(0) {
            assert!(out.contains("/ready answers 200"), "{out}");
            break;
        }
        assert!(err.contains("starting"), "{err}");
        assert!(Instant::now() < deadline, "{err}");
    }
    fails(
        &["check-health", &format!("http://{}", server.address)],
        1,
        "404",
    );
    fails(&["check-health", NOTHING], 1, "is the process running");
    let body = UNHEALTHY.split_once("\r\n\r\n").unwrap().1;
    assert!(
        UNHEALTHY.contains(&format!("content-length: {}\r\n", body.len())),
        "{}",
        body.len()
    );
    fails(
        &["check-health", &answering(UNHEALTHY)],
        1,
        "nats: away (no route)",
    );
    fails(
        &["check-health", &answering("SSH-2.0-x\r\n")],
        1,
        "does not answer in HTTP",
    );
    let (code, ..) = run(&["check-health", "https://127.0.0.1:8081"]);
    assert_eq!(code, Some(64));
}

#[test]
fn a_process_that_does_not_answer_in_time_is_not_healthy() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    fails(
        &["check-health", &address, "--timeout-ms", "100"],
        1,
        "within 100 ms",
    );
}

#[test]
fn smoke_plays_games_through_a_front() {
    let secret = "a secret for tests only, 32 bytes";
    let server = Server::start(PROGRAM, &["--secret", secret]);
    let url = format!("ws://{}", server.address);
    for game in [
        &[][..],
        &["--game", "relay"],
        &["--game", "arena"],
        &["--secret", secret],
    ] {
        let args = [&["smoke", &url, "--json"], game].concat();
        let (code, out, err) = run(&args);
        assert_eq!(code, Some(0), "{game:?}: {out}{err}");
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["ok"], true, "{report}");
        for (name, least) in [("connect_ms", 3), ("join_ms", 3), ("input_to_ack_ms", 2)] {
            let count = report[name]["count"].as_u64().unwrap();
            assert!(count >= least, "{name}: {report}");
            assert!(
                report[name]["max"].as_f64().unwrap() > 0.0,
                "{name}: {report}"
            );
        }
        assert!(
            report["input_to_spectator_ms"]["count"].as_u64().unwrap() >= 1,
            "{report}"
        );
    }
    let (code, out, _) = run(&["smoke", &url, "--room-prefix", "memory-x-"]);
    assert_eq!(code, Some(0));
    assert!(
        out.starts_with("passed: memory-x-") && out.contains("input to ack"),
        "{out}"
    );
    let other = "another secret for tests, 32 byte";
    fails(&["smoke", &url, "--secret", other], 1, "unauthenticated");
    fails(
        &["smoke", &url, "--room-prefix", "relay-x-"],
        64,
        "begins with memory-",
    );
    fails(&["smoke", &url, "--game", "chess"], 64, "no game chess");
    fails(&["smoke", &url, "--token", "x"], 64, "given 1 times");
}

#[test]
fn smoke_plays_over_tls_with_a_named_authority() {
    let dir = TempDir::new("smoke-tls");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (pem, key) = (dir.path().join("tls.pem"), dir.path().join("tls.key"));
    std::fs::write(&pem, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut command = server::dev(PROGRAM);
    command
        .env("GRANDSTAND_EDGE_TLS_LISTEN", "127.0.0.1:0")
        .env("GRANDSTAND_EDGE_TLS_CERTIFICATE_FILES", &pem)
        .env("GRANDSTAND_EDGE_TLS_KEY_FILES", &key);
    let server = Server::spawn(command);
    let (_, port) = server.tls.rsplit_once(':').unwrap();
    let url = format!("wss://localhost:{port}");
    let (code, out, err) = run(&["smoke", &url, "--ca-file", pem.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{out}{err}");
    fails(&["smoke", &url], 1, "--ca-file");
    fails(
        &["smoke", &url, "--ca-file", "/nowhere.pem"],
        66,
        "/nowhere.pem",
    );
    // TLS where there is none, and the reverse.
    fails(
        &["smoke", &format!("wss://{}", server.address)],
        1,
        "over TLS",
    );
    fails(
        &["smoke", &format!("ws://localhost:{port}")],
        1,
        "is this the address",
    );
}

#[test]
fn smoke_against_nothing_or_a_page_says_so() {
    fails(
        &["smoke", &format!("ws://{NOTHING}")],
        1,
        "is the front running",
    );
    let page = answering(PAGE);
    fails(&["smoke", &format!("ws://{page}")], 1, "200 OK");
    let (code, _, err) = run(&["smoke", &format!("http://{page}")]);
    assert_eq!(code, Some(64), "{err}");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", silent.local_addr().unwrap());
    fails(&["smoke", &url, "--timeout-s", "1"], 1, "has not answered");
}

#[test]
fn doctor_checks_this_machine() {
    let dir = TempDir::new("doctor");
    let file = dir.path().join("sysctl.conf");
    let file = file.to_str().unwrap();
    let (code, out, err) = run(&[
        "doctor",
        "--connections",
        "1000000",
        "--json",
        "--write",
        file,
    ]);
    assert!(matches!(code, Some(0 | 1)), "{out}{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.len() > 20, "{report}");
    let faults = report["counts"]["fault"].as_u64().unwrap();
    assert_eq!(code, Some(i32::from(faults > 0)), "{report}");
    let written = std::fs::read_to_string(file).unwrap();
    assert!(written.contains("net.core.somaxconn = "), "{written}");
    let (_, text, _) = run(&["doctor"]);
    assert!(
        text.contains("must change") && text.contains("no cluster was named"),
        "{text}"
    );
    let wrong = dir.path().join("worker.toml");
    std::fs::write(&wrong, "[cluster]\nurl = \"http://x\"\n").unwrap();
    let wrong = wrong.to_str().unwrap();
    let (code, _, err) = run(&["doctor", "--config", wrong]);
    assert_eq!(code, Some(78), "{err}");
    fails(
        &["doctor", "--config", "/nowhere.toml"],
        66,
        "/nowhere.toml",
    );
    fails(&["doctor", "--write", "/nowhere/at/all"], 66, "--write");
}

/// The findings about a cluster, by name.
fn cluster(args: &[&str]) -> (Option<i32>, serde_json::Map<String, Value>) {
    let args = [&["doctor", "--connections", "100", "--json"], args].concat();
    let (code, out, err) = run(&args);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    let findings = report["findings"].as_array().unwrap().iter();
    let of_cluster = findings.filter(|finding| finding["area"] == "cluster");
    let by_name = of_cluster.map(|finding| {
        let name = finding["check"].as_str().unwrap().to_owned();
        (name, finding.clone())
    });
    (code, by_name.collect())
}

#[tokio::test]
async fn doctor_checks_nats_and_the_permissions_of_a_role() {
    let (code, found) = cluster(&["--nats", &format!("nats://{NOTHING}")]);
    assert_eq!((code, found.len()), (Some(1), 1));
    assert_eq!(found["nats"]["verdict"], "fault");

    let config = "accounts { A { jetstream: enabled, users: [\
                    { user: all, password: pw }, \
                    { user: some, password: pw, permissions: { publish: [\"_INBOX.>\"], subscribe: \">\" } } ] } }\n";
    let nats = NatsServer::start_configured(config).await;
    let url = |user: &str| nats.url().replace("://", &format!("://{user}:pw@"));
    let (_, found) = cluster(&["--nats", &url("all")]);
    for name in [
        "nats version",
        "jetstream",
        "permissions",
        "round trip",
        "max_payload",
    ] {
        let verdict = &found[name]["verdict"];
        assert!(
            verdict == "well" || name == "round trip",
            "{name}: {}",
            found[name]
        );
    }
    assert_eq!(
        found["streams"]["verdict"], "unknown",
        "{}",
        found["streams"]
    );
    let (code, found) = cluster(&["--nats", &url("some"), "--role", "edge"]);
    assert_eq!(code, Some(1));
    let denied = found["permissions"]["is"].as_str().unwrap();
    assert!(denied.contains("publish in.*.*"), "{denied}");
}

#[test]
fn completions_and_pages_of_the_manual_have_all_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, err) = run(&["completions", shell]);
        assert_eq!(code, Some(0), "{err}");
        for word in ["check-health", "doctor", "repartition", "room-prefix"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let dir = TempDir::new("man");
    let folder = dir.path().join("man1");
    let (code, _, err) = run(&["man", folder.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{err}");
    for (page, word) in [
        ("grandstand.1", "grandstand\\-smoke"),
        ("grandstand-smoke.1", "\\-\\-ca\\-file"),
        ("grandstand-cluster-repartition.1", "Move all rooms"),
    ] {
        let text = std::fs::read_to_string(folder.join(page)).unwrap();
        assert!(
            text.starts_with(".ie") && text.contains(word),
            "{page}: {text}"
        );
    }
    fails(&["man", PROGRAM], 66, "cannot be written");
}

#[cfg(feature = "top")]
#[test]
fn top_prints_one_screen_for_scripts() {
    let server = Server::start(PROGRAM, &[]);
    let url = format!("http://{}", server.admin);
    let (code, out, err) = run(&["top", "--admin", &url, "--once"]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(out.lines().count(), 24, "{out}");
    for part in [
        "grandstand top",
        "1 dev",
        "processes",
        "busiest rooms",
        "what is wrong",
        &server.admin,
    ] {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
    let (code, out, _) = run(&[
        "top", "--admin", &url, "--admin", NOTHING, "--once", "--width", "120",
    ]);
    assert_eq!(code, Some(0));
    assert!(
        out.contains("down") && out.contains("cannot connect"),
        "{out}"
    );
    fails(
        &["top", "--admin", NOTHING, "--once"],
        69,
        "is the process running",
    );
    fails(&["top", "--admin", &url], 64, "--once");
}

#[cfg(not(feature = "top"))]
#[test]
fn a_program_without_top_says_how_to_build_one() {
    fails(&["top"], 64, "--features grandstand/top");
}
