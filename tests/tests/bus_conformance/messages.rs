//! Rules of messages, requests and the bus itself, for every bus.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use grandstand_common::bus::{
    AppendError, Bucket, Bus, BusError, ConnectionState, PublishError, PutError, RequestError,
};
use grandstand_common::id::Partition;

use crate::rig::{Rig, append, entry, soon, text};

const P0: Partition = Partition(0);

pub(crate) async fn messages_keep_their_order(rig: Rig) {
    let mut subscription = rig.other.subscribe("edge.a", 4096).await.unwrap();
    for i in 0..1000 {
        rig.bus.publish("edge.a".to_owned(), text(i)).await.unwrap();
    }
    for i in 0..1000 {
        let message = soon("a message", subscription.next()).await.unwrap();
        assert_eq!(
            (message.subject.as_str(), message.payload),
            ("edge.a", text(i))
        );
    }
    assert_eq!(subscription.dropped(), 0);
    assert!(subscription.try_next().is_none());
}

pub(crate) async fn wildcards_match_and_others_do_not(rig: Rig) {
    let mut star = rig.other.subscribe("live.*", 64).await.unwrap();
    let mut rest = rig.other.subscribe("live.>", 64).await.unwrap();
    let mut exact = rig.other.subscribe("live.7", 64).await.unwrap();
    for subject in [
        "live", "live.7", "live.8", "live.7.x", "other.7", "live.end",
    ] {
        rig.bus
            .publish(subject.to_owned(), text(subject))
            .await
            .unwrap();
    }
    let mut seen = [vec![], vec![], vec![]];
    rig.bus
        .publish("live.7".to_owned(), text("last"))
        .await
        .unwrap();
    for (seen, subscription) in seen.iter_mut().zip([&mut star, &mut rest, &mut exact]) {
        loop {
            let message = soon("a message", subscription.next()).await.unwrap();
            if message.payload == "last" {
                break;
            }
            seen.push(message.subject);
        }
    }
    assert_eq!(seen[0], ["live.7", "live.8", "live.end"]);
    assert_eq!(seen[1], ["live.7", "live.8", "live.7.x", "live.end"]);
    assert_eq!(seen[2], ["live.7"]);
}

pub(crate) async fn a_request_without_a_listener_fails_at_once(rig: Rig) {
    let asked = rig.bus.request(
        "worker.x.alive".to_owned(),
        Bytes::new(),
        Duration::from_secs(8),
    );
    assert_eq!(asked.await, Err(RequestError::NoResponders));
    let subscription = rig.other.subscribe("worker.x.alive", 4).await.unwrap();
    drop(subscription);
    // The server learns of an unsubscribe only after a while.
    soon("the end of the subscription", async {
        loop {
            let asked = rig.bus.request(
                "worker.x.alive".to_owned(),
                Bytes::new(),
                Duration::from_millis(100),
            );
            match asked.await {
                Err(RequestError::NoResponders) => break,
                other => assert_eq!(other, Err(RequestError::Timeout)),
            }
        }
    })
    .await;
}

pub(crate) async fn a_request_is_answered_or_times_out(rig: Rig) {
    let mut ctl = rig.other.subscribe("ctl.7", 16).await.unwrap();
    let other = rig.other.clone();
    let answering = tokio::spawn(async move {
        for _ in 0..2 {
            let message = ctl.next().await.unwrap();
            if message.payload != "silence" {
                other
                    .publish(message.reply.unwrap(), message.payload)
                    .await
                    .unwrap();
            }
        }
        ctl
    });
    let second = Duration::from_secs(5);
    let answer = rig
        .bus
        .request("ctl.7".to_owned(), text("hello"), second)
        .await;
    assert_eq!(answer, Ok(text("hello")));
    let short = Duration::from_millis(50);
    let answer = rig
        .bus
        .request("ctl.7".to_owned(), text("silence"), short)
        .await;
    assert_eq!(answer, Err(RequestError::Timeout));
    drop(answering.await);
}

