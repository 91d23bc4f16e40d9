//! The settings that a cluster on NATS keeps, whatever a later process is configured with.

use std::time::Duration;

use grandstand_common::bus::{Bucket, Bus, BusOptions, BusRole, ConnectError, NatsErrors, Storage};
use grandstand_common::cluster::ClusterSettings;
use grandstand_common::exit::ExitError as _;
use grandstand_common::id::RoomId;
use grandstand_common::layout::Layout;
use grandstand_common::record::ClusterRecord;
use grandstand_common::subject;
use grandstand_common::supervisor::Supervisor;
use grandstand_harness::nats::NatsServer;

use crate::rig::{append, entry, options, text};

#[tokio::test]
async fn another_configuration_is_an_error_that_names_the_difference() {
    let server = NatsServer::start().await;
    Bus::connect_nats(&server.url(), &options()).await.unwrap();
    Bus::connect_nats(&server.url(), &options()).await.unwrap();
    let connect = async |change: fn(&mut BusOptions)| {
        let mut other = options();
        change(&mut other);
        Bus::connect_nats(&server.url(), &other).await.unwrap_err()
    };
    let storage = connect(|options| options.storage = Storage::Memory).await;
    assert!(
        matches!(
            storage,
            ConnectError::Mismatch {
                field: "storage",
                ..
            }
        ),
        "{storage}"
    );
    let age = connect(|options| options.log_max_age = Duration::from_secs(60))
        .await
        .to_string();
    assert!(age.contains("IN_0") && age.contains("max_age"), "{age}");
    assert!(!age.contains('\n'));
}

#[tokio::test]
async fn a_cluster_keeps_its_partitions_whatever_is_configured() {
    let server = NatsServer::start().await;
    let first = Bus::connect_nats(&server.url(), &options()).await.unwrap();
    let stored = Layout::new(options().partitions, options().streams);
    assert_eq!(first.layout(), stored);
    let other = BusOptions {
        partitions: 6,
        streams: 2,
        ..options()
    };
    let second = Bus::connect_nats(&server.url(), &other).await.unwrap();
    assert_eq!(second.layout(), stored);
}

#[tokio::test]
async fn of_processes_that_create_a_cluster_at_once_all_take_the_same_partitions() {
    let server = NatsServer::start().await;
    let connect = async |partitions: u16| {
        let options = BusOptions {
            partitions,
            ..options()
        };
        let bus = Bus::connect_nats(&server.url(), &options).await.unwrap();
        bus.layout()
    };
    let (a, b, c) = tokio::join!(connect(4), connect(8), connect(16));
    assert!(a == b && b == c, "{a:?} {b:?} {c:?}");
}

/// The streams of a cluster whose record is gone must not get the partitions of a process.
#[tokio::test]
async fn streams_without_a_record_are_compared_with_what_is_configured() {
    let server = NatsServer::start().await;
    let bus = Bus::connect_nats(&server.url(), &options()).await.unwrap();
    let found = bus.get(Bucket::Cluster, "settings").await.unwrap().unwrap();
    let ttl = Duration::from_secs(60);
    bus.delete_if(Bucket::Cluster, "settings", found.revision, ttl)
        .await
        .unwrap();
    let other = BusOptions {
        partitions: 6,
        ..options()
    };
    let error = Bus::connect_nats(&server.url(), &other).await.unwrap_err();
    let error = error.to_string();
    for part in ["cluster.partitions is 6", "IN_0", "not 3"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!error.contains('\n'));
    let again = Bus::connect_nats(&server.url(), &options()).await.unwrap();
    assert_eq!(again.layout(), bus.layout());
    assert!(
        again
            .get(Bucket::Cluster, "settings")
            .await
            .unwrap()
            .unwrap()
            .value
            .is_some()
    );
}

#[tokio::test]
async fn inspecting_a_cluster_changes_nothing() {
    let server = NatsServer::start().await;
    let look = || async { Bus::inspect_nats(&server.url(), &options()).await };
    let error = look().await.unwrap_err();
    assert!(
        matches!(error, ConnectError::NothingThere { .. }),
        "{error}"
    );
    assert_eq!(error.exit().code(), 66);
    let settings = ClusterSettings {
        url: server.url(),
        partitions: 6,
        streams: 3,
        ..ClusterSettings::default()
    };
    // If the failed attempt had created anything, these numbers would not count.
    let bus = settings
        .connect(
            "first",
            BusRole::Worker,
            &NatsErrors::default(),
            &Supervisor::default(),
        )
        .await
        .unwrap();
    let room: RoomId = "relay-1".parse().unwrap();
    let partition = room.partition(6);
    append(&bus, &subject::log(partition, &room), 1).await;
    let looking = look().await.unwrap();
    assert_eq!(looking.layout().partitions, 6);
    let mut reader = looking.read_room(&room, 1).await.unwrap();
    assert_eq!(entry(&mut reader).await.0.payload, text(1));
    let record = ClusterRecord {
        bus_protocol: 99,
        layout: Layout::new(6, 3),
        next: None,
        previous: None,
    };
    let revision = bus.get(Bucket::Cluster, "settings").await.unwrap().unwrap();
    let value = serde_json::to_vec(&record).unwrap().into();
    bus.put_if(Bucket::Cluster, "settings", value, revision.revision)
        .await
        .unwrap();
    let error = look().await.unwrap_err();
    assert!(
        matches!(error, ConnectError::OtherVersion { .. }),
        "{error}"
    );
}
