//! Rules of NATS only: outages, reconnects, servers that cannot be reached, and the age of entries.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use grandstand_common::bus::metrics::BusMetrics;
use grandstand_common::bus::{
    AppendError, Bucket, Bus, BusOptions, ConnectError, ConnectionState, PublishError, PutError,
    Read, RequestError,
};
use grandstand_common::id::Partition;
use grandstand_common::process::admin::{Admin, Status};
use grandstand_common::process::metrics::{self, Build};
use grandstand_common::supervisor::Supervisor;
use grandstand_harness::nats::NatsServer;
use grandstand_harness::process::get;
use tokio::sync::watch;

use crate::rig::{append, entry, key, options, soon, text};

const P0: Partition = Partition(0);

async fn until(
    connection_state: &mut watch::Receiver<ConnectionState>,
    wanted: impl FnMut(&ConnectionState) -> bool,
) {
    let waiting = connection_state.wait_for(wanted);
    assert!(soon("the connection's change", waiting).await.is_ok());
}

/// The client library drops messages that its subscription has no space for. The metrics count them.
#[tokio::test]
async fn d31_slow_consumers_are_in_the_metrics() {
    let server = NatsServer::start().await;
    let options = BusOptions {
        library_capacity: 1,
        ..options()
    };
    let bus = Bus::connect_nats(&server.url(), &options).await.unwrap();
    let sender = Bus::connect_nats(&server.url(), &crate::rig::options())
        .await
        .unwrap();
    let metrics = BusMetrics::default();
    metrics.add(&bus);
    let mut registry = metrics::registry(Build {
        service: "edge",
        version: "test",
    });
    metrics.register(&mut registry);
    let admin = Admin::start(
        "edge.admin",
        ([127, 0, 0, 1], 0).into(),
        Status::new(),
        registry,
        None,
        &Supervisor::default(),
    );
    let admin = admin.unwrap();
    let counted = async |name: &str| {
        let (status, text) = get(admin.address(), "/metrics").await.unwrap();
        assert_eq!(status, 200);
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap().parse::<f64>().unwrap()
    };
    let total = "grandstand_bus_slow_consumers_total";
    assert_eq!(counted(total).await, 0.0);
    let _full = bus.subscribe("edge.full", 1_000).await.unwrap();
    soon("slow consumers", async {
        while counted(total).await == 0.0 {
            for i in 0..100 {
                let subject = "edge.full".to_owned();
                sender.publish(subject, text(i)).await.unwrap();
            }
            sender.flush().await.unwrap();
        }
    })
    .await;
    let of_kind = r#"grandstand_bus_errors_total{kind="slow_consumer"}"#;
    assert!(counted(of_kind).await > 0.0);
    assert_eq!(bus.errors().unwrap().current(), None, "it does not last");
}

#[tokio::test]
async fn a_killed_server_fails_receipts_at_once_and_readers_go_on_without_loss_or_repeat() {
    let mut server = NatsServer::start().await;
    let bus = Bus::connect_nats(&server.url(), &options()).await.unwrap();
    let mut connection_state = bus.connection_state();
    let mut log = bus.read_log(P0, 1).await.unwrap();
    let mut watch = bus.watch(Bucket::Rooms(P0), "0.").await.unwrap();
    let mut messages = bus.subscribe("edge.a", 64).await.unwrap();
    for i in 1..=100 {
        append(&bus, "in.0.room", i).await;
    }
    let revision = bus
        .put_if(Bucket::Rooms(P0), "0.a", text("a"), 0)
        .await
        .unwrap();
    // One half is read before the outage, the other half after it.
    for i in 1..=50 {
        assert_eq!(entry(&mut log).await.0.seq, i);
    }
    assert_eq!(key(&mut watch).await.0.revision, revision);

    // The paused server does not answer, so these are in flight when it dies.
    server.pause();
    let hanging = bus
        .append("in.0.room".to_owned(), text("hanging"))
        .await
        .unwrap();
    let put = bus
        .start_put_if(Bucket::Leases, "0", text("hanging"), 0)
        .await
        .unwrap();
    let for_request = bus.clone();
    let request = tokio::spawn(async move {
        // The request fails with the connection and not at its deadline.
        let wait = Duration::from_secs(3600);
        for_request
            .request("edge.a".to_owned(), Bytes::new(), wait)
            .await
    });
    tokio::task::yield_now().await;
    server.kill9();
    let lost = soon("the receipt", hanging).await;
    assert!(matches!(lost, Err(AppendError::Unknown(_))), "{lost:?}");
    let lost = soon("the put's receipt", put).await;
    assert!(matches!(lost, Err(PutError::Unknown(_))), "{lost:?}");
    assert_eq!(
        soon("the request", request).await.unwrap(),
        Err(RequestError::Disconnected)
    );
    until(&mut connection_state, |state| {
        *state == ConnectionState::Down
    })
    .await;
    assert_eq!(
        bus.append("in.0.room".to_owned(), text("x"))
            .await
            .unwrap_err(),
        PublishError::Disconnected
    );
    assert_eq!(
        bus.publish("edge.a".to_owned(), text("x")).await,
        Err(PublishError::Disconnected)
    );
    let asked = bus
        .request("edge.a".to_owned(), Bytes::new(), Duration::from_secs(9))
        .await;
    assert_eq!(asked, Err(RequestError::Disconnected));

    server.restart().await;
    until(
        &mut connection_state,
        |state| matches!(state, ConnectionState::Up(n) if *n > 1),
    )
    .await;
    let last = bus.log_state(P0).await.unwrap().last;
    assert!(
        (100..=101).contains(&last),
        "the unacked entry may have been stored"
    );
    for i in 51..=last {
        assert_eq!(entry(&mut log).await.0.seq, i);
    }
    assert_eq!(append(&bus, "in.0.room", "after").await, last + 1);
    assert_eq!(entry(&mut log).await.0.payload, text("after"));
    let next = bus
        .put_if(Bucket::Rooms(P0), "0.a", text("b"), revision)
        .await
        .unwrap();
    let (seen, _) = key(&mut watch).await;
    assert_eq!((seen.value, seen.revision), (Some(text("b")), next));
    bus.publish("edge.a".to_owned(), text("again"))
        .await
        .unwrap();
    // The request may have been delivered nevertheless.
    while soon("a message", messages.next()).await.unwrap().payload != "again" {}
    assert!(bus.stats().reconnects.load(Ordering::Relaxed) >= 1);
}

