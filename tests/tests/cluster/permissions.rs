//! Users of NATS with as few permissions as possible (D27).

use grandstand_harness::admin::until_ready_is;
use grandstand_harness::client::Client;
use grandstand_harness::nats::NatsServer;
use grandstand_harness::process::{Output, PATIENCE, Process, Start};
use grandstand_harness::rig::{Plan, Rig};
use grandstand_harness::site::{everywhere, token};
use serde_json::json;
use tokio::time::Instant;

const NATS_CONF: &str = include_str!("../../../config/nats.conf");

/// The users of the shipped configuration.
const USERS: [&str; 7] = [
    "edge",
    "worker",
    "archive",
    "outlet",
    "tool",
    "operator",
    "repartition",
];

/// The users of the shipped configuration, with passwords.
pub(super) fn shipped() -> Vec<String> {
    let (_, users) = NATS_CONF.split_once("\nauthorization {").unwrap();
    let (users, _) = users.split_once("\n}\n").unwrap();
    let mut text = format!("authorization {{{users}\n}}\n");
    for user in USERS {
        let variable = format!("$GRANDSTAND_{}_PASSWORD", user.to_uppercase());
        text = text.replace(&variable, &format!("change-this-{user}"));
    }
    text.lines().map(str::to_owned).collect()
}

/// The configuration without the permission in one line. NATS takes an empty list for everything.
pub(super) fn without(line: usize) -> String {
    let mut lines = shipped();
    lines[line] = "\"nothing\"".to_owned();
    lines.join("\n")
}

/// Each permission: its line, its user, its verb and its subject.
pub(super) fn permissions() -> Vec<(usize, &'static str, &'static str, String)> {
    let (mut user, mut verb) = ("", "");
    let mut all = Vec::new();
    for (number, line) in shipped().into_iter().enumerate() {
        let text = line.trim();
        if let Some(rest) = text.strip_prefix("user: ") {
            user = USERS
                .into_iter()
                .find(|user| rest.starts_with(user))
                .unwrap();
        } else if text.starts_with("publish:") {
            verb = "publish on";
        } else if text.starts_with("subscribe:") {
            verb = "subscribe to";
        } else if let Some(rest) = text.strip_prefix('"') {
            let (subject, _) = rest.split_once('"').unwrap();
            all.push((number, user, verb, subject.to_owned()));
        }
    }
    all
}

fn url(nats: &NatsServer, user: &str) -> String {
    let login = format!("//{user}:change-this-{user}@");
    nats.url().replace("//", &login)
}

fn plan() -> Plan {
    let plan = Plan {
        partitions: 8,
        ..Plan::default()
    };
    plan.env("GRANDSTAND_WORKER_ROOMS_SNAPSHOT_ENTRIES", 1)
}

pub(super) fn start(nats: &NatsServer, user: &str) -> Start {
    let url = url(nats, user);
    match user {
        "edge" => plan().edge(&url, "edge-0"),
        "worker" => plan().worker(&url, "worker-0"),
        // Nobody listens there: the permissions come first.
        "archive" => Start::grandstand("archive")
            .flag("--postgres", "postgres://nobody@127.0.0.1:1/none")
            .flag("--nats", url),
        "outlet" => Start::grandstand("outlet")
            .env(
                "GRANDSTAND_OUTLET_OUTLET_ENDPOINTS",
                r#"[{name = "nobody", url = "https://127.0.0.1:1/"}]"#,
            )
            .flag("--nats", url),
        "repartition" => Start::grandstand("cluster")
            .arg("repartition")
            .arg("12")
            .flag("--keep-s", 0)
            .flag("--nats", url),
        "operator" => Start::grandstand("rooms").arg("list").flag("--nats", url),
        _ => Start::grandstand("replay")
            .arg("relay-1")
            .arg("--from-snapshot")
            .flag("--nats", url),
    }
}

/// Ends soon, because a permission is missing.
async fn refused(nats: &NatsServer, user: &str) -> Output {
    let mut start = start(nats, user);
    if ["edge", "worker", "archive", "outlet"].contains(&user) {
        let admin = grandstand_harness::ports::Port::take();
        start = start.flag("--admin", admin.address());
    }
    if user == "edge" {
        let listen = grandstand_harness::ports::Port::take();
        start = start.flag("--listen", listen.address());
    }
    start.output().await
}

