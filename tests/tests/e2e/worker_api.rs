//! The admin API of a real worker: its rooms, the filter of its log, its drain, and its token.

use grandstand_harness::admin::ask;
use grandstand_harness::process::{Process, Start};
use grandstand_harness::site::Site;
use serde_json::{Value, json};

use crate::admin_api::{ADMIN_TOKEN, call_described};

const DESCRIPTION: &str = include_str!("../../../docs/worker.openapi.json");

#[tokio::test]
async fn operators_see_and_change_a_worker() {
    let mut site = Site::on_nats().await;
    let admin = site.worker.as_ref().unwrap().admin();
    let call = async |method: &str, path: &str, body: Option<Value>| {
        call_described(DESCRIPTION, admin, (method, path), body).await
    };
    let mut players = Vec::new();
    for n in 0..5 {
        let mut player = site.client(0, &format!("p{n}")).await;
        player.join(&format!("relay-{n}"), json!({})).await;
        players.push(player);
    }
    let mut watcher = site.client(1, "watcher").await;
    watcher.join("relay-3", json!({"role": "spectator"})).await;
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/rooms?limit=2&after={after}");
        let (status, page) = call("GET", &path, None).await;
        assert_eq!(status, 200, "{page}");
        let items = page["rooms"].as_array().unwrap();
        assert!(items.len() <= 2, "{page}");
        seen.extend(items.iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    let mut names: Vec<_> = seen.iter().map(|room| room["room"].to_string()).collect();
    names.sort_unstable();
    let wanted = [0, 1, 2, 3, 4].map(|n| format!("\"relay-{n}\""));
    assert_eq!(names, wanted);
    for room in &seen {
        assert_eq!(
            (&room["state"], &room["players"]),
            (&json!("loaded"), &json!(1)),
            "{room}"
        );
    }
    let (_, room) = call("GET", "/v1/rooms/relay-3", None).await;
    assert_eq!(room["edges"], 2, "{room}");
    for (method, path, body, status) in [
        ("GET", "/v1/rooms/relay-77", None, 404),
        ("GET", "/v1/rooms/a.b", None, 400),
        ("GET", "/v1/rooms?limit=0", None, 400),
        ("GET", "/v1/rooms?after=1.2", None, 400),
        (
            "PUT",
            "/v1/log",
            Some(json!({"filter": "grandstand=loud"})),
            400,
        ),
    ] {
        let (found, answer) = call(method, path, body).await;
        assert_eq!(found, status, "{method} {path}: {answer}");
        assert!(answer["message"].is_string(), "{answer}");
    }
    assert_eq!(ask(admin, "GET /v1/connections", "", None).await.0, 404);
    assert_eq!(ask(admin, "GET /v1/drain", "", None).await.0, 405);
    let (_, doc) = call("GET", "/openapi.json", None).await;
    assert_eq!(doc, serde_json::from_str::<Value>(DESCRIPTION).unwrap());
    let filter = json!({"filter": "grandstand_worker=debug"});
    assert_eq!(call("PUT", "/v1/log", Some(filter.clone())).await.1, filter);
    assert_eq!(call("GET", "/v1/log", None).await.1, filter);
    assert_eq!(call("POST", "/v1/drain", None).await.0, 202);
    assert!(site.worker.as_mut().unwrap().ended().await.success());
}

#[tokio::test]
async fn a_worker_has_the_same_rule_for_its_token() {
    let start = Start::worker()
        .arg("--check")
        .env("GRANDSTAND_WORKER_WORKER_ADMIN", "0.0.0.0:8082");
    let output = start.output().await;
    assert_eq!(output.code, Some(78), "{}", output.text);
    assert!(
        output.text.contains("worker.admin_token"),
        "{}",
        output.text
    );

    let site = Site::on_nats().await;
    let start = Start::worker()
        .flag("--nats", site.nats.as_ref().unwrap().url())
        .env("GRANDSTAND_WORKER_WORKER_ADMIN_TOKEN", ADMIN_TOKEN);
    let worker = Process::start(start, false).await;
    let admin = worker.admin();
    for request in ["GET /v1/rooms", "POST /v1/drain", "GET /openapi.json"] {
        let (status, answer) = ask(admin, request, "", None).await;
        assert_eq!(status, 401, "{request}: {answer}");
    }
    let headers = format!("authorization: Bearer {ADMIN_TOKEN}\r\n");
    assert_eq!(ask(admin, "GET /v1/rooms", &headers, None).await.0, 200);
}