#[tokio::test]
async fn nothing_is_lost_while_the_server_dies_under_load() {
    let mut server = NatsServer::start().await;
    let bus = Bus::connect_nats(&server.url(), &options()).await.unwrap();
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(bus.read_log(P0, 1).await.unwrap());
    }
    let writer = tokio::spawn({
        let bus = bus.clone();
        async move {
            let mut acked = Vec::new();
            for i in 0..2000 {
                let Ok(receipt) = bus.append("in.0.room".to_owned(), text(i)).await else {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                };
                acked.extend(receipt.await);
            }
            acked
        }
    });
    for _ in 0..3 {
        let _ = entry(&mut readers[0]).await;
        server.restart().await;
    }
    let acked = tokio::time::timeout(Duration::from_secs(60), writer)
        .await
        .unwrap()
        .unwrap();
    let end = append(&bus, "in.0.room", "end").await;
    for (i, reader) in readers.iter_mut().enumerate() {
        let mut seqs = Vec::new();
        while seqs.last() != Some(&end) {
            seqs.push(entry(reader).await.0.seq);
        }
        let all: Vec<_> = (if i == 0 { seqs[0] } else { 1 }..=end).collect();
        assert_eq!(seqs, all, "every entry comes once and in order");
        assert!(acked.iter().all(|seq| *seq <= end));
    }
}

#[tokio::test]
async fn a_silent_server_is_noticed_and_waited_for() {
    let server = NatsServer::start().await;
    let bus = Bus::connect_nats(&server.url(), &options()).await.unwrap();
    server.pause();
    let receipt = bus.append("in.0.room".to_owned(), text("x")).await.unwrap();
    let answer = soon("the receipt", receipt).await;
    assert!(matches!(answer, Err(AppendError::Unknown(_))), "{answer:?}");
    server.resume();
    soon("the next append", async {
        while bus.append("in.0.room".to_owned(), text("y")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_wiped_server_gets_its_streams_again_and_readers_are_lost() {
    let mut server = NatsServer::start().await;
    let bus = Bus::connect_nats(&server.url(), &options()).await.unwrap();
    append(&bus, "in.0.room", 1).await;
    let created = bus.log_state(P0).await.unwrap().created_ms;
    let mut log = bus.read_log(P0, 1).await.unwrap();
    assert_eq!(entry(&mut log).await.0.seq, 1);
    server.restart_wiped().await;
    loop {
        match soon("the loss", log.next()).await {
            Read::Idle => {}
            Read::Lost => break,
            Read::Item(..) => panic!("the log is empty"),
        }
    }
    assert_eq!(soon("the reader stays lost", log.next()).await, Read::Lost);
    let state = soon("the stream", async {
        loop {
            match bus.log_state(P0).await {
                Ok(state) => return state,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    })
    .await;
    assert_eq!((state.first, state.last), (1, 0));
    assert!(state.created_ms > created);
}

#[tokio::test]
async fn an_unreachable_server_is_reported_in_one_line() {
    // Port 1 refuses connections. The documentation network (RFC 5737) drops packets. The name does not exist (RFC
    // 2606).
    for host in ["127.0.0.1:1", "192.0.2.1:4222", "nats.invalid:4222"] {
        let url = format!("nats://me:secret@{host}");
        let error = Bus::connect_nats(&url, &options())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(host), "{error}");
        assert!(
            !error.contains("secret") && !error.contains('\n'),
            "{error}"
        );
    }
    let error = Bus::connect_nats("http://me:secret@x", &options())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ConnectError::BadUrl { url, .. } if url == "x"),
        "{error}"
    );
}

#[tokio::test]
async fn the_log_forgets_old_entries() {
    let server = NatsServer::start().await;
    let options = BusOptions {
        log_max_age: Duration::from_secs(1),
        ..options()
    };
    let bus = Bus::connect_nats(&server.url(), &options).await.unwrap();
    append(&bus, "in.0.room", 1).await;
    soon("the end of the entry", async {
        while bus.log_state(P0).await.unwrap().first == 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let state = bus.log_state(P0).await.unwrap();
    assert_eq!((state.first, state.last), (2, 1));
}

#[test]
fn the_configuration_that_is_shipped_is_valid() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/nats.conf");
    let checked = std::process::Command::new(grandstand_harness::nats::program())
        .args(["-t", "-c", config])
        .envs(
            [
                "EDGE",
                "WORKER",
                "ARCHIVE",
                "OUTLET",
                "TOOL",
                "OPERATOR",
                "REPARTITION",
            ]
            .map(|user| {
                let variable = format!("GRANDSTAND_{user}_PASSWORD");
                (variable, "change-this")
            }),
        )
        .output()
        .unwrap();
    let says = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{says}");
}
