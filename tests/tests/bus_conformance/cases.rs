//! What every bus must do.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use grandstand_common::bus::{
    Bucket, Bus, BusError, Link, PublishError, PutError, Read, RequestError,
};
use grandstand_common::id::Partition;
use tokio::time::Instant;

use crate::rig::{Rig, append, entry, key, soon, text};

const P0: Partition = Partition(0);
const P2: Partition = Partition(2);

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

pub(crate) async fn nobody_listens_is_known_at_once(rig: Rig) {
    let began = Instant::now();
    let asked = rig.bus.request(
        "worker.x.alive".to_owned(),
        Bytes::new(),
        Duration::from_secs(8),
    );
    assert_eq!(asked.await, Err(RequestError::NoResponders));
    let subscription = rig.other.subscribe("worker.x.alive", 4).await.unwrap();
    drop(subscription);
    // An unsubscribe takes its time to arrive.
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
        assert!(began.elapsed() < Duration::from_secs(8));
    }
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

pub(crate) async fn what_is_too_big_is_refused(rig: Rig) {
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
    assert_eq!(
        refused,
        Err(grandstand_common::bus::AppendError::Unavailable)
    );
}

pub(crate) async fn appends_are_stored_in_order_with_growing_sequences(rig: Rig) {
    let mut receipts = Vec::new();
    for i in 0..500 {
        receipts.push(
            rig.bus
                .append("in.0.room".to_owned(), text(i))
                .await
                .unwrap(),
        );
    }
    let mut last = 0;
    for receipt in receipts {
        let seq = soon("an ack", receipt).await.unwrap();
        assert!(seq > last, "{seq} after {last}");
        last = seq;
    }
    let mut reader = rig.other.read_log(P0, 1).await.unwrap();
    for i in 0..500 {
        assert_eq!(entry(&mut reader).await.0.payload, text(i));
    }
}

pub(crate) async fn partitions_share_a_stream_and_are_read_apart(rig: Rig) {
    let mut seqs = Vec::new();
    for i in 0..6 {
        let subject = format!("in.{}.room", [0, 2, 1][i % 3]);
        seqs.push(append(&rig.bus, &subject, i).await);
    }
    assert_eq!(
        [seqs[0], seqs[1], seqs[3], seqs[4]],
        [1, 2, 3, 4],
        "0 and 2 share one"
    );
    assert_eq!([seqs[2], seqs[5]], [1, 2], "1 is in another");
    let mut reader = rig.bus.read_log(P2, 1).await.unwrap();
    for (seq, payload) in [(2, 1), (4, 4)] {
        let (entry, _) = entry(&mut reader).await;
        assert_eq!((entry.seq, entry.payload), (seq, text(payload)));
        assert_eq!(entry.subject, "in.2.room");
    }
    assert_eq!(soon("idle", reader.next()).await, Read::Idle);
}

pub(crate) async fn a_log_is_read_from_a_sequence_and_then_live(rig: Rig) {
    for i in 1..=10 {
        append(&rig.bus, "in.0.room", i).await;
    }
    let mut reader = rig.other.read_log(P0, 7).await.unwrap();
    for i in 7..=10 {
        let (entry, pending) = entry(&mut reader).await;
        assert_eq!((entry.seq, entry.payload), (i, text(i)));
        assert_eq!(pending, 10 - i);
    }
    assert_eq!(append(&rig.bus, "in.0.room", 11).await, 11);
    assert_eq!(entry(&mut reader).await.0.seq, 11);
    let mut ahead = rig.other.read_log(P0, 12).await.unwrap();
    assert_eq!(soon("idle", ahead.next()).await, Read::Idle);
    append(&rig.bus, "in.0.room", 12).await;
    assert_eq!(entry(&mut ahead).await.0.seq, 12);
}

pub(crate) async fn an_empty_log_is_idle_at_once(rig: Rig) {
    let began = Instant::now();
    let mut reader = rig.bus.read_log(P0, 1).await.unwrap();
    assert_eq!(soon("idle", reader.next()).await, Read::Idle);
    let mut watch = rig.bus.watch(Bucket::Rooms(P0), "0.").await.unwrap();
    assert_eq!(soon("idle", watch.next()).await, Read::Idle);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(reader.try_next(), None);
    assert_eq!(soon("another idle", reader.next()).await, Read::Idle);
}