#[tokio::test]
async fn d27_the_shipped_permissions_suffice_and_each_one_is_named_if_it_is_missing() {
    let all = shipped().join("\n");
    let nats = NatsServer::start_configured(&all).await;
    let permissions = permissions();
    assert!(permissions.len() > 45, "{permissions:?}");
    let creates = |subject: &str| subject.contains("CREATE.*") || subject.contains("UPDATE");
    let names = async |(line, user, verb, subject): &(usize, &str, &str, String)| {
        nats.reload(&without(*line)).await;
        let Output { code, text } = refused(&nats, user).await;
        assert_eq!(code, Some(78), "{user} {verb} {subject}: {text}");
        // The right to create streams is needed by use, and named as NATS does.
        let says = if creates(subject) && *user != "repartition" {
            "Permissions Violation for Publish to \"$JS.API.STREAM".to_owned()
        } else {
            format!("{verb} {subject}")
        };
        let last = text.lines().last().unwrap_or_default();
        assert!(last.contains(&says), "{user} {verb} {subject}: {text}");
    };
    for permission in permissions.iter().filter(|all| creates(&all.3)) {
        names(permission).await;
    }
    nats.reload(&all).await;
    let worker = Process::start(start(&nats, "worker"), false).await;
    let edge = Process::start(start(&nats, "edge"), true).await;
    let options = |player: &str| {
        let token = token(player, 3600, &everywhere());
        grandstand_harness::client::ClientOptions::new(edge.address()).token(&token)
    };
    let mut alice = Client::connect(options("alice")).await;
    let mut sue = Client::connect(options("sue")).await;
    alice.join("relay-1", json!({})).await;
    sue.join("relay-1", json!({"role": "spectator"})).await;
    for n in 0..3 {
        alice.input("relay-1", json!(n)).await;
    }
    alice.until_answered("relay-1").await;
    assert_eq!(alice.rooms["relay-1"].acked, 3);
    let moved = start(&nats, "repartition").output().await;
    assert_eq!(moved.code, Some(0), "{}", moved.text);
    assert!(moved.text.contains("from 8 to 12"), "{}", moved.text);
    alice.input("relay-1", json!(3)).await;
    alice.until_answered("relay-1").await;
    assert_eq!(alice.rooms["relay-1"].acked, 4);
    for process in [&worker, &edge] {
        let errors = process.log_text();
        assert!(!errors.contains("does not permit"), "{errors}");
    }
    let listed = start(&nats, "operator").output().await;
    assert_eq!(listed.code, Some(0), "{}", listed.text);
    assert!(listed.text.contains("relay-1"), "{}", listed.text);
    // The room is stored once the new owner knows all rooms.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let replayed = start(&nats, "tool").output().await;
        if replayed.code == Some(0) {
            break;
        }
        assert!(Instant::now() < deadline, "{}", replayed.text);
    }
    drop((edge, worker));
    for permission in permissions.iter().filter(|all| !creates(&all.3)) {
        names(permission).await;
    }
}

/// A configuration with one user for all, with these permissions.
pub(super) fn everybody(permissions: &str) -> String {
    format!(
        "authorization {{ users: [ {{ user: all, password: all, permissions: {{ {permissions} }} }} ] }}\n\
         no_auth_user: all\n"
    )
}

pub(super) async fn rig() -> Rig {
    let plan = Plan {
        workers: 1,
        edges: 1,
        nats_config: Some(everybody("publish: \">\"")),
        ..plan()
    };
    Rig::start(plan).await.unwrap()
}

#[tokio::test]
async fn d27_a_permission_that_is_taken_away_is_said_until_it_is_back() {
    let rig = rig().await;
    let mut alice = Client::connect(rig.client_options(0, "alice")).await;
    alice.join("relay-1", json!({})).await;
    rig.nats
        .reload(&everybody("publish: { deny: \"in.>\" }"))
        .await;
    alice.input("relay-1", json!("one")).await;
    let edge = &rig.edges[0];
    let text = until_ready_is(edge, 503).await;
    let words = "Permissions Violation for Publish to \"in.";
    assert!(text.contains(words), "{text}");
    let counted = edge.metric("grandstand_edge_bus_errors_total").await;
    assert!(counted >= Some(1.0), "{counted:?}");
    assert_eq!(edge.metric("grandstand_edge_bus_refused").await, Some(1.0));
    rig.nats.reload(&everybody("publish: \">\"")).await;
    until_ready_is(edge, 200).await;
    alice.until_answered("relay-1").await;
    alice.input("relay-1", json!("two")).await;
    alice.until_answered("relay-1").await;
    assert_eq!(alice.rooms["relay-1"].view["count"], 2);
    let said = edge.log_text().matches("ERROR").count();
    assert!(said <= 2, "{}", edge.log_text());
}

#[tokio::test]
async fn d27_a_subscription_that_nats_removed_is_made_again() {
    let rig = rig().await;
    let mut alice = Client::connect(rig.client_options(0, "alice")).await;
    alice.join("relay-1", json!({})).await;
    rig.nats
        .reload(&everybody("subscribe: { deny: \"edge.*\" }"))
        .await;
    let text = until_ready_is(&rig.edges[0], 503).await;
    assert!(text.contains("subscribe to edge.*"), "{text}");
    alice.input("relay-1", json!("one")).await;
    alice
        .until("the edge says that it hears no owner", |c| {
            c.has_notice("degraded")
        })
        .await;
    rig.nats.reload(&everybody("publish: \">\"")).await;
    until_ready_is(&rig.edges[0], 200).await;
    alice.until_answered("relay-1").await;
    alice.input("relay-1", json!("two")).await;
    alice.until_answered("relay-1").await;
    assert!(alice.has_notice("recovered"));
    assert_eq!(alice.rooms["relay-1"].view["count"], 2);
}
