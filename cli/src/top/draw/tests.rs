//! Screens of a fleet that is made of texts, as processes answer.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use serde_json::json;
use tokio::time::Instant;

use super::super::exposition::Metrics;
use super::super::process::Reading;
use super::super::rooms;
use super::super::screen::lines;
use super::*;
use crate::admin::{AdminUrl, Report};

const EDGE: &str = "grandstand_build_info{service=\"edge\",version=\"1\"} 1\ngrandstand_edge_connections 1234\n\
                    grandstand_edge_rooms 17\ngrandstand_edge_max_connections 1500\ngrandstand_edge_writes_total 1000\n\
                    grandstand_edge_degraded{why=\"log\"} 0\nprocess_cpu_seconds_total 10\n\
                    grandstand_edge_input_latency_seconds_bucket{le=\"0.001\"} 0\n\
                    grandstand_edge_input_latency_seconds_bucket{le=\"0.01\"} 0\n\
                    grandstand_edge_input_latency_seconds_bucket{le=\"+Inf\"} 0\n";
const LATER: &str = "grandstand_build_info{service=\"edge\",version=\"1\"} 1\ngrandstand_edge_connections 1250\n\
                     grandstand_edge_rooms 17\ngrandstand_edge_max_connections 1500\ngrandstand_edge_writes_total 6000\n\
                     grandstand_edge_degraded{why=\"log\"} 1\nprocess_cpu_seconds_total 10.5\n\
                     grandstand_edge_input_latency_seconds_bucket{le=\"0.001\"} 0\n\
                     grandstand_edge_input_latency_seconds_bucket{le=\"0.01\"} 100\n\
                     grandstand_edge_input_latency_seconds_bucket{le=\"+Inf\"} 100\n";
const WORKER: &str = "grandstand_build_info{service=\"worker\",version=\"1\"} 1\ngrandstand_worker_partitions 256\n\
                      grandstand_worker_rooms 40\n";

fn reading(at: Instant, metrics: &str, rooms: serde_json::Value) -> Reading {
    let (rooms, has_more_rooms) = rooms::read(&rooms);
    Reading {
        at,
        metrics: Metrics::parse(metrics),
        ready: (
            200,
            Report {
                status: "ok".to_owned(),
                problems: Vec::new(),
            },
        ),
        rooms: Ok(rooms),
        has_more_rooms,
    }
}

fn url(text: &str) -> AdminUrl {
    text.parse().unwrap()
}

/// An edge that became degraded, a worker, and a process that does not answer.
fn fleet() -> Fleet {
    let urls = ["edge-1:8081", "worker-1:8082", "edge-2:8081"].map(url);
    let mut fleet = Fleet::new(urls.to_vec());
    let begun = Instant::now();
    for (second, edge) in [EDGE, LATER].into_iter().enumerate() {
        let at = begun + Duration::from_secs(second as u64);
        let of_edge = json!({"rooms": [{"room": "memory-1", "players": 2, "spectators": 3}]});
        let of_worker = json!({"rooms": [{"room": "memory-1", "players": 2, "spectators": 900, "edges": 3, "is_hot": true},
                                         {"room": "memory-2", "players": 1, "spectators": 0, "edges": 1}]});
        fleet.take(vec![
            (url("edge-1:8081"), Ok(reading(at, edge, of_edge))),
            (url("worker-1:8082"), Ok(reading(at, WORKER, of_worker))),
            (
                url("edge-2:8081"),
                Err("cannot connect to http://edge-2:8081".to_owned()),
            ),
        ]);
    }
    fleet
}

fn screen(fleet: &Fleet, state: &mut State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let drawn = terminal.draw(|frame| draw(frame, fleet, state)).unwrap();
    lines(drawn.buffer)
}

fn press(state: &mut State, code: KeyCode) {
    state.handle(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
}

#[tokio::test]
async fn all_of_it_is_on_80_columns_and_24_lines() {
    let text = screen(&fleet(), &mut State::default(), 80, 24);
    assert_eq!(text.lines().count(), 24, "{text}");
    let compact = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "grandstand top 1 edge, 1 worker",
        "clients 1250",
        "writes/s 5000",
        "p99 9.91 ms",
        "edge edge-1:8081 degraded 1250 - 17 50 %",
        "worker worker-1:8082 ready - 256 40",
        "edge-2:8081 down",
        "memory-1 2 900 3 hot",
        "memory-2 1 0 1",
        "the log refuses entries",
        "1250 of 1500 connections",
        "cannot connect",
        "q quit",
    ] {
        assert!(compact.contains(part), "{part} is not in\n{text}");
    }
    // The worker's count of a room comes before those of edges.
    assert!(!compact.contains("memory-1 2 3"), "{text}");
}

#[tokio::test]
async fn other_sizes_are_drawn_too() {
    let fleet = fleet();
    for (width, height) in [(200, 60), (120, 24), (40, 12), (80, 13), (10, 3), (1, 1)] {
        let text = screen(&fleet, &mut State::default(), width, height);
        assert_eq!(text.lines().count(), usize::from(height));
        let is_large = width >= LEAST.0 && height >= LEAST.1;
        assert_eq!(text.contains("grandstand top"), is_large, "{text}");
    }
}

#[tokio::test]
async fn details_and_keys_are_shown_when_asked_for() {
    let fleet = fleet();
    let mut state = State::default();
    press(&mut state, KeyCode::Enter);
    let text = screen(&fleet, &mut state, 80, 24);
    assert!(text.contains(" edge edge-1:8081 "), "{text}");
    assert!(text.contains("1250 of 1500"), "{text}");
    assert!(text.contains("input p50, p99"), "{text}");
    press(&mut state, KeyCode::Esc);
    press(&mut state, KeyCode::BackTab);
    press(&mut state, KeyCode::Down);
    press(&mut state, KeyCode::Enter);
    let text = screen(&fleet, &mut state, 80, 24);
    assert!(text.contains("┌ edge-2:8081 "), "{text}");
    press(&mut state, KeyCode::Esc);
    press(&mut state, KeyCode::Char('?'));
    let text = screen(&fleet, &mut state, 80, 24);
    assert!(text.contains("a click chooses a row"), "{text}");
}

#[tokio::test]
async fn rooms_are_sorted_as_chosen_and_rows_scroll() {
    let fleet = fleet();
    let mut state = State::default();
    press(&mut state, KeyCode::Char('s'));
    let text = screen(&fleet, &mut state, 80, 24);
    assert!(text.contains("(by players)"), "{text}");
    press(&mut state, KeyCode::Tab);
    press(&mut state, KeyCode::End);
    screen(&fleet, &mut state, 80, 24);
    assert_eq!(state.rooms.chosen, 1);
}

#[tokio::test]
async fn a_process_without_the_new_metrics_and_without_a_token_is_shown() {
    let mut fleet = Fleet::new(vec![url("edge-1:8081")]);
    let mut answer = reading(Instant::now(), "grandstand_edge_connections 3\n", json!({}));
    answer.rooms = Err("the admin API wants a token: --token or --token-file".to_owned());
    fleet.take(vec![(url("edge-1:8081"), Ok(answer))]);
    let text = screen(&fleet, &mut State::default(), 80, 24);
    assert!(text.contains("wants a token"), "{text}");
    assert!(
        text.contains("edge-1:8081") && text.contains("ready"),
        "{text}"
    );
    assert!(
        text.contains("all well") && text.contains("nothing"),
        "{text}"
    );
}
