//! `grandstand rooms`, with real processes.

use grandstand_harness::process::{Output, Start};
use grandstand_harness::site::Site;
use serde_json::{Value, json};

on! {
    on_nats: operators_look_at_rooms_and_change_them;
}

/// Runs the command, and returns what it printed.
async fn rooms(site: &Site, args: &[&str], code: i32) -> String {
    let mut start = Start::grandstand("rooms");
    for arg in args {
        start = start.arg(arg);
    }
    let url = site.nats.as_ref().unwrap().url();
    let output = start.flag("--nats", url).output().await;
    let Output { code: ended, text } = output;
    assert_eq!(ended, Some(code), "{args:?}: {text}");
    text
}

async fn operators_look_at_rooms_and_change_them(site: Site) {
    let (mut alice, mut bob) = tokio::join!(site.client(0, "alice"), site.client(1, "bob"));
    for room in ["relay-1", "relay-2"] {
        alice.join(room, json!({})).await;
    }
    bob.join("relay-1", json!({})).await;
    bob.join("memory-1", json!({})).await;

    let list = rooms(&site, &["list"], 0).await;
    for line in [
        "relay-1   loaded",
        "relay-2   loaded",
        "memory-1  loaded",
        "3 rooms",
    ] {
        assert!(list.contains(line), "{line}: {list}");
    }
    let list = rooms(&site, &["list", "--game", "relay", "--json"], 0).await;
    let lines = list.lines().filter(|line| line.starts_with('{'));
    let all: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(all.len(), 2, "{list}");
    assert_eq!(
        (&all[0]["room"], &all[0]["players"]),
        (&json!("relay-1"), &json!(2))
    );
    let shown = rooms(&site, &["show", "relay-2"], 0).await;
    assert!(shown.contains("players     1"), "{shown}");
    let missing = rooms(&site, &["show", "relay-9"], 66).await;
    assert!(
        missing.contains("relay-9: there is no such room"),
        "{missing}"
    );

    let sent = ["send", "relay-1", "news", r#"{"n":7}"#, "--id", "n1"];
    for _ in 0..2 {
        rooms(&site, &sent, 0).await;
    }
    alice
        .until("the message is there", |c| {
            c.rooms["relay-1"].view["count"] == 1
        })
        .await;
    let bad = rooms(&site, &["send", "relay-1", "news", "hello"], 64).await;
    assert!(bad.contains("quotes"), "{bad}");

    let kicked = rooms(
        &site,
        &["kick", "relay-1", "bob", "--code", "afk", "--json"],
        0,
    )
    .await;
    assert!(kicked.contains(r#""result":"kicked""#), "{kicked}");
    bob.expect("left", json!({"room": "relay-1", "code": "afk"}))
        .await;

    let runs = rooms(&site, &["retry", "relay-1"], 64).await;
    assert!(runs.contains("only a room in quarantine"), "{runs}");
    let runs = rooms(&site, &["drop", "relay-1"], 64).await;
    assert!(runs.contains("close this one"), "{runs}");
    rooms(&site, &["close", "relay-1"], 0).await;
    alice.input("relay-1", json!("late")).await;
    alice.until_answered("relay-1").await;
    let rejected = &alice.rooms["relay-1"].rejected;
    assert_eq!(rejected.len(), 1, "{rejected:?}");
    alice.input("relay-2", json!("still here")).await;
    alice.until_answered("relay-2").await;
    assert_eq!(alice.rooms["relay-2"].rejected.len(), 0);
}
