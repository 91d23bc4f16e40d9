//! Questions of operators to a shard. The shard answers them in its own loop, a slice at a time, so that a long list never
//! stalls its clients.

use std::rc::Rc;

use grandstand_common::id::RoomId;
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
    Clients(Asked, oneshot::Sender<Part<ListedClient>>),
    /// The rooms in slots from this one on.
    Rooms(Asked, oneshot::Sender<Part<ListedRoom>>),
    /// One room.
    Room(RoomId, oneshot::Sender<Option<ListedRoom>>),
}

/// The part of a list that is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// The first slot.
    pub(crate) from: usize,
    /// The most items.
    pub(crate) limit: usize,
}

/// Answers questions until nobody can ask any more.
pub(crate) async fn drive_questions(shard: Rc<Shard>, mut questions: mpsc::Receiver<Question>) {
    while let Some(question) = questions.recv().await {
        // Whoever asked may have given up.
        match question {
            Question::Clients(asked, reply) => {
                let list = |core: &Core, from, bounds| core.lists().clients(from, bounds);
                reply.send(collect(&shard, asked, list).await).ok();
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
