//! The flush task's interval, with a core behind real connections.

use std::rc::Rc;
use std::time::Duration;

use grandstand_common::log_clock::LogClock;
use grandstand_common::supervisor::Supervisor;
use prometheus_client::registry::Registry;
use tokio::task::LocalSet;

use crate::core::tests::steady::watched;
use crate::core::tests::update;
use crate::server::connections::Connections;
use crate::shard::flush::drive_flush;
use crate::shard::handle::Shard;
use crate::shard::metrics::EdgeMetrics;

/// The number of writes for 12 successive updates to a player and three spectators.
fn writes_of_twelve(interval: Duration) -> u64 {
    let mut bench = watched(3);
    let batches: Vec<_> = (9..=20)
        .map(|version| bench.batch(7, vec![update(version, version)]))
        .collect();
    let before = bench.core.counts().writes;
    let shard = Shard::new(
        bench.core,
        LogClock::new(),
        Connections::new(Duration::from_secs(25)).unwrap(),
        Supervisor::default(),
        Rc::default(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let slice = Duration::from_secs(1);
        let meters = EdgeMetrics::register(&mut Registry::default())
            .shard(0)
            .meters();
        tokio::task::spawn_local(drive_flush(Rc::clone(&shard), slice, interval, meters));
        tokio::task::yield_now().await;
        for batch in batches {
            shard.run(|core, conns, now| core.handle_batch(batch, now, conns));
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        }
    });
    shard.read(|core| core.counts().writes) - before
}

#[test]
fn updates_within_a_flush_interval_are_written_together() {
    assert_eq!(writes_of_twelve(Duration::ZERO), 12 * 4);
    // The first update is written at once.
    assert_eq!(writes_of_twelve(Duration::from_secs(3600)), 4);
}
