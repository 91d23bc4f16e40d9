//! Requests that NATS denies.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use grandstand_common::bus::{Bus, BusError, NatsErrorKind};
use grandstand_common::id::Partition;
use grandstand_harness::nats::NatsServer;

use crate::rig::{append, entry, options, soon};

/// A configuration with one user for all, with these permissions.
fn everybody(permissions: &str) -> String {
    format!(
        "authorization {{ users: [ {{ user: all, password: all, permissions: {{ {permissions} }} }} ] }}\n\
         no_auth_user: all\n"
    )
}

/// Waits until NATS denies something, or nothing any more.
async fn denies(bus: &Bus, wanted: bool) {
    let errors = bus.errors().unwrap();
    soon("what NATS denies", async {
        while errors.current().is_some() != wanted {
            bus.check_refusals().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn d27_a_denied_read_is_repeated_only_once_nats_grants_it() {
    let mut server = NatsServer::start_configured(&everybody("publish: \">\"")).await;
    let bus = Bus::connect_nats(&server.url(), &options()).await.unwrap();
    append(&bus, "in.0.room", 1).await;
    let mut reader = bus.read_log(Partition(0), 1).await.unwrap();
    assert_eq!(entry(&mut reader).await.0.payload, "1");
    let denied = everybody("publish: { deny: \"$JS.API.CONSUMER.CREATE.>\" }");
    server.configure(&denied).unwrap();
    // The server forgets the consumer, so that the reader must create another one.
    server.restart().await;
    denies(&bus, true).await;
    let reads = join_all((0..30).map(|_| bus.read_log(Partition(0), 1))).await;
    for read in reads {
        let error = read.map(drop).unwrap_err();
        assert!(matches!(error, BusError::Denied { .. }), "{error}");
    }
    let counted = &bus.stats().errors[NatsErrorKind::PublishDenied as usize];
    let counted = counted.load(Ordering::Relaxed);
    assert!(counted <= 3, "NATS was asked {counted} times");
    server.reload(&everybody("publish: \">\"")).await;
    denies(&bus, false).await;
    append(&bus, "in.0.room", 2).await;
    assert_eq!(entry(&mut reader).await.0.payload, "2");
}
