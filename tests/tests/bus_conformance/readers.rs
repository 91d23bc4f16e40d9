//! Recovery of readers of logs and buckets whose NATS consumers fail (D20).

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use grandstand_common::bus::{Bucket, Bus, KvReader, LogReader, Read};
use grandstand_common::id::Partition;
use grandstand_harness::nats::NatsServer;
use grandstand_harness::proxy::Proxy;

use crate::rig::{append, entry, key, options, soon, text};

const P0: Partition = Partition(0);
const ROOMS: Bucket = Bucket::Rooms(P0);

/// Readers of a log and of a bucket, and a second connection that writes to both.
struct Readers {
    proxy: Proxy,
    writing: Bus,
    reading: Bus,
    log: LogReader,
    watch: KvReader,
    /// The number of entries and keys that were written.
    written: u64,
    _server: NatsServer,
}

impl Readers {
    async fn start() -> Self {
        let server = NatsServer::start().await;
        let proxy = Proxy::start(server.address()).await;
        let writing = Bus::connect_nats(&server.url(), &options()).await.unwrap();
        let reading = Bus::connect_nats(&proxy.url(), &options()).await.unwrap();
        Self {
            log: reading.read_log(P0, 1).await.unwrap(),
            watch: reading.watch(ROOMS, "0.").await.unwrap(),
            written: 0,
            proxy,
            writing,
            reading,
            _server: server,
        }
    }

    async fn write(&mut self, count: u64) {
        for _ in 0..count {
            self.write_as("room").await;
        }
    }

    /// Writes one entry of the room `name` and one key with the prefix `name`.
    async fn write_as(&mut self, name: &str) {
        self.written += 1;
        let n = self.written;
        append(&self.writing, &format!("in.0.{name}"), n).await;
        let key = format!("0.{name}-{n}");
        let put = self.writing.put_if(ROOMS, &key, text(n), 0).await;
        assert_eq!(put.unwrap(), n);
    }

    /// Reads these entries and keys, each exactly once and in order.
    async fn read(&mut self, which: impl Iterator<Item = u64>) {
        for n in which {
            let (entry, _) = entry(&mut self.log).await;
            assert_eq!((entry.seq, entry.payload), (n, text(n)));
            let (key, _) = key(&mut self.watch).await;
            assert_eq!((key.revision, key.value), (n, Some(text(n))));
        }
    }

    fn restarts(&self) -> u64 {
        self.reading.stats().reader_restarts.load(Ordering::Relaxed)
    }

