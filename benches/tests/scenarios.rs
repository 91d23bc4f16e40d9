//! Every scenario once, with small numbers: real servers, real generators and the real command line. The tests check
//! rules that hold on any machine, never speed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;

use grandstand_bench::host::priority::Priority;
use grandstand_bench::load::dialect::Dialect;
use grandstand_bench::load::job::{self, Job, LoadRole, Reading, Reply, Rooms};
use grandstand_harness::nats::TempDir;
use grandstand_harness::process::PATIENCE;
use grandstand_harness::programs;
use serde_json::Value;

fn bench(arguments: &str, plot: Option<&PathBuf>) -> Output {
    let program = programs::find("grandstand").unwrap_or_else(|e| panic!("{e}"));
    let mut command = Command::new(program);
    command.arg("bench").args(arguments.split(' '));
    if let Some(plot) = plot {
        command.arg("--json").arg("--plot").arg(plot);
    }
    command.output().expect("the program can be run")
}

/// The figures of a scenario.
fn figures(arguments: &str) -> Value {
    report(arguments)["figures"].clone()
}

/// The report of a scenario, after checks of its line of JSON and its plot.
fn report(arguments: &str) -> Value {
    let dir = TempDir::new("bench");
    let plot = dir.path().join("plot.svg");
    let output = bench(arguments, Some(&plot));
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{arguments}: {err}");
    assert_eq!(out.lines().count(), 1, "{out}");
    let report: Value = serde_json::from_str(&out).expect("one line of JSON");
    let scenario = arguments.split(' ').next().expect("a scenario");
    assert_eq!(report["scenario"], scenario);
    let svg = std::fs::read_to_string(&plot).expect("the plot was written");
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    assert!(err.contains(" % "), "no progress in {err}");
    report
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn number(figures: &Value, name: &str) -> f64 {
    let value = figures[name].as_f64();
    value.unwrap_or_else(|| panic!("{name} is not a number in {figures}"))
}

/// The generator may read its job and the first command at once.
#[test]
fn a_generator_answers_a_command_that_comes_with_its_job() {
    let job = Job {
        targets: Vec::new(),
        tls: None,
        front: None,
        source: 1,
        dialect: Dialect::Grandstand,
        secret: String::new(),
        role: LoadRole::Idle,
        rooms: Rooms {
            prefix: "relay-x-".to_owned(),
            each: 1,
            per_connection: 1,
        },
        connections: 0,
        first_player: 0,
        at_once: 1,
        idle_ms: 0,
        waits: false,
        size: 0,
        controls: false,
        reading: Reading::All,
        receive_buffer: 0,
        core: None,
        priority: Priority::Plain,
    };
    let lines = format!(
        "{}\n{}\n",
        serde_json::to_string(&job).expect("a job is JSON"),
        serde_json::to_string(&job::Command::Collect).expect("a command is JSON"),
    );
    let program = programs::find("grandstand").unwrap_or_else(|e| panic!("{e}"));
    let mut child = Command::new(program)
        .args(["bench", "load"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program can be run");
    let mut stdin = child.stdin.take().expect("it is piped");
    let stdout = child.stdout.take().expect("it is piped");
    stdin.write_all(lines.as_bytes()).expect("it is read");
    let (sender, answers) = mpsc::channel();
    std::thread::spawn(move || {
        let replies = BufReader::new(stdout).lines().map_while(Result::ok);
        let mut replies = replies.filter_map(|line| serde_json::from_str(&line).ok());
        sender.send(replies.any(|reply| matches!(reply, Reply::Tally(_))))
    });
    let answer = answers.recv_timeout(PATIENCE);
    drop(stdin);
    child.wait().expect("it ends with its stdin");
    assert_eq!(answer, Ok(true));
}

#[test]
fn idle_measures_connects_and_memory() {
    let found = figures("idle --connections 100 --edges 2 --seconds 0.5");
    assert!(number(&found, "connects_per_s") > 0.0);
    assert!(number(&found, "edges_memory_bytes") > 1e6);
}

#[test]
fn idle_stops_when_memory_runs_short() {
    // The first check comes after half a second, when some clients are connected and many are not.
    let found = report(
        "idle --connections 60000 --edges 1 --at-once 4 --seconds 0.5 --keep-free-mib 999999999",
    );
    let reached = number(&found["figures"], "connections_reached");
    assert!((1.0..60_000.0).contains(&reached), "{found}");
    let why = found["figures"]["stopped_because"].as_str();
    assert!(
        why.is_some_and(|why| why.contains("MiB of memory")),
        "{found}"
    );
    let warned = found["warnings"].to_string();
    assert!(
        warned.contains(&format!("stopped at {reached} connections")),
        "{warned}"
    );
}

#[test]
fn variants_are_measured_side_by_side() {
    let found = report(
        "fanout --spectators 20 --rate 20 --seconds 1 --rounds 2 --encoding json,proto \
         --edge-set rooms.flush_interval_us=1000",
    );
    let [json, proto] = [&found["figures"], &found["beside"][0]["figures"]];
    for figures in [json, proto] {
        assert_eq!(number(figures, "delivered_percent"), 100.0);
        assert_eq!(number(figures, "errors"), 0.0);
    }
    let bytes = |figures| number(figures, "bytes_per_delivery");
    assert!(bytes(proto) < bytes(json), "{found}");
    assert_eq!(found["name"], "json");
    assert!(found["spread"]["p99_ms"][1].is_number(), "{found}");
    let output = bench("fanout --edge-set rooms.flush_intervall_us=1", None);
    let err = text(&output.stderr);
    assert!(
        !output.status.success() && err.contains("FLUSH_INTERVALL_US"),
        "{err}"
    );
}

#[test]
fn peers_compares_the_installed_servers() {
    // The other servers must be installed by hand.
    let found =
        figures("peers --only grandstand-proto,nats,naive --spectators 30 --rates 20 --seconds 1");
    for peer in ["grandstand_proto", "nats", "naive"] {
        let reached = number(&found, &format!("{peer}_20_deliveries_per_s"));
        assert!(reached > 0.0, "{found}");
    }
}

#[test]
fn peers_compares_connects_memory_and_fan_out_over_tls() {
    // Other servers than HAProxy must be installed by hand.
    let mut peers = vec!["grandstand"];
    peers.extend(in_path("haproxy").then_some("haproxy"));
    let only = peers.join(",");
    let found = figures(&format!(
        "peers --tls --dir peers --only {only} --spectators 30 --rates 20 --seconds 1"
    ));
    for peer in peers {
        let of = |name: &str| number(&found, &format!("{peer}_{name}"));
        assert_eq!(of("resumed_percent"), 100.0, "{found}");
        assert!(of("20_deliveries_per_s") > 0.0, "{found}");
    }
    let output = bench("peers --only haproxy", None);
    let err = text(&output.stderr);
    assert!(
        output.status.code() == Some(69) && err.contains("only with --tls"),
        "{err}"
    );
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

#[test]
fn idle_measures_connections_over_tls() {
    let found = figures("idle --tls --connections 100 --edges 2 --seconds 0.5");
    assert_eq!(number(&found, "connections_reached"), 100.0);
    assert_eq!(number(&found, "retries"), 0.0);
}

#[test]
fn fanout_delivers_every_message() {
    let found = figures("fanout --spectators 50 --rate 20 --seconds 2");
    assert!(number(&found, "offered") >= 50.0);
    assert_eq!(number(&found, "delivered_percent"), 100.0);
    assert!(number(&found, "p99_ms") > 0.0);
    assert!(number(&found, "bytes_per_delivery") > 128.0);
}

#[test]
fn rooms_answers_every_input() {
    let found = figures("rooms --rooms 10 --rate 50 --seconds 2");
    assert!(number(&found, "inputs") > 0.0);
    assert_eq!(number(&found, "updates_missing"), 0.0);
    assert_eq!(number(&found, "acks_missing"), 0.0);
    assert_eq!(number(&found, "errors"), 0.0);
}

/// Rooms of a game with a scripted player. `arena` rejects all inputs, which is an answer as well.
#[test]
fn rooms_of_another_game_answer_every_input() {
    let found = figures("rooms --game arena --rooms 4 --players 3 --rate 60 --seconds 2");
    assert!(number(&found, "inputs") > 20.0, "{found}");
    assert_eq!(found["rejected"], found["inputs"], "{found}");
    assert_eq!(found["acks_missing"], 0, "{found}");
    assert!(number(&found, "ack_p50_ms") > 0.0);
    assert!(number(&found, "worker_cpu_us_per_input") > 0.0);
    let refused = bench("rooms --game relay", None);
    let error = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(64), "{error}");
    assert!(error.contains("no scripted player"), "{error}");
    assert!(error.contains("arena"), "{error}");
    let unknown = bench("rooms --game chess", None);
    assert_eq!(unknown.status.code(), Some(64));
}

#[test]
fn arena_shows_frames_to_every_player() {
    let figures = figures("arena --rooms 4 --players 3 --seconds 2 --shared");
    assert!(number(&figures, "frames_percent") > 20.0, "{figures}");
    assert!(number(&figures, "jitter_p99_ms") > 0.0);
    assert!(number(&figures, "worker_cpu_us_per_tick") > 0.0);
    assert_eq!(figures["errors"], 0, "{figures}");
}

#[test]
fn engine_compares_one_loop_with_two() {
    let found = figures("engine --rooms 64 --rounds 1 --seconds 0.4");
    assert!(number(&found, "one_loop_inputs_per_s") > 0.0);
    assert!(number(&found, "loops_inputs_per_s") > 0.0);
}

#[test]
fn mixed_delivers_every_update_of_small_rooms_and_the_giant_one() {
    let found = figures("mixed --spectators 50 --rooms 4 --rate 40 --seconds 1");
    assert_eq!(number(&found, "updates_missing"), 0.0);
    assert_eq!(number(&found, "giant_delivered_percent"), 100.0);
}

#[test]
fn storm_brings_all_clients_back() {
    let found = figures("storm --clients 60 --rooms 4 --rate 40 --storms 2 --seconds 1");
    assert!(number(&found, "back_seconds") > 0.0);
    assert!(number(&found, "during_p99_ms") > 0.0);
    assert_eq!(number(&found, "errors"), 0.0);
}

#[test]
fn a_storm_over_tls_resumes_all_sessions() {
    let found = figures("storm --tls --clients 60 --rooms 4 --rate 40 --storms 2 --seconds 1");
    assert_eq!(number(&found, "resumed_percent"), 100.0);
    assert_eq!(number(&found, "errors"), 0.0);
}

#[test]
fn slow_measures_readers_and_the_memory_of_the_edge() {
    let found = figures("slow --spectators 40 --rate 50 --size 1000 --seconds 1");
    assert!(number(&found, "readers_delivered_percent") > 0.0);
    assert!(number(&found, "edge_memory_most_bytes") > 1e6);
}

#[test]
fn quic_delivers_live_messages_over_all_transports() {
    let found = figures("quic --connections 40 --viewers 5 --seconds 1");
    // The allocator may give back more meanwhile than so few connections take.
    assert!(number(&found, "user_bytes_per_connection") >= 0.0);
    assert!(number(&found, "edge_cpu_us_per_connect") > 0.0);
    for transport in ["websocket", "quic_stream", "quic_datagrams"] {
        // Datagrams may be lost, even on this machine.
        assert!(number(&found, &format!("{transport}_deliveries")) > 0.0);
    }
}

#[test]
fn crowd_tells_all_spectators_and_measures_pings_in_each_phase() {
    let found = figures("crowd --spectators 60 --members 200 --pings 100 --seconds 1");
    for phase in ["join", "wait", "create", "run", "end", "degrade", "recover"] {
        for part in ["", "core_"] {
            assert!(number(&found, &format!("{part}{phase}_ping_p99_ms")) > 0.0);
        }
        assert!(number(&found, &format!("core_{phase}_step_max_ms")) > 0.0);
    }
    assert!(number(&found, "heartbeat_ping_p99_ms") > 0.0);
    assert_eq!(number(&found, "snapshots"), 60.0);
    assert_eq!(number(&found, "errors"), 0.0);
}

#[test]
fn pause_measures_every_fault() {
    let rooms = "--rooms 80 --probes 40 --probe-interval-ms 100 --rate 60";
    let found = figures(&format!(
        "pause {rooms} --kills 1 --takeover-rooms 50 --takeovers 1"
    ));
    for how in ["kill", "stop", "handover", "nats"] {
        let of = |name: &str| number(&found, &format!("{how}_{name}"));
        assert!(of("pauses") > of("probe_pauses"), "{found}");
        assert!(of("probe_pauses") > 0.0, "{found}");
        assert!(of("probe_pause_p99_ms") <= of("pause_max_ms"));
        assert!(of("wait_p99_ms") > 0.0);
        // A pause includes the time between two inputs, whatever the servers do.
        assert!(of("probe_pause_p50_ms") > 50.0, "{found}");
    }
    assert_eq!(number(&found, "nats_probe_pauses"), 40.0);
    assert_eq!(number(&found, "nats_pauses"), 80.0);
    assert_eq!(number(&found, "inputs_unanswered"), 0.0);
    assert!(number(&found, "takeover_rooms") > 0.0);
}

#[test]
fn hostile_measures_players_beside_each_kind_and_beside_all() {
    let found = figures("hostile --rooms 2 --rate 20 --seconds 1 --only unmasked,ping_flood");
    for part in ["alone", "unmasked", "ping_flood", "all"] {
        assert!(
            number(&found, &format!("{part}_ack_p99_ms")) > 0.0,
            "{found}"
        );
    }
    assert!(number(&found, "worst_ratio") > 0.0, "{found}");
    let ends = found["unmasked_ends"].as_str().unwrap_or_default();
    assert!(ends.contains("1002"), "{found}");
}

#[test]
fn missing_programs_are_reported() {
    let program = programs::find("grandstand").unwrap_or_else(|e| panic!("{e}"));
    let run = |name: &str, value: &str| {
        let mut command = Command::new(&program);
        let output = command.args(["bench", "idle"]).env(name, value).output();
        let output = output.expect("the program can be run");
        (output.status.code(), text(&output.stderr))
    };
    let (code, err) = run("GRANDSTAND_BIN_DIR", "/nowhere");
    assert_eq!(code, Some(66), "{err}");
    assert!(err.contains("/nowhere/grandstand does not exist"), "{err}");
    let (code, err) = run("GRANDSTAND_NATS_SERVER", "/nowhere/nats");
    assert_eq!(code, Some(69), "{err}");
    assert!(err.contains("GRANDSTAND_NATS_SERVER"), "{err}");
    assert_eq!(bench("fanout --rate", None).status.code(), Some(64));
}
