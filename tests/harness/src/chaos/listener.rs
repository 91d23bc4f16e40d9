//! Observes, over its own connection to NATS, the batches that owners send to edges.
//!
//! Every batch names its worker and, for each room, the epoch. This reveals an epoch with two owners. It also reveals
//! the order in which each edge applied the owners' updates, because an edge drops rooms of an older epoch than it has
//! seen. The updates go into the ledger, which compares them with the clients' messages. Two owners that disagree are
//! therefore found even without a client in the room.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::StreamExt as _;
use grandstand_common::id::{Lane, Partition, RoomId};
use grandstand_common::wire::{Batch, ItemKind, RoomBatch};
use prost::Message as _;
use serde::Serialize;
use serde_json::Value;

use super::field::{Field, Shared};
use super::ledger::Observer;
use super::violation::Rule;

/// The observer's name in reports.
const BUS: &str = "bus";

/// Counts of the observed traffic.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Traffic {
    /// Batches.
    pub batches: u64,
    /// Rooms in batches.
    pub rooms: u64,
    /// Owners of partitions; each epoch counts once.
    pub owners: u64,
    /// Rooms in batches that came after a newer epoch. Edges drop them.
    pub late: u64,
}

/// The observer's state.
#[derive(Debug)]
pub(super) struct Listener {
    partitions: u16,
    /// The first worker that sent a batch with this partition and epoch.
    owners: BTreeMap<(Partition, u64), String>,
    /// The newest epoch by edge and room.
    newest: HashMap<(String, String), u64>,
    /// Counts of the observed traffic.
    pub(super) heard: Traffic,
}

impl Listener {
    /// An observer of a cluster with this number of partitions.
    pub(super) fn new(partitions: u16) -> Self {
        Self {
            partitions,
            owners: BTreeMap::new(),
            newest: HashMap::new(),
            heard: Traffic::default(),
        }
    }

    /// Handles a message on `edge.{edge}`.
    pub(super) fn handle(&mut self, edge: &str, payload: &[u8], field: &mut Field) {
        field.now();
        let Ok(batch) = Batch::decode(payload) else {
            let found = format!("{} bytes", payload.len());
            let ledger = &mut field.ledger;
            return ledger.blame(Rule::Protocol, "", BUS, "a batch", &found);
        };
        self.heard.batches += 1;
        for room in &batch.rooms {
            self.on_room(edge, &batch.worker, room, field);
        }
    }

    fn on_room(&mut self, edge: &str, worker: &str, room: &RoomBatch, field: &mut Field) {
        self.heard.rooms += 1;
        let Ok(id) = room.room.parse::<RoomId>() else {
            return;
        };
        let partition = id.partition(self.partitions);
        let owners = &mut self.owners;
        let owner = owners.entry((partition, room.epoch)).or_insert_with(|| {
            self.heard.owners += 1;
            worker.to_owned()
        });
        if owner != worker {
            let expected = format!("epoch {} of partition {partition} is {owner}'s", room.epoch);
            let ledger = &mut field.ledger;
            ledger.blame(
                Rule::Owners,
                &room.room,
                BUS,
                &expected,
                &format!("it is {worker}'s"),
            );
        }
        let key = (edge.to_owned(), room.room.clone());
        let newest = self.newest.entry(key).or_insert(room.epoch);
        if room.epoch < *newest {
            self.heard.late += 1;
        }
        *newest = room.epoch.max(*newest);
        // Another instance is an earlier or later room of the same name.
        let instance = room.instance.to_string();
        if field.ledger.instance(&room.room) != Some(&instance) {
            return;
        }
        for item in &room.items {
            if let Some(ItemKind::Update(update)) = &item.kind {
                let data = update.data.as_ref();
                let data = data.and_then(|d| serde_json::from_slice::<Value>(d.bytes()).ok());
                let Some(data) = data else { continue };
                for (lane, version) in Lane::ALL
                    .into_iter()
                    .zip([update.players, update.spectators])
                {
                    let observer = Observer {
                        room: &room.room,
                        lane,
                        name: BUS,
                        epoch: room.epoch,
                    };
                    if version > 0 {
                        field.ledger.updated(observer, version, &data);
                    }
                }
            }
        }
    }
}

/// Listens until the task is aborted. It reconnects by itself.
///
/// # Errors
/// If the server cannot be reached at the start.
pub(super) async fn listen(
    url: &str,
    listener: std::rc::Rc<std::cell::RefCell<Listener>>,
    field: Shared,
) -> Result<impl Future<Output = ()> + use<>, async_nats::Error> {
    let client = async_nats::ConnectOptions::new()
        .name("chaos")
        .reconnect_delay_callback(|_| Duration::from_millis(50))
        .max_reconnects(None)
        .connect(url)
        .await?;
    let mut messages = client.subscribe("edge.*").await?;
    client.flush().await?;
    Ok(async move {
        // The client must live as long as the task.
        let _client = client;
        while let Some(message) = messages.next().await {
            let edge = message.subject.strip_prefix("edge.").unwrap_or_default();
            let listener = &mut listener.borrow_mut();
            listener.handle(edge, &message.payload, &mut field.borrow_mut());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use grandstand_common::data::Data;
    use grandstand_common::wire::{Item, Update};
    use tokio::time::Instant;

    fn batch(worker: &str, epoch: u64, says: u64) -> Vec<u8> {
        let update = Update {
            players: 1,
            data: Some(Data::Json(
                format!(r#"{{"from":"ann","data":{{"seq":{says}}}}}"#).into(),
            )),
            ..Update::default()
        };
        let room = RoomBatch {
            room: "relay-0-0".to_owned(),
            epoch,
            instance: 7,
            items: vec![Item {
                kind: Some(ItemKind::Update(update)),
            }],
            ..RoomBatch::default()
        };
        Batch {
            worker: worker.to_owned(),
            number: 1,
            beat: false,
            rooms: vec![room],
        }
        .encode_to_vec()
    }

    #[tokio::test]
    async fn two_owners_are_reported() {
        let mut field = Field::new(1, None, Instant::now());
        field.ledger.joined("relay-0-0", "ann", "7");
        let mut listener = Listener::new(64);
        let mut rules = |worker, epoch, says| {
            listener.handle("e", &batch(worker, epoch, says), &mut field);
            let first = field.ledger.violations.first.iter();
            (
                first.map(|v| v.rule).collect::<Vec<_>>(),
                listener.heard.late,
            )
        };
        assert_eq!(rules("one", 5, 1), (vec![], 0));
        assert_eq!(rules("two", 6, 1), (vec![], 0), "a new owner");
        assert_eq!(rules("one", 5, 1), (vec![], 1), "late, and dropped");
        assert_eq!(rules("three", 6, 1).0, [Rule::Owners]);
        assert_eq!(rules("two", 6, 2).0, [Rule::Owners, Rule::Views]);
    }
}