pub(crate) async fn a_full_subscription_drops_and_counts(rig: Rig) {
    let mut full = rig.other.subscribe("edge.full", 8).await.unwrap();
    let mut roomy = rig.other.subscribe("edge.full", 64).await.unwrap();
    for i in 0..20 {
        rig.bus
            .publish("edge.full".to_owned(), text(i))
            .await
            .unwrap();
    }
    for i in 0..20 {
        assert_eq!(
            soon("a message", roomy.next()).await.unwrap().payload,
            text(i)
        );
    }
    soon("the count of drops", async {
        while full.dropped() < 12 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((full.dropped(), roomy.dropped()), (12, 0));
    assert_eq!(rig.other.stats().dropped.load(Ordering::Relaxed), 12);
    for i in 0..8 {
        assert_eq!(full.next().await.unwrap().payload, text(i));
    }
    assert!(full.try_next().is_none());
}

pub(crate) async fn d26_a_subscription_is_bounded_in_bytes(rig: Rig) {
    let mut full = rig.other.subscribe("edge.full", 1_000).await.unwrap();
    let mebibyte = Bytes::from(vec![b'x'; rig.bus.max_payload()]);
    for _ in 0..40 {
        let subject = "edge.full".to_owned();
        rig.bus.publish(subject, mebibyte.clone()).await.unwrap();
    }
    soon("the count of drops", async {
        while full.dropped() < 8 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    rig.bus
        .publish("edge.full".to_owned(), text("dropped"))
        .await
        .unwrap();
    soon("the count of drops", async {
        while full.dropped() < 9 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for _ in 0..32 {
        let message = soon("a message", full.next()).await.unwrap();
        assert_eq!(message.payload.len(), mebibyte.len());
    }
    assert!(full.try_next().is_none());
    rig.bus
        .publish("edge.full".to_owned(), text("taken"))
        .await
        .unwrap();
    let message = soon("a message", full.next()).await.unwrap();
    assert_eq!((message.payload, full.dropped()), (text("taken"), 9));
}

pub(crate) async fn payloads_over_the_limit_are_refused(rig: Rig) {
    let max = rig.bus.max_payload();
    assert_eq!(max, 1 << 20);
    let size = max + 1;
    let too_big = Bytes::from(vec![b'x'; size]);
    let error = PublishError::TooBig { size, max };
    let subject = "in.0.big".to_owned();
    assert_eq!(
        rig.bus.publish("edge.a".to_owned(), too_big.clone()).await,
        Err(error.clone())
    );
    assert_eq!(
        rig.bus
            .append(subject.clone(), too_big.clone())
            .await
            .unwrap_err(),
        error
    );
    let put = rig
        .bus
        .put_if(Bucket::Rooms(P0), "0.big", too_big.clone(), 0)
        .await;
    assert!(
        matches!(put, Err(PutError::NotSent(PublishError::TooBig { .. }))),
        "{put:?}"
    );
    let asked = rig
        .bus
        .request("ctl.0".to_owned(), too_big, Duration::from_secs(1))
        .await;
    assert_eq!(asked, Err(RequestError::NotSent(error)));
    let fits = Bytes::from(vec![b'x'; max]);
    let receipt = rig.bus.append(subject, fits.clone()).await.unwrap();
    receipt.await.unwrap();
    let mut reader = rig.bus.read_log(P0, 1).await.unwrap();
    assert_eq!(entry(&mut reader).await.0.payload, fits);
}

pub(crate) async fn bad_subjects_are_refused(rig: Rig) {
    for bad in ["", "a..b", "a b", "a.*", "a.>", ".a"] {
        let published = rig.bus.publish(bad.to_owned(), Bytes::new()).await;
        assert_eq!(published, Err(PublishError::BadSubject(bad.to_owned())));
        let got = rig.bus.get(Bucket::Leases, bad).await;
        assert_eq!(got, Err(BusError::BadSubject(bad.to_owned())));
    }
    assert!(matches!(
        rig.bus.subscribe("a.>.b", 1).await,
        Err(BusError::BadSubject(_))
    ));
    assert!(matches!(
        rig.bus.watch(Bucket::Leases, "7").await,
        Err(BusError::BadSubject(_))
    ));
    let receipt = rig
        .bus
        .append("in.99.room".to_owned(), text("x"))
        .await
        .unwrap();
    let refused = soon("a refusal", receipt).await;
    assert_eq!(refused, Err(AppendError::Unavailable));
}

pub(crate) async fn the_bus_works_from_other_threads(rig: Rig) {
    let thread = |bus: Bus, subject: &'static str| {
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                for i in 0..50 {
                    append(&bus, subject, i).await;
                }
                let mut reader = bus.read_log(P0, 1).await.unwrap();
                for _ in 0..50 {
                    entry(&mut reader).await;
                }
            });
        })
    };
    let threads = [
        thread(rig.bus.clone(), "in.0.a"),
        thread(rig.other.clone(), "in.0.b"),
    ];
    for thread in threads {
        let joined = tokio::task::spawn_blocking(move || thread.join());
        assert!(soon("a thread", joined).await.unwrap().is_ok());
    }
    assert_eq!(rig.bus.log_state(P0).await.unwrap().last, 100);
}

pub(crate) async fn counters_count_messages_appends_and_requests(rig: Rig) {
    append(&rig.bus, "in.0.room", 1).await;
    rig.bus
        .put_if(Bucket::Cluster, "counted", text("{}"), 0)
        .await
        .unwrap();
    rig.bus.flush().await.unwrap();
    let stats = rig.bus.stats();
    assert_eq!(stats.appends.load(Ordering::Relaxed), 1);
    assert_eq!(stats.puts.load(Ordering::Relaxed), 1);
    assert_eq!(stats.reconnects.load(Ordering::Relaxed), 0);
    assert_eq!(*rig.bus.connection_state().borrow(), ConnectionState::Up(1));
}
