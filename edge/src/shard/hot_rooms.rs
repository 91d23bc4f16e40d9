//! Subscriptions to hot rooms.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;

use grandstand_common::bus::{Bus, Message, Subscription};
use grandstand_common::id::RoomId;
use grandstand_common::subject;
use tokio::task::AbortHandle;

use crate::shard::handle::Shard;

/// The most messages of a hot room that may wait for the shard. Further ones are dropped, and the core sees the gap in
/// their sequence numbers.
const CAPACITY: usize = 1024;

/// The hot rooms that a shard is subscribed to.
#[derive(Debug, Default)]
pub(super) struct HotRooms(RefCell<BTreeMap<RoomId, HotRoom>>);

#[derive(Debug)]
struct HotRoom {
    subscription: Rc<RefCell<Subscription>>,
    task: AbortHandle,
}

impl Drop for HotRoom {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl HotRooms {
    /// A message that has already arrived, from any hot room.
    fn take(&self) -> Option<Message> {
        let rooms = self.0.borrow();
        let mut all = rooms.values();
        all.find_map(|room| room.subscription.borrow_mut().try_next())
    }

    pub(super) fn remove(&self, room: &RoomId) {
        self.0.borrow_mut().remove(room);
    }

    /// Subscribes to a room and passes its messages to the core as they arrive.
    pub(super) async fn subscribe(&self, shard: &Rc<Shard>, bus: &Bus, room: RoomId) {
        let subscription = match bus.subscribe(&subject::hot(&room), CAPACITY).await {
            Ok(subscription) => Rc::new(RefCell::new(subscription)),
            // Until the core sees the first hot message, the owner also sends updates directly.
            Err(error) => {
                return tracing::warn!(%room, %error, "cannot subscribe to a hot room: it is served from direct batches");
            }
        };
        let driving = drive(Rc::clone(shard), Rc::clone(&subscription));
        let task = shard.supervisor.keep_local("hot-room", driving);
        let mut rooms = self.0.borrow_mut();
        rooms.insert(room, HotRoom { subscription, task });
    }

    /// Passes all messages that have arrived to the core. Call it before each direct batch, because the batch may have been
    /// sent after them.
    pub(super) fn drain(&self, shard: &Shard) {
        while let Some(message) = self.take() {
            shard.run(|core, conns, now| core.handle_hot(message.payload, now, conns));
        }
    }
}

async fn drive(shard: Rc<Shard>, subscription: Rc<RefCell<Subscription>>) {
    loop {
        let next = poll_fn(|cx| subscription.borrow_mut().poll_next(cx));
        let Some(message) = next.await else {
            return;
        };
        shard.run(|core, conns, now| core.handle_hot(message.payload, now, conns));
        tokio::task::yield_now().await;
    }
}
