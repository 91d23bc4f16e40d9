//! Subscriptions to hot rooms.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;

use grandstand_common::bus::{Bus, Message, Subscription};
use grandstand_common::id::RoomId;
use grandstand_common::subject;
use tokio::task::{AbortHandle, spawn_local};

use crate::shard::handle::Shard;

/// Messages of a hot room that wait for the shard; more are dropped, which their numbers show.
const WAITING: usize = 1024;

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
    /// A message that is there already.
    fn take(&self) -> Option<Message> {
        let rooms = self.0.borrow();
        let mut all = rooms.values();
        all.find_map(|room| room.subscription.borrow_mut().try_next())
    }

    pub(super) fn remove(&self, room: &RoomId) {
        self.0.borrow_mut().remove(room);
    }

    /// Subscribes to a room, and hands its messages to the core as they come.
    pub(super) async fn subscribe(&self, shard: &Rc<Shard>, bus: &Bus, room: RoomId) {
        let subscription = match bus.subscribe(&subject::hot(&room), WAITING).await {
            Ok(subscription) => Rc::new(RefCell::new(subscription)),
            // What comes there comes directly too, as long as nothing has come there.
            Err(error) => return tracing::warn!(%room, %error, "cannot subscribe to a hot room"),
        };
        let task = spawn_local(drive(Rc::clone(shard), Rc::clone(&subscription))).abort_handle();
        let mut rooms = self.0.borrow_mut();
        rooms.insert(room, HotRoom { subscription, task });
    }

    /// Takes what is there, so that it is seen before what was sent behind it directly.
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
