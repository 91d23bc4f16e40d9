//! Deliveries of what games emit.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use bytes::Bytes;
use grandstand_common::bus::Bus;
use grandstand_harness::process::Process;
use grandstand_harness::rig::{Plan, Rig};
use serde_json::{Value, json};

use super::receiver::{Received, Receiver};
use super::{Outlet, SECRET, until};

/// Checks signatures as a receiver does, which has read the specification and not our code.
const VERIFY: &str = r"
import base64, hashlib, hmac, json, sys
for request in json.load(sys.stdin):
    headers = request['headers']
    key = base64.b64decode(request['secret'].removeprefix('whsec_'))
    signed = f'{headers[''webhook-id'']}.{headers[''webhook-timestamp'']}.{request[''body'']}'
    wanted = base64.b64encode(hmac.new(key, signed.encode(), hashlib.sha256).digest()).decode()
    assert f'v1,{wanted}' in headers['webhook-signature'].split(' '), headers
";

/// Checks the signatures of requests. The receiver goes on meanwhile.
async fn verify(requests: &[Received]) {
    let request = |request: &Received| json!({"headers": request.headers, "body": request.body, "secret": SECRET});
    let text = Value::from_iter(requests.iter().map(request)).to_string();
    let verified = tokio::task::spawn_blocking(move || {
        let mut python = Command::new("python3")
            .args(["-c", &VERIFY.replace("''", "\"")])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = python.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        drop(stdin);
        python.wait().unwrap()
    });
    assert!(verified.await.unwrap().success(), "{requests:?}");
}

async fn emit(bus: &Bus, topic: &str, id: &str) {
    let body = json!({
        "id": id, "room": "chess-1", "game": "chess", "topic": topic, "at_ms": 1_767_225_600_000_u64, "data": id,
    });
    let body = Bytes::from(body.to_string());
    let topic = topic.parse().unwrap();
    bus.emit(&topic, id, body).await.unwrap().await.unwrap();
}

async fn rig() -> Rig {
    let plan = Plan {
        workers: 1,
        edges: 0,
        partitions: 8,
        ..Plan::default()
    };
    Rig::start(plan).await.unwrap()
}

fn ids(requests: &[Received]) -> BTreeSet<&str> {
    requests.iter().map(Received::id).collect()
}

#[tokio::test]
async fn endpoints_that_hang_fail_or_lead_in_circles_delay_no_other() {
    let rig = rig().await;
    let receiver = Receiver::start().await;
    let all = "topics = [\"results\"]\nfrom = \"all\"";
    let twice = format!("{all}\nmax_attempts = 2");
    let mut outlet = Outlet::new()
        .endpoint(&receiver, "/ok", all)
        .endpoint(&receiver, "/cut", all)
        .endpoint(&receiver, "/huge", all)
        .endpoint(&receiver, "/gone", all)
        .endpoint(&receiver, "/sick", &format!("{all}\nmax_attempts = 1000"))
        .endpoint(&receiver, "/loop", &twice)
        .endpoint(&receiver, "/away", &twice);
    let slow = format!("{all}\ntimeout_ms = 100\nbreaker_failures = 2");
    outlet = outlet.endpoint(&receiver, "/hang", &slow);
    let bus = rig.bus().await.unwrap();
    for id in ["7f.1", "7f.2", "7f.3"] {
        emit(&bus, "results", id).await;
    }
    emit(&bus, "other", "7f.4").await;
    let start = outlet.start(&rig.nats.url());
    let mut process = Process::start(start.clone(), false).await;
    for path in ["/ok", "/cut", "/huge"] {
        let received = receiver.until(path, 3).await;
        assert_eq!(ids(&received), BTreeSet::from(["7f.1", "7f.2", "7f.3"]));
        verify(&received).await;
    }
    let body: Value = serde_json::from_str(&receiver.of("/ok")[0].body).unwrap();
    assert_eq!(body["game"], "chess", "{body}");
    until(
        &process,
        "grandstand_outlet_breaker_state{endpoint=\"hang\"}",
        |state| state > 0.0,
    )
    .await;
    until(
        &process,
        "grandstand_outlet_endpoint_disabled{endpoint=\"gone\"}",
        |is| is == 1.0,
    )
    .await;
    for name in ["loop", "away"] {
        let dead =
            format!("grandstand_outlet_deliveries_total{{endpoint=\"{name}\",outcome=\"dead\"}}");
        until(&process, &dead, |count| count == 3.0).await;
    }
    // A loop of redirects has an end: each attempt makes four requests.
    assert_eq!(receiver.of("/loop").len(), 3 * 2 * 4);
    assert_eq!(receiver.of("/away").len(), 3 * 2);
    receiver.open();
    let well = "grandstand_outlet_deliveries_total{endpoint=\"sick\",outcome=\"delivered\"}";
    until(&process, well, |count| count == 3.0).await;
    let sick = receiver.of("/sick");
    assert!(sick.len() >= 6, "{sick:?}");

    let outlet = |arguments: &[&str]| {
        let all = arguments.iter();
        all.fold(start.clone(), |start, text| start.arg(text))
    };
    let list = outlet(&["dead", "list", "--endpoint", "loop"])
        .output()
        .await;
    assert_eq!(list.code, Some(0), "{}", list.text);
    assert_eq!(list.text.lines().count(), 3, "{}", list.text);
    assert!(
        list.text.contains("redirects more than 3 times"),
        "{}",
        list.text
    );
    let show = outlet(&["dead", "show", "away", "7f.2"]).output().await;
    let letter: Value = serde_json::from_str(show.text.trim()).unwrap();
    assert_eq!(letter["body"]["data"], "7f.2", "{letter}");
    assert!(
        letter["why"].as_str().unwrap().contains("not followed"),
        "{letter}"
    );
    let resent = outlet(&["dead", "resend", "loop", "7f.1"]).output().await;
    assert_eq!(resent.code, Some(0), "{}", resent.text);
    receiver.until("/loop", 4 * 2 * 4).await;
    let dropped = outlet(&["dead", "drop", "away"]).output().await;
    assert_eq!(dropped.text.lines().count(), 3, "{}", dropped.text);
    let none = outlet(&["dead", "show", "away"]).output().await;
    assert_eq!(none.code, Some(66), "{}", none.text);
    let gone = receiver.of("/gone").len();
    let enabled = outlet(&["enable", "gone"]).output().await;
    assert_eq!(enabled.code, Some(0), "{}", enabled.text);
    receiver.until("/gone", gone + 1).await;

    // Nothing is delivered again after an orderly end, and what came meanwhile is.
    process.term();
    assert_eq!(
        process.ended().await.code(),
        Some(0),
        "{}",
        process.log_tail()
    );
    emit(&bus, "results", "7f.5").await;
    process.restart().await;
    receiver.until("/ok", 4).await;
    assert_eq!(receiver.of("/ok").len(), 4);
}

