//! Follows the layout of a cluster, which `grandstand cluster repartition` changes (D33).

use std::time::Duration;

use grandstand_types::layout::Layout;
use tokio::sync::watch;

use crate::bus::{Bucket, Bus, KvEntry, Read};
use crate::record::{CLUSTER_KEY, ClusterRecord};
use crate::supervisor::Supervisor;

/// The pause before a failed watch is started again.
const RETRY: Duration = Duration::from_millis(250);

/// The layout that the processes of a cluster use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// The layout.
    pub layout: Layout,
    /// Whether the rooms are being moved to another layout: partitions have no owners until that has ended.
    pub moving: bool,
}

/// Follows the cluster's record, for as long as the process lives. An embedded bus has one layout.
pub fn follow(bus: &Bus, supervisor: &Supervisor) -> watch::Receiver<Followed> {
    let (sender, receiver) = watch::channel(Followed {
        layout: bus.layout(),
        moving: false,
    });
    supervisor.keep("layout", drive(bus.clone(), sender));
    receiver
}

async fn drive(bus: Bus, sender: watch::Sender<Followed>) {
    if matches!(bus, Bus::Embedded(_)) {
        return std::future::pending().await;
    }
    loop {
        match bus.watch(Bucket::Cluster, "").await {
            Ok(mut reader) => loop {
                match reader.next().await {
                    Read::Item(entry, _) => take(&sender, &entry),
                    Read::Idle => {}
                    Read::Lost => break,
                }
            },
            Err(error) => tracing::debug!(%error, "cannot watch the cluster's record"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Takes a new state of the record. A deleted or unreadable record changes nothing.
fn take(sender: &watch::Sender<Followed>, entry: &KvEntry) {
    let Some(value) = entry.value.as_ref().filter(|_| entry.key == CLUSTER_KEY) else {
        return;
    };
    let record: ClusterRecord = match serde_json::from_slice(value) {
        Ok(record) => record,
        Err(error) => return tracing::error!(%error, "cannot read the cluster's record"),
    };
    let new = Followed {
        layout: record.layout,
        moving: record.next.is_some(),
    };
    sender.send_if_modified(|known| {
        let changed = new.layout.is_valid() && *known != new;
        if changed {
            let partitions = new.layout.partitions;
            let moving = new.moving;
            tracing::info!(partitions, moving, "the layout of the cluster has changed");
            *known = new;
        }
        changed
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, value: &str) -> KvEntry {
        KvEntry {
            key: key.to_owned(),
            value: Some(value.to_owned().into()),
            revision: 1,
            time_ms: 0,
        }
    }

    #[test]
    fn d33_a_record_is_followed_unless_it_is_unusable() {
        let layout = Layout::new(64, 4);
        let known = Followed {
            layout,
            moving: false,
        };
        let (sender, receiver) = watch::channel(known);
        for unusable in [
            entry("settings", "{"),
            entry(
                "settings",
                r#"{"bus_protocol":1,"partitions":0,"streams":4}"#,
            ),
            entry("other", r#"{"bus_protocol":1,"partitions":8,"streams":4}"#),
        ] {
            take(&sender, &unusable);
            assert_eq!(*receiver.borrow(), known);
        }
        let moving = r#"{"bus_protocol":1,"partitions":64,"streams":4,
            "next":{"partitions":8,"streams":4,"first_partition":64,"first_stream":4}}"#;
        take(&sender, &entry("settings", moving));
        assert!(receiver.borrow().moving);
        let moved = r#"{"bus_protocol":1,"partitions":8,"streams":4,"first_partition":64,"first_stream":4}"#;
        take(&sender, &entry("settings", moved));
        let followed = Followed {
            layout: layout.successor(8, 4),
            moving: false,
        };
        assert_eq!(*receiver.borrow(), followed);
    }
}
