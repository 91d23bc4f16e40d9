//! The setup of each case: one bus with two connections.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use grandstand_common::bus::{
    Bus, BusOptions, KvEntry, KvReader, LogEntry, LogReader, OutItem, OutReader, Read,
};
use grandstand_harness::nats::{NatsServer, TempDir};

/// Two clients of one bus.
pub(crate) struct Rig {
    pub(crate) bus: Bus,
    pub(crate) other: Bus,
    /// Kept alive until the case ends.
    _server: Option<NatsServer>,
    _dir: Option<TempDir>,
}

/// Few streams and partitions, so that partitions share streams: 0 and 2 share one.
pub(crate) fn options() -> BusOptions {
    BusOptions {
        streams: 2,
        partitions: 4,
        name: "conformance".to_owned(),
        ..BusOptions::default()
    }
}

impl Rig {
    pub(crate) fn in_memory() -> Self {
        let bus = Bus::embedded(&options()).unwrap();
        Self::of_embedded(bus, None)
    }

    pub(crate) async fn in_folder() -> Self {
        let dir = TempDir::new("folder");
        let bus = Bus::open_embedded(Some(dir.path()), &options())
            .await
            .unwrap();
        Self::of_embedded(bus, Some(dir))
    }

    fn of_embedded(bus: Bus, dir: Option<TempDir>) -> Self {
        let Bus::Embedded(embedded) = &bus else {
            panic!("`open_embedded` returned a NATS bus");
        };
        Self {
            other: Bus::Embedded(embedded.client()),
            bus,
            _server: None,
            _dir: dir,
        }
    }

    pub(crate) async fn on_nats() -> Self {
        let server = NatsServer::start().await;
        Self {
            bus: Bus::connect_nats(&server.url(), &options()).await.unwrap(),
            other: Bus::connect_nats(&server.url(), &options()).await.unwrap(),
            _server: Some(server),
            _dir: None,
        }
    }
}

/// Waits for `future`; fails if it takes too long.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(60), future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come in time"),
    }
}

/// A payload of text.
pub(crate) fn text(text: impl ToString) -> Bytes {
    text.to_string().into()
}

/// Appends an entry and waits until it is stored.
pub(crate) async fn append(bus: &Bus, subject: &str, payload: impl ToString) -> u64 {
    let receipt = bus.append(subject.to_owned(), text(payload)).await.unwrap();
    soon("an ack", receipt).await.unwrap()
}

/// The next entry, skipping idle signs.
pub(crate) async fn entry(reader: &mut LogReader) -> (LogEntry, u64) {
    item("an entry", async || reader.next().await).await
}

/// The next key, skipping idle signs.
pub(crate) async fn key(reader: &mut KvReader) -> (KvEntry, u64) {
    item("a key", async || reader.next().await).await
}

/// The next item that a game emitted, skipping idle signs.
pub(crate) async fn emitted(reader: &mut OutReader) -> OutItem {
    item("an item", async || reader.next().await).await.0
}

async fn item<T>(what: &str, mut next: impl AsyncFnMut() -> Read<T>) -> (T, u64) {
    soon(what, async {
        loop {
            match next().await {
                Read::Item(item, pending) => return (item, pending),
                Read::Idle => {}
                Read::Lost => panic!("the reader lost its place"),
            }
        }
    })
    .await
}