#[tokio::test]
async fn items_survive_the_death_of_an_outlet_and_a_standby_takes_over() {
    let rig = rig().await;
    let receiver = Receiver::start().await;
    let all = "topics = [\"results\"]\nfrom = \"all\"\ntimeout_ms = 60000";
    let outlet = Outlet::new()
        .endpoint(&receiver, "/ok", all)
        .endpoint(&receiver, "/held", all);
    let bus = rig.bus().await.unwrap();
    let mut first = Process::start(outlet.start(&rig.nats.url()), false).await;
    emit(&bus, "results", "7f.1").await;
    receiver.until("/held", 1).await;
    let standby = Process::start(outlet.start(&rig.nats.url()), false).await;
    assert_eq!(standby.metric("grandstand_outlet_leads").await, Some(0.0));
    first.kill9();
    first.ended().await;
    receiver.until("/held", 2).await;
    receiver.open();
    let held = "grandstand_outlet_deliveries_total{endpoint=\"held\",outcome=\"delivered\"}";
    until(&standby, held, |count| count == 1.0).await;
    assert_eq!(ids(&receiver.of("/held")), BTreeSet::from(["7f.1"]));
    assert_eq!(ids(&receiver.of("/ok")), BTreeSet::from(["7f.1"]));
}

#[tokio::test]
async fn endpoints_change_at_hup_and_no_item_is_lost() {
    let rig = rig().await;
    let receiver = Receiver::start().await;
    let all = "topics = [\"results\"]\nfrom = \"all\"";
    let outlet = Outlet::new()
        .endpoint(&receiver, "/ok", all)
        .endpoint(&receiver, "/cut", all);
    let bus = rig.bus().await.unwrap();
    let process = Process::start(outlet.start(&rig.nats.url()), false).await;
    emit(&bus, "results", "7f.1").await;
    receiver.until("/ok", 1).await;
    receiver.until("/cut", 1).await;

    // One endpoint is gone, and one is new.
    let more = Outlet::new()
        .endpoint(&receiver, "/ok", all)
        .endpoint(&receiver, "/huge", all);
    outlet.overwrite(&more);
    process.hang_up();
    receiver.until("/huge", 1).await;
    until(
        &process,
        "grandstand_config_reloads_total{result=\"applied\"}",
        |n| n == 1.0,
    )
    .await;
    emit(&bus, "results", "7f.2").await;
    assert_eq!(
        ids(&receiver.until("/ok", 2).await),
        BTreeSet::from(["7f.1", "7f.2"])
    );
    assert_eq!(
        ids(&receiver.until("/huge", 2).await),
        BTreeSet::from(["7f.1", "7f.2"])
    );
    assert_eq!(receiver.of("/cut").len(), 1);
    let gone = "grandstand_outlet_waiting_letters{endpoint=\"cut\"}";
    assert_eq!(process.metric(gone).await, None);

    // A mistake changes nothing.
    let wrong = Outlet::new().endpoint(&receiver, "/ok", "concurrency = 0");
    outlet.overwrite(&wrong);
    process.hang_up();
    until(
        &process,
        "grandstand_config_reloads_total{result=\"refused\"}",
        |n| n == 1.0,
    )
    .await;
    emit(&bus, "results", "7f.3").await;
    receiver.until("/huge", 3).await;

    // An endpoint that comes back gets what it has missed.
    let back = Outlet::new().endpoint(&receiver, "/cut", all);
    outlet.overwrite(&back);
    process.hang_up();
    let all = BTreeSet::from(["7f.1", "7f.2", "7f.3"]);
    assert_eq!(ids(&receiver.until("/cut", 3).await), all);
    assert_eq!(receiver.of("/ok").len(), 3);
}
