//! The tasks between a shard's core and the bus: batches, commands, the bus' connection and the leases.

use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use grandstand_common::bus::{Bus, BusError, ConnectionState, Subscription};
use grandstand_common::clock::Now;
use grandstand_common::follow::Followed;
use grandstand_common::id::{EdgeId, Partition};
use grandstand_common::record::Lease;
use grandstand_common::subject;
use tokio::sync::watch;

use crate::core::{Command, Core};
use crate::shard::handle::Shard;
use crate::shard::hot_rooms::HotRooms;
use crate::shard::log_refusals::LogRefusals;

/// The most messages from the bus that may wait for the shard. Further ones are dropped, and the core sees the gap in the
/// link's numbers.
const BATCHES: usize = 8192;
/// The most batches processed before the task yields to the sockets.
const BATCHES_PER_TURN: usize = 64;
/// The most commands executed before the task yields to the sockets.
const COMMANDS_PER_TURN: u32 = 64;
/// The most time that an owner or worker has to reply to a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// The lease of each partition. Shards compare it with the previous one to find the changes.
pub type Leases = Arc<BTreeMap<u16, Lease>>;

/// A shard's side of the bus.
#[derive(Debug, Clone)]
pub struct ShardBus {
    /// The shard's own connection to the bus.
    pub bus: Bus,
    /// The shard's id.
    pub edge: EdgeId,
    /// The current owner of each partition.
    pub leases: watch::Receiver<Leases>,
    /// The layout of the cluster.
    pub layouts: watch::Receiver<Followed>,
    /// The refusals of the log, which all shards share.
    pub refusals: LogRefusals,
}

/// The bus tasks of a shard, subscribed and not yet started.
pub(super) struct BusTasks {
    bus: Bus,
    leases: watch::Receiver<Leases>,
    layouts: watch::Receiver<Followed>,
    batches: Subscription,
    hot_rooms: Rc<HotRooms>,
    refusals: LogRefusals,
}

impl BusTasks {
    /// Subscribes to the shard's batches.
    ///
    /// # Errors
    /// If the bus refuses the subscription.
    pub(super) async fn subscribe(shard: ShardBus) -> Result<Self, BusError> {
        let ShardBus {
            bus,
            edge,
            leases,
            layouts,
            refusals,
        } = shard;
        let batches = bus.subscribe(&subject::edge(&edge), BATCHES).await?;
        Ok(Self {
            bus,
            leases,
            layouts,
            batches,
            hot_rooms: Rc::default(),
            refusals,
        })
    }

    /// Starts the tasks on the running `LocalSet`: batches and commands, then whatever `between` starts, then the
    /// connection's state and the leases. The runtime first polls tasks in the order in which they were started.
    pub(super) fn start(self, shard: &Rc<Shard>, between: impl FnOnce()) {
        let connection = self.bus.connection_state();
        let limits = self.bus.clone();
        update_message_limit(shard, &limits);
        let supervisor = &shard.supervisor;
        let batches = drive_batches(Rc::clone(shard), Rc::clone(&self.hot_rooms), self.batches);
        supervisor.keep_local("batches", batches);
        let hot_rooms = self.hot_rooms;
        let refusals = self.refusals;
        let commands = drive_commands(Rc::clone(shard), hot_rooms, self.bus, refusals);
        supervisor.keep_local("commands", commands);
        between();
        let following = drive_connection(Rc::clone(shard), limits, connection);
        supervisor.keep_local("connection", following);
        supervisor.keep_local(
            "leases",
            drive_owners(Rc::clone(shard), self.leases, self.layouts),
        );
    }
}

async fn drive_batches(shard: Rc<Shard>, hot_rooms: Rc<HotRooms>, mut batches: Subscription) {
    while let Some(first) = batches.next().await {
        hot_rooms.drain(&shard);
        shard.run(|core, conns, now| core.handle_batch(first.payload, now, conns));
        for _ in 1..BATCHES_PER_TURN {
            let Some(next) = batches.try_next() else {
                break;
            };
            hot_rooms.drain(&shard);
            shard.run(|core, conns, now| core.handle_batch(next.payload, now, conns));
        }
        tokio::task::yield_now().await;
    }
}

async fn drive_commands(
    shard: Rc<Shard>,
    hot_rooms: Rc<HotRooms>,
    bus: Bus,
    refusals: LogRefusals,
) {
    loop {
        let mut executed = 0_u32;
        while let Some(command) = shard.run(|core, _, _| core.poll_command()) {
            execute(&shard, &hot_rooms, &bus, &refusals, command).await;
            executed += 1;
            if executed.is_multiple_of(COMMANDS_PER_TURN) {
                tokio::task::yield_now().await;
            }
        }
        shard.commands.notified().await;
    }
}