    async fn until_restarted(&self, times: u64) {
        soon("another consumer", async {
            while self.restarts() < times {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// The names of a stream's consumers.
    async fn consumers(&self, stream: &str) -> Vec<String> {
        let asked = format!("$JS.API.CONSUMER.NAMES.{stream}");
        let answer = self.ask(asked).await;
        let names = answer["consumers"].as_array().unwrap().iter();
        names
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }

    async fn ask(&self, subject: String) -> serde_json::Value {
        let wait = Duration::from_secs(5);
        let answer = self.writing.request(subject, Bytes::new(), wait).await;
        serde_json::from_slice(&answer.unwrap()).unwrap()
    }
}

/// A deleted consumer gives no sign: it is silent, and later entries do not come.
#[tokio::test]
async fn d20_a_deleted_consumer_is_created_again_from_the_last_entry() {
    let mut readers = Readers::start().await;
    readers.write(50).await;
    readers.read(1..=20).await;
    let mut deleted = Vec::new();
    for stream in ["IN_0", "KV_rooms_0"] {
        let names = readers.consumers(stream).await;
        assert_eq!(names.len(), 1, "{stream}: {names:?}");
        let subject = format!("$JS.API.CONSUMER.DELETE.{stream}.{}", names[0]);
        assert_eq!(readers.ask(subject).await["success"], true);
        deleted.extend(names);
    }
    readers.write(50).await;
    readers.read(21..=100).await;
    assert_eq!(readers.restarts(), 2, "each consumer is created again once");
    for stream in ["IN_0", "KV_rooms_0"] {
        let names = readers.consumers(stream).await;
        assert!(
            names.len() == 1 && !deleted.contains(&names[0]),
            "{names:?}"
        );
    }
    readers.write(1).await;
    readers.read(101..=101).await;
}

/// The connection stays open but silent. Later everything that was held up arrives, including messages of the old
/// consumer.
#[tokio::test]
async fn d20_a_silent_consumer_is_created_again_from_the_last_entry() {
    let mut readers = Readers::start().await;
    readers.write(20).await;
    readers.read(1..=20).await;
    readers.proxy.swallow();
    readers.write(20).await;
    readers.until_restarted(2).await;
    readers.proxy.heal();
    readers.read(21..=40).await;
    readers.write(20).await;
    readers.read(41..=60).await;
}

/// The sequence number of the next message reveals the gap.
#[tokio::test]
async fn d20_the_next_message_reveals_a_lost_one() {
    third_is_lost(20).await;
}

/// No message follows; the heartbeat names the last sequence number.
#[tokio::test]
async fn d20_a_heartbeat_reveals_the_loss_of_the_last_message() {
    third_is_lost(0).await;
}

/// Loses the third entry and then the third key in transit, writes `after` more, and reads all of them.
async fn third_is_lost(after: u64) {
    for subject in ["in.0.lost", "$KV.rooms_0.0.lost-3"] {
        let mut readers = Readers::start().await;
        readers.write(2).await;
        readers.read(1..=2).await;
        readers.proxy.lose(subject);
        readers.write_as("lost").await;
        readers.write(after).await;
        readers.read(3..=3 + after).await;
        assert!(readers.proxy.has_lost());
        assert!(readers.restarts() >= 1);
    }
}

/// The server waits for a slow reader. The reader loses nothing and its consumer is not created again.
#[tokio::test]
async fn d20_a_slow_reader_holds_the_server_back() {
    let server = NatsServer::start().await;
    let bus = Bus::connect_nats(&server.url(), &options()).await.unwrap();
    let reading = Bus::connect_nats(&server.url(), &options()).await.unwrap();
    let mut reader = reading.read_log(P0, 1).await.unwrap();
    // More than the server's limit for bytes in flight (32 MiB), so that it must pause.
    let payload = Bytes::from(vec![b'x'; 4096]);
    let mut last = None;
    for _ in 0..12_000 {
        last = Some(
            bus.append("in.0.room".to_owned(), payload.clone())
                .await
                .unwrap(),
        );
    }
    soon("the last ack", last.unwrap()).await.unwrap();
    for seq in 1..=12_000 {
        assert_eq!(entry(&mut reader).await.0.seq, seq);
        if seq % 3000 == 0 {
            // The reader stays slow for several heartbeats.
            tokio::time::sleep(Duration::from_millis(800)).await;
        }
    }
    let stats = reading.stats();
    assert_eq!(stats.reader_restarts.load(Ordering::Relaxed), 0);
    assert_eq!(stats.slow_consumers.load(Ordering::Relaxed), 0);
}

/// After a power loss the server has forgotten entries that a reader has read, and then has grown past that place.
#[tokio::test]
async fn d11_a_reader_of_a_lost_tail_is_lost() {
    let mut server = NatsServer::start().await;
    let bus = Bus::connect_nats(&server.url(), &options()).await.unwrap();
    let mut past = bus.read_log(P0, 1).await.unwrap();
    let mut before = bus.read_log(Partition(2), 1).await.unwrap();
    append(&bus, "in.2.room", 1).await;
    let lost = append(&bus, "in.0.room", 2).await;
    assert_eq!(entry(&mut past).await.0.seq, lost);
    assert_eq!(entry(&mut before).await.0.seq, 1);
    let delete = text(format!("{{\"seq\":{lost}}}"));
    let subject = "$JS.API.STREAM.MSG.DELETE.IN_0".to_owned();
    bus.request(subject, delete, Duration::from_secs(5))
        .await
        .unwrap();
    append(&bus, "in.2.room", 3).await;
    server.restart().await;
    soon("the loss", async {
        loop {
            match past.next().await {
                Read::Idle => {}
                Read::Lost => break,
                Read::Item(..) => panic!("the reader got an entry that the server has lost"),
            }
        }
    })
    .await;
    assert_eq!(entry(&mut before).await.0.payload, text(3));
}
