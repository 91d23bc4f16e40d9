//! Faults, limits and time. The conformance suite tests the behaviour that both buses share.

mod crash;

mod damage;

mod loss;

mod older;

mod rig;

mod time;

use std::time::Duration;

use bytes::Bytes;
use grandstand_types::id::Partition;
use tokio::time::Instant;

use crate::bus::embedded::Faults;
use crate::bus::{
    AppendError, Bucket, Bus, BusOptions, ConnectionState, LogReader, PublishError, PutError, Read,
    Receipt, RequestError, Unanswered,
};

const P0: Partition = Partition(0);

fn simulated(faults: Faults) -> Bus {
    let options = BusOptions {
        streams: 1,
        partitions: 2,
        ..BusOptions::default()
    };
    Bus::simulated(&options, faults).unwrap()
}

fn another(bus: &Bus) -> Bus {
    match bus {
        Bus::Embedded(embedded) => Bus::Embedded(embedded.client()),
        Bus::Nats(_) => panic!("it is embedded"),
    }
}

async fn append(bus: &Bus, payload: &'static str) -> Receipt {
    let payload = Bytes::from_static(payload.as_bytes());
    bus.append("in.0.room".to_owned(), payload).await.unwrap()
}

fn stored(reader: &mut LogReader) -> Vec<Bytes> {
    let mut all = Vec::new();
    while let Some(Read::Item(entry, _)) = reader.try_next() {
        all.push(entry.payload);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn a_lost_append_fails_at_the_deadline_and_is_not_stored() {
    let bus = simulated(Faults {
        lost_write: 1.0,
        ..Faults::none(1)
    });
    let began = Instant::now();
    let lost = append(&bus, "a").await.await;
    assert_eq!(lost, Err(AppendError::Unknown(Unanswered::Deadline)));
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(bus.log_state(P0).await.unwrap().last, 0);
    let put = bus.put_if(Bucket::Leases, "0", Bytes::new(), 0).await;
    assert_eq!(put, Err(PutError::Unknown(Unanswered::Deadline)));
    assert_eq!(bus.get(Bucket::Leases, "0").await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn a_lost_ack_fails_the_append_and_keeps_the_entry() {
    let bus = simulated(Faults {
        lost_ack: 1.0,
        ..Faults::none(1)
    });
    assert!(append(&bus, "a").await.await.is_err());
    assert!(
        bus.put_if(Bucket::Leases, "0", Bytes::new(), 0)
            .await
            .is_err()
    );
    assert_eq!(bus.log_state(P0).await.unwrap().last, 1);
    assert!(bus.get(Bucket::Leases, "0").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_repeated_append_is_stored_twice() {
    let bus = simulated(Faults {
        repeated_append: 1.0,
        ..Faults::none(1)
    });
    assert_eq!(append(&bus, "a").await.await, Ok(2));
    let mut reader = bus.read_log(P0, 1).await.unwrap();
    assert_eq!(stored(&mut reader), ["a", "a"]);
}

#[tokio::test(start_paused = true)]
async fn delayed_messages_keep_their_order_per_subject_only() {
    let bus = simulated(Faults {
        max_delay: Duration::from_millis(50),
        ..Faults::none(7)
    });
    let mut all = bus.subscribe("edge.*", 1000).await.unwrap();
    for i in 0..100 {
        let subject = format!("edge.{}", i % 4);
        bus.publish(subject, i.to_string().into()).await.unwrap();
    }
    let mut order = Vec::new();
    for _ in 0..100 {
        let message = all.next().await.unwrap();
        let number = std::str::from_utf8(&message.payload)
            .unwrap()
            .parse::<usize>()
            .unwrap();
        order.push(number);
    }
    assert!(!order.is_sorted(), "subjects overtake each other");
    for subject in 0..4 {
        assert!(order.iter().filter(|i| **i % 4 == subject).is_sorted());
    }
}

#[tokio::test(start_paused = true)]
async fn a_disconnected_client_fails_and_later_reconnects() {
    let bus = simulated(Faults::none(1));
    let other = another(&bus);
    let mut subscription = bus.subscribe("edge.a", 8).await.unwrap();
    let mut reader = bus.read_log(P0, 1).await.unwrap();
    assert_eq!(reader.next().await, Read::Idle);
    let Bus::Embedded(embedded) = &bus else {
        panic!("it is embedded");
    };
    embedded.disconnect(Duration::from_secs(2));
    assert_eq!(*bus.connection_state().borrow(), ConnectionState::Down);
    let refused = bus.append("in.0.room".to_owned(), Bytes::new()).await;
    assert_eq!(refused.unwrap_err(), PublishError::Disconnected);
    let second = Duration::from_secs(1);
    let asked = other
        .request("edge.a".to_owned(), Bytes::new(), second)
        .await;
    assert_eq!(asked, Err(RequestError::NoResponders));
    append(&other, "meanwhile").await.await.unwrap();
    assert_eq!(reader.try_next(), None);
    let mut connection_state = bus.connection_state();
    connection_state
        .wait_for(|state| *state == ConnectionState::Up(2))
        .await
        .unwrap();
    assert!(matches!(reader.next().await, Read::Item(entry, 0) if entry.payload == "meanwhile"));
    other
        .publish("edge.a".to_owned(), Bytes::from_static(b"x"))
        .await
        .unwrap();
    assert_eq!(subscription.next().await.unwrap().payload, "x");
}

#[tokio::test(start_paused = true)]
async fn a_request_fails_with_the_connection() {
    let bus = simulated(Faults::none(1));
    let mut silent = bus.subscribe("ctl.0", 8).await.unwrap();
    let Bus::Embedded(embedded) = bus.clone() else {
        panic!("it is embedded");
    };
    let began = Instant::now();
    let hour = Duration::from_secs(3600);
    let (answer, ()) = tokio::join!(bus.request("ctl.0".to_owned(), Bytes::new(), hour), async {
        silent.next().await.unwrap();
        embedded.disconnect(Duration::from_secs(1));
    });
    assert_eq!(answer, Err(RequestError::Disconnected));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_reader_beyond_a_lost_tail_is_lost() {
    let mut lost_some = false;
    for seed in 0..20 {
        let bus = simulated(Faults {
            lost_tail: 3,
            ..Faults::none(seed)
        });
        let other = another(&bus);
        let mut reader = other.read_log(P0, 1).await.unwrap();
        for _ in 0..5 {
            append(&bus, "a").await.await.unwrap();
        }
        assert_eq!(stored(&mut reader).len(), 5);
        let Bus::Embedded(embedded) = &bus else {
            panic!("it is embedded");
        };
        embedded.disconnect(Duration::from_millis(1));
        let last = other.log_state(P0).await.unwrap().last;
        assert!((2..=5).contains(&last));
        if last < 5 {
            lost_some = true;
            assert_eq!(reader.next().await, Read::Lost);
        }
    }
    assert!(lost_some);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_faults() {
    async fn run(seed: u64) -> (Vec<Bytes>, u64) {
        let bus = simulated(Faults {
            lost_write: 0.2,
            repeated_append: 0.2,
            lost_message: 0.2,
            disconnect: 0.02,
            ..Faults::none(seed)
        });
        for i in 0..200 {
            let append = bus.append("in.0.room".to_owned(), i.to_string().into());
            drop(append.await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut reader = another(&bus).read_log(P0, 1).await.unwrap();
        let reconnects = &bus.stats().reconnects;
        (
            stored(&mut reader),
            reconnects.load(std::sync::atomic::Ordering::Relaxed),
        )
    }
    assert_eq!(run(3).await, run(3).await);
    assert_ne!(run(3).await, run(4).await);
}

#[tokio::test(start_paused = true)]
async fn entries_and_expiry_use_the_simulated_time() {
    let bus = simulated(Faults::none(1));
    append(&bus, "a").await.await.unwrap();
    tokio::time::sleep(Duration::from_secs(90)).await;
    append(&bus, "b").await.await.unwrap();
    let mut reader = bus.read_log(P0, 1).await.unwrap();
    let mut times = Vec::new();
    while let Some(Read::Item(entry, _)) = reader.try_next() {
        times.push(entry.time_ms);
    }
    let start = Faults::none(1).start_ms;
    assert_eq!(times, [start, start + 90_000]);
    let put = bus
        .put_if(Bucket::Workers, "e", Bytes::new(), 0)
        .await
        .unwrap();
    let minute = Duration::from_secs(60);
    bus.delete_if(Bucket::Workers, "e", put, minute)
        .await
        .unwrap();
    tokio::time::sleep(minute - Duration::from_millis(1)).await;
    assert!(bus.get(Bucket::Workers, "e").await.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(bus.get(Bucket::Workers, "e").await, Ok(None));
    // Entries expire after an hour, and a slow reader learns it.
    let mut behind = bus.read_log(P0, 1).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let state = bus.log_state(P0).await.unwrap();
    assert_eq!((state.first, state.last), (3, 2));
    assert_eq!(behind.next().await, Read::Lost);
}

#[tokio::test]
async fn a_log_in_memory_drops_its_oldest_entries_at_its_limit() {
    let options = BusOptions {
        streams: 1,
        partitions: 1,
        log_memory: 64 * 1024,
        ..BusOptions::default()
    };
    let bus = Bus::embedded(&options).unwrap();
    let payload = Bytes::from(vec![0; 1024]);
    for _ in 0..1000 {
        let append = bus.append("in.0.room".to_owned(), payload.clone());
        append.await.unwrap().await.unwrap();
    }
    let state = bus.log_state(P0).await.unwrap();
    assert_eq!(state.last, 1000);
    assert!((930..1000).contains(&state.first), "{state:?}");
}

/// A temporary folder, removed when dropped.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let dir = format!("grandstand-bus-{name}-{}", std::process::id());
        // In memory if that is possible, because these tests wait for the disk often.
        let memory = std::path::PathBuf::from("/dev/shm");
        let parent = if memory.is_dir() {
            memory
        } else {
            std::env::temp_dir()
        };
        Self(parent.join(dir))
    }

    /// Changes the store behind the bus' back.
    fn with_store(&self, keyspace: &str, does: impl FnOnce(&fjall::Keyspace)) {
        let store = self.0.join("store");
        let db = fjall::Database::builder(store).open().unwrap();
        let keyspace = db
            .keyspace(keyspace, fjall::KeyspaceCreateOptions::default)
            .unwrap();
        does(&keyspace);
        db.persist(fjall::PersistMode::SyncAll).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_damaged_folder_is_rejected_naming_the_record_and_stays_unchanged() {
    type Record = (&'static str, &'static [u8], &'static [u8], &'static str);
    let records: [Record; 5] = [
        (
            "log",
            b"\0\0short",
            b"",
            "the record under 000073686f7274 has a key whose length is not 10 bytes",
        ),
        (
            "log",
            b"\0\0\0\0\0\0\0\0\0\x09",
            b"too short",
            "is not an entry of the log",
        ),
        (
            "log",
            b"\xff\xff\0\0\0\0\0\0\0\x09",
            b"",
            "belongs to a partition that does not exist",
        ),
        ("index", b"bucket\x000.x", b"short", "is not three numbers"),
        ("index", b"bucket\x000.y", &[0; 24], "has no value"),
    ];
    let options = BusOptions::default();
    let folder = Folder::new("damaged");
    let bucket = Bucket::Rooms(Partition(0));
    let bus = Bus::open_embedded(Some(&folder.0), &options).await.unwrap();
    let kept = bus
        .append("in.0.room".to_owned(), "kept".into())
        .await
        .unwrap();
    kept.await.unwrap();
    bus.put_if(bucket, "0.room", "kept".into(), 0)
        .await
        .unwrap();
    drop(bus);
    let name = crate::bus::options::bucket_name(&options.layout(), bucket);
    for (keyspace, key, value, why) in records {
        let key = match key.strip_prefix(b"bucket") {
            Some(rest) => [name.as_bytes(), rest].concat(),
            None => key.to_vec(),
        };
        folder.with_store(keyspace, |at| at.insert(&key, value).unwrap());
        let refused = Bus::open_embedded(Some(&folder.0), &options)
            .await
            .unwrap_err();
        let said = refused.to_string();
        assert!(said.contains(why) && said.contains(keyspace), "{said}");
        assert!(said.contains(&folder.0.display().to_string()), "{said}");
        assert!(said.contains("restore the folder from a backup"), "{said}");
        folder.with_store(keyspace, |at| at.remove(&key).unwrap());
    }
    let bus = Bus::open_embedded(Some(&folder.0), &options).await.unwrap();
    assert_eq!(bus.log_state(Partition(0)).await.unwrap().last, 1);
    let got = bus.get(bucket, "0.room").await.unwrap().unwrap();
    assert_eq!(got.value, Some("kept".into()));
}