async fn execute(
    shard: &Rc<Shard>,
    hot_rooms: &HotRooms,
    bus: &Bus,
    refusals: &LogRefusals,
    command: Command,
) {
    match command {
        Command::Append {
            subject,
            partition,
            payload,
            tag,
        } => {
            let refusals = refusals.clone();
            let sent = bus.append(subject, payload).await;
            let stored = async move {
                let stored = sent.map_err(|error| error.failure())?.await;
                let result = stored.as_ref().map(|_| ());
                refusals.note(partition, result, tokio::time::Instant::now().into_std());
                stored.map_err(|error| error.failure())
            };
            then(shard, stored, move |core, stored, now| {
                core.handle_appended(tag, stored, now);
            });
        }
        Command::Interest {
            subject,
            payload,
            tag,
        } => {
            let bus = bus.clone();
            let answer = async move { bus.request(subject, payload, REQUEST_TIMEOUT).await };
            then(shard, answer, move |core, answer, now| {
                core.handle_interest_reply(tag, answer.ok(), now);
            });
        }
        Command::Link {
            subject,
            payload,
            worker,
            to,
        } => {
            let bus = bus.clone();
            let answer = async move { bus.request(subject, payload, REQUEST_TIMEOUT).await };
            then(shard, answer, move |core, answer, now| {
                core.handle_link_reply(&worker, to, answer.ok(), now);
            });
        }
        Command::Subscribe { room } => hot_rooms.subscribe(shard, bus, room).await,
        Command::Unsubscribe { room } => hot_rooms.remove(&room),
        Command::Publish { subject, payload } => {
            if let Err(error) = bus.publish(subject, payload).await {
                tracing::debug!(%error, "cannot publish a live message");
            }
        }
    }
}

/// Awaits `future` in a task of its own, then passes its output to the core.
fn then<T: 'static>(
    shard: &Rc<Shard>,
    future: impl Future<Output = T> + 'static,
    take: impl FnOnce(&mut Core, T, Now) + 'static,
) {
    let shard_then = Rc::clone(shard);
    shard.supervisor.run_local("answer", async move {
        let result = future.await;
        shard_then.run(|core, _, now| take(core, result, now));
    });
}

/// Lowers the limit that `welcome` tells clients to what the log accepts, or raises it again.
fn update_message_limit(shard: &Rc<Shard>, bus: &Bus) {
    let max = bus.max_entry();
    if let Some(bytes) = shard.run(|core, _, _| core.handle_max_entry(max)) {
        tracing::warn!(
            max,
            bytes,
            "the limit of a client's message follows that of NATS: make max_payload of NATS, and max_msg_size of its \
             streams IN_*, larger than limits.message_bytes by 2048"
        );
    }
}

async fn drive_connection(
    shard: Rc<Shard>,
    bus: Bus,
    mut connection: watch::Receiver<ConnectionState>,
) {
    let mut last = *connection.borrow_and_update();
    while connection.changed().await.is_ok() {
        let current = *connection.borrow_and_update();
        shard.run(|core, _, now| {
            // A reconnect too fast to be seen as `Down` loses messages as well.
            if matches!((last, current), (ConnectionState::Up(a), ConnectionState::Up(b)) if a != b)
            {
                core.handle_bus(false, now);
            }
            core.handle_bus(matches!(current, ConnectionState::Up(_)), now);
        });
        if matches!(current, ConnectionState::Up(_)) {
            update_message_limit(&shard, &bus);
        }
        last = current;
    }
}

/// Passes on the layout of the cluster, and the leases that have changed.
async fn drive_owners(
    shard: Rc<Shard>,
    mut leases: watch::Receiver<Leases>,
    mut layouts: watch::Receiver<Followed>,
) {
    let mut known = Leases::default();
    loop {
        let Followed { layout, moving } = *layouts.borrow_and_update();
        let current = leases.borrow_and_update().clone();
        shard.run(|core, _, now| {
            if core.handle_layout(layout, moving, now) {
                known = Leases::default();
            }
            for (partition, lease) in current.iter() {
                if known.get(partition) != Some(lease) {
                    core.handle_lease(Partition(*partition), lease, now);
                }
            }
        });
        known = current;
        tokio::select! {
            changed = leases.changed() => if changed.is_err() {
                return;
            },
            changed = layouts.changed() => if changed.is_err() {
                return;
            },
        }
    }
}