pub(crate) async fn many_readers_each_get_all(rig: Rig) {
    let mut readers = Vec::new();
    for i in 0..20 {
        let bus = if i % 2 == 0 { &rig.bus } else { &rig.other };
        readers.push(bus.read_log(P0, 1).await.unwrap());
    }
    for i in 0..300 {
        drop(
            rig.bus
                .append("in.0.room".to_owned(), text(i))
                .await
                .unwrap(),
        );
    }
    for reader in &mut readers {
        for i in 0..300 {
            assert_eq!(entry(reader).await.0.payload, text(i));
        }
    }
}

pub(crate) async fn log_state_says_where_it_begins_and_ends(rig: Rig) {
    let empty = rig.bus.log_state(P0).await.unwrap();
    assert_eq!((empty.first, empty.last), (1, 0));
    assert!(empty.created_ms > 1_600_000_000_000);
    append(&rig.bus, "in.0.room", 1).await;
    append(&rig.bus, "in.2.room", 2).await;
    let state = rig.other.log_state(P0).await.unwrap();
    assert_eq!((state.first, state.last), (1, 2));
    assert_eq!(state.created_ms, empty.created_ms);
    assert_eq!(rig.bus.log_state(Partition(1)).await.unwrap().last, 0);
}

pub(crate) async fn compare_and_swap_lets_one_win(rig: Rig) {
    let bucket = Bucket::Leases;
    assert_eq!(rig.bus.get(bucket, "7").await, Ok(None));
    let first = rig.bus.put_if(bucket, "7", text("a"), 0).await.unwrap();
    assert_eq!(
        rig.other.put_if(bucket, "7", text("b"), 0).await,
        Err(PutError::WrongRevision)
    );
    let wrong = first + 10;
    assert_eq!(
        rig.other.put_if(bucket, "7", text("b"), wrong).await,
        Err(PutError::WrongRevision)
    );
    assert_eq!(
        rig.other.put_if(bucket, "8", text("b"), first).await,
        Err(PutError::WrongRevision)
    );
    let (a, b) = tokio::join!(
        rig.bus.put_if(bucket, "7", text("mine"), first),
        rig.other.put_if(bucket, "7", text("yours"), first),
    );
    let (won, value) = match (a, b) {
        (Ok(revision), Err(PutError::WrongRevision)) => (revision, "mine"),
        (Err(PutError::WrongRevision), Ok(revision)) => (revision, "yours"),
        both => panic!("one wins: {both:?}"),
    };
    assert!(won > first);
    let got = rig.other.get(bucket, "7").await.unwrap().unwrap();
    assert_eq!(
        (got.value, got.revision, got.key.as_str()),
        (Some(text(value)), won, "7")
    );
    assert!(got.time_ms > 1_600_000_000_000);
}

pub(crate) async fn pipelined_puts_keep_their_order(rig: Rig) {
    let bucket = Bucket::Rooms(P0);
    let mut receipts = Vec::new();
    for i in 0..100 {
        let name = format!("0.room-{i}");
        receipts.push(
            rig.bus
                .start_put_if(bucket, &name, text(i), 0)
                .await
                .unwrap(),
        );
    }
    let mut last = 0;
    for receipt in receipts {
        let revision = soon("an answer", receipt).await.unwrap();
        assert!(revision > last);
        last = revision;
    }
    let clash = rig
        .bus
        .start_put_if(bucket, "0.room-1", text("x"), 0)
        .await
        .unwrap();
    let after = rig
        .bus
        .start_put_if(bucket, "0.room-100", text("y"), 0)
        .await
        .unwrap();
    assert_eq!(soon("a refusal", clash).await, Err(PutError::WrongRevision));
    assert!(soon("an answer", after).await.unwrap() > last);
}

