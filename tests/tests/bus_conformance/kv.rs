//! Rules of buckets, for every bus.

use std::time::Duration;

use grandstand_common::bus::{Bucket, PutError, Read};
use grandstand_common::id::Partition;

use crate::rig::{Rig, key, soon, text};

const P0: Partition = Partition(0);

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
        both => panic!("exactly one write must win: {both:?}"),
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

pub(crate) async fn a_value_with_a_time_to_live_is_removed(rig: Rig) {
    let bucket = Bucket::Revocations;
    let minute = Duration::from_secs(60);
    let put = |key: &'static str, value: &'static str, ttl, expected| {
        rig.bus
            .put_expiring(bucket, key, text(value), ttl, expected)
    };
    let short = put("a", "short", Duration::from_millis(1), 0)
        .await
        .unwrap();
    let long = put("b", "long", minute, 0).await.unwrap();
    assert_eq!(
        put("b", "other", minute, 0).await,
        Err(PutError::WrongRevision)
    );
    let got = rig.other.get(bucket, "b").await.unwrap().unwrap();
    assert_eq!((got.value, got.revision), (Some(text("long")), long));
    soon("the end of the value", async {
        while let Some(found) = rig.bus.get(bucket, "a").await.unwrap() {
            assert_eq!((found.value, found.revision), (Some(text("short")), short));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    // The key is free, and a value that replaces another one has its own time.
    put("a", "again", minute, 0).await.unwrap();
    let mut watch = rig.other.watch(bucket, "").await.unwrap();
    let first = key(&mut watch).await.0;
    let second = key(&mut watch).await.0;
    assert_eq!(
        (first.value, second.value),
        (Some(text("long")), Some(text("again")))
    );
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
        "the marker still exists"
    );
    let mut watch = rig.other.watch(bucket, "0.").await.unwrap();
    let (seen, _) = key(&mut watch).await;
    assert_eq!((seen.value, seen.revision), (None, marker));
    // A write that names the marker's revision succeeds; then the key is deleted again.
    let again = rig
        .bus
        .put_if(bucket, "0.room", text("b"), marker)
        .await
        .unwrap();
    rig.bus
        .delete_if(bucket, "0.room", again, second)
        .await
        .unwrap();
    soon("the marker's expiry", async {
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

/// D10: a reader gets all that was stored before its own write, before it is caught up.
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
            match soon("the reader's own write", watch.next()).await {
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

/// D10, D25: one reader gets the keys of several prefixes, in the order of revisions, then their changes.
pub(crate) async fn several_prefixes_are_read_by_one_reader(rig: Rig) {
    let bucket = Bucket::Rooms(P0);
    for i in 0..120 {
        let name = format!("{}.room-{i}", [0, 2, 20, 4][i % 4]);
        rig.bus.put_if(bucket, &name, text(i), 0).await.unwrap();
    }
    let prefixes = ["2.", "0.", "20."];
    let mut watch = rig.other.watch_all(bucket, &prefixes).await.unwrap();
    let mut read = Vec::new();
    while read.len() < 90 {
        if let Read::Item(entry, pending) = soon("the stored keys", watch.next()).await {
            read.push(entry.key);
            assert_eq!(pending == 0, read.len() == 90, "{pending} behind");
        }
    }
    let number = |i: &usize| i % 4 != 3;
    let name = |i| format!("{}.room-{i}", [0, 2, 20, 4][i % 4]);
    let stored: Vec<_> = (0..120).filter(number).map(name).collect();
    assert_eq!(read, stored);
    for key in ["4.room-3", "20.more"] {
        let before = rig.bus.get(bucket, key).await.unwrap();
        let revision = before.map_or(0, |entry| entry.revision);
        let put = rig.bus.put_if(bucket, key, text("changed"), revision);
        put.await.unwrap();
    }
    let (seen, _) = key(&mut watch).await;
    assert_eq!(seen.key, "20.more");
    let none: [&str; 0] = [];
    assert!(rig.other.watch_all(bucket, &none).await.is_err());
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
