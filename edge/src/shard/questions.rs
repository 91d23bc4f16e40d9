//! Questions of operators to a shard. The shard answers them in its own loop, a slice at a time, so that a long list never
//! stalls its clients.

use std::net::IpAddr;
use std::rc::Rc;

use grandstand_common::clock::unix_ms;
use grandstand_common::id::RoomId;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::core::{Bounds, Core, ListedClient, ListedRoom, Part};
use crate::shard::handle::Shard;

/// The questions that may wait for a shard. More operators wait before they ask.
pub(crate) const QUESTIONS: usize = 16;

/// The slots that are looked at, and the items that are listed, before other tasks run: some tens of microseconds.
const SLICE: Bounds = Bounds {
    slots: 512,
    limit: 64,
};

/// A question to a shard, and where its answer goes.
#[derive(Debug)]
pub(crate) enum Question {
    /// The clients in slots from this one on.
    Clients(Asked, oneshot::Sender<Part<ListedConnection>>),
    /// The rooms in slots from this one on.
    Rooms(Asked, oneshot::Sender<Part<ListedRoom>>),
    Room(RoomId, oneshot::Sender<Option<ListedRoom>>),
}

/// A client and its connection, as operators see them.
#[derive(Debug, Serialize)]
pub(crate) struct ListedConnection {
    #[serde(flatten)]
    client: ListedClient,
    /// The client's address, as far as trusted proxies name it.
    address: IpAddr,
    /// The time at which it connected, Unix milliseconds.
    connected_ms: u64,
    received_bytes: u64,
    sent_bytes: u64,
}

/// The part of a list that is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// The first slot.
    pub(crate) from: usize,
    /// The most items.
    pub(crate) limit: usize,
}

/// Answers questions until all askers are gone.
pub(crate) async fn drive_questions(shard: Rc<Shard>, mut questions: mpsc::Receiver<Question>) {
    while let Some(question) = questions.recv().await {
        // Whoever asked may have given up.
        match question {
            Question::Clients(asked, reply) => {
                let list = |core: &Core, from, bounds| core.lists().clients(from, bounds);
                let (clients, next) = collect(&shard, asked, list).await;
                let listed = connections(&shard, clients);
                reply.send((listed, next)).ok();
            }
            Question::Rooms(asked, reply) => {
                let list = |core: &Core, from, bounds| core.lists().rooms(from, bounds);
                reply.send(collect(&shard, asked, list).await).ok();
            }
            Question::Room(id, reply) => {
                reply.send(shard.read(|core| core.lists().room(&id))).ok();
            }
        }
    }
    // The process ends.
    std::future::pending::<()>().await;
}

/// Adds what the server knows of these clients. Clients whose connections have been removed meanwhile are left out.
fn connections(shard: &Shard, clients: Vec<ListedClient>) -> Vec<ListedConnection> {
    let now_ms = unix_ms();
    let with_facts = |client: ListedClient| {
        let facts = shard.facts(client.key)?;
        Some(ListedConnection {
            client,
            address: facts.address.to_canonical(),
            connected_ms: now_ms.saturating_sub(facts.age.as_millis() as u64),
            received_bytes: facts.received,
            sent_bytes: facts.sent,
        })
    };
    clients.into_iter().filter_map(with_facts).collect()
}

async fn collect<T>(
    shard: &Shard,
    asked: Asked,
    list: impl Fn(&Core, usize, Bounds) -> Part<T>,
) -> Part<T> {
    let mut items = Vec::new();
    let mut next = Some(asked.from);
    while let Some(from) = next.filter(|_| items.len() < asked.limit) {
        let bounds = Bounds {
            limit: SLICE.limit.min(asked.limit - items.len()),
            ..SLICE
        };
        let (more, after) = shard.read(|core| list(core, from, bounds));
        items.extend(more);
        next = after;
        tokio::task::yield_now().await;
    }
    (items, next)
}