pub(crate) async fn a_marker_has_a_revision_and_expires(rig: Rig) {
    let bucket = Bucket::Rooms(P0);
    let put = rig
        .bus
        .put_if(bucket, "0.room", text("a"), 0)
        .await
        .unwrap();
    let second = Duration::from_secs(1);
    let wrong = rig.bus.delete_if(bucket, "0.room", put + 1, second).await;
    assert_eq!(wrong, Err(PutError::WrongRevision));
    let marker = rig
        .bus
        .delete_if(bucket, "0.room", put, second)
        .await
        .unwrap();
    assert!(marker > put);
    let got = rig.other.get(bucket, "0.room").await.unwrap().unwrap();
    assert_eq!((got.value, got.revision), (None, marker));
    let over_it = rig.bus.put_if(bucket, "0.room", text("b"), 0).await;
    assert_eq!(
        over_it,
        Err(PutError::WrongRevision),
        "the marker is still there"
    );
    let mut watch = rig.other.watch(bucket, "0.").await.unwrap();
    let (seen, _) = key(&mut watch).await;
    assert_eq!((seen.value, seen.revision), (None, marker));
    // Over a marker with its revision, and again a marker.
    let again = rig
        .bus
        .put_if(bucket, "0.room", text("b"), marker)
        .await
        .unwrap();
    rig.bus
        .delete_if(bucket, "0.room", again, second)
        .await
        .unwrap();
    soon("the marker's end", async {
        while rig.bus.get(bucket, "0.room").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(
        rig.bus
            .put_if(bucket, "0.room", text("c"), 0)
            .await
            .unwrap()
            > again
    );
}

/// D10: what is stored before one's own write comes before the read is through.
pub(crate) async fn a_prefix_is_read_up_to_ones_own_write(rig: Rig) {
    let bucket = Bucket::Rooms(P0);
    for i in 0..150 {
        let name = format!("{}.room-{i}", [0, 2][i % 2]);
        rig.bus.put_if(bucket, &name, text(i), 0).await.unwrap();
    }
    let mut own = rig
        .other
        .put_if(bucket, "0.=checkpoint", text("1"), 0)
        .await
        .unwrap();
    for _ in 0..2 {
        let moved = rig
            .bus
            .get(bucket, "0.room-0")
            .await
            .unwrap()
            .unwrap()
            .revision;
        rig.bus
            .put_if(bucket, "0.room-0", text("moved"), moved)
            .await
            .unwrap();
        own = rig
            .other
            .put_if(bucket, "0.=checkpoint", text("2"), own)
            .await
            .unwrap();
        let mut watch = rig.other.watch(bucket, "0.").await.unwrap();
        let mut rooms = Vec::new();
        let mut last = 0;
        loop {
            match soon("the barrier", watch.next()).await {
                Read::Item(entry, pending) => {
                    assert!(entry.revision > last && entry.key.starts_with("0."));
                    last = entry.revision;
                    rooms.push(entry.key);
                    if last >= own && pending == 0 {
                        break;
                    }
                }
                Read::Idle if last >= own => break,
                Read::Idle => {}
                Read::Lost => panic!("lost"),
            }
        }
        rooms.sort_unstable();
        rooms.dedup();
        assert_eq!(rooms.len(), 75 + 1, "all rooms and the checkpoint");
    }
}

pub(crate) async fn a_watch_goes_on_live(rig: Rig) {
    let mut all = rig.other.watch(Bucket::Workers, "").await.unwrap();
    assert_eq!(soon("idle", all.next()).await, Read::Idle);
    let mut revision = 0;
    for i in 0..5 {
        revision = rig
            .bus
            .put_if(Bucket::Workers, "w-1", text(i), revision)
            .await
            .unwrap();
        let (entry, _) = key(&mut all).await;
        assert_eq!(
            (entry.key.as_str(), entry.value, entry.revision),
            ("w-1", Some(text(i)), revision)
        );
    }
    let marker = rig
        .bus
        .delete_if(Bucket::Workers, "w-1", revision, Duration::from_secs(60))
        .await;
    let (entry, _) = key(&mut all).await;
    assert_eq!((entry.value, Ok(entry.revision)), (None, marker));
}

pub(crate) async fn times_never_go_backwards(rig: Rig) {
    for i in 0..50 {
        append(&rig.bus, "in.0.room", i).await;
    }
    let mut reader = rig.bus.read_log(P0, 1).await.unwrap();
    let mut last = 0;
    for _ in 0..50 {
        let (entry, _) = entry(&mut reader).await;
        assert!(entry.time_ms >= last && entry.time_ms > 1_600_000_000_000);
        last = entry.time_ms;
    }
}

pub(crate) async fn it_works_from_other_threads(rig: Rig) {
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

pub(crate) async fn counters_count(rig: Rig) {
    append(&rig.bus, "in.0.room", 1).await;
    rig.bus
        .put_if(Bucket::Cluster, "settings", text("{}"), 0)
        .await
        .unwrap();
    rig.bus.flush().await.unwrap();
    let stats = rig.bus.stats();
    assert_eq!(stats.appends.load(Ordering::Relaxed), 1);
    assert_eq!(stats.puts.load(Ordering::Relaxed), 1);
    assert_eq!(stats.reconnects.load(Ordering::Relaxed), 0);
    assert_eq!(*rig.bus.link().borrow(), Link::Up(1));
}
