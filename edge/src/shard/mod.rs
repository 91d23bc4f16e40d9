//! A shard: the core with its sockets and its bus, on one thread.
//!
//! Everything that happens runs to its end in [`Shard::run`]; what comes of it is picked up by the tasks below: bus
//! commands in order, frames in slices.

pub mod handler;

mod hot_rooms;

pub mod metrics;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, Instant};

use grandstand_common::bus::{Bus, BusError, Link, Subscription};
use grandstand_common::clock::now;
use grandstand_common::id::{EdgeId, Partition};
use grandstand_common::subject;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_local;

use crate::core::{Command, Core};
use crate::process::leases::Leases;
use crate::server::connections::Conns;
use crate::server::yielding::yield_all;
use crate::shard::metrics::ShardMetrics;
use grandstand_common::clock::Now;
use hot_rooms::HotRooms;

/// Messages from the bus that wait for the shard; more are dropped, which the links' numbers show.
const BATCHES: usize = 8192;
/// Batches taken in before sockets have their turn.
const BATCHES_A_TURN: usize = 64;
/// Members written to between two looks at the clock: a write takes the kernel 3 to 20 µs, the more the colder it is.
const SLICE: usize = 4;
/// How many slices in a row players are flushed before others have their turn: thousands of small rooms have to keep up with
/// what comes in, where a crowd of spectators can wait.
const PLAYERS_SLICES: u32 = 5;
/// How long an owner may take to answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);
/// How often timers are looked at: the wheel's tick.
const TICK: Duration = Duration::from_millis(50);

/// A shard. See the [module](self).
#[derive(Debug)]
pub struct Shard {
    core: RefCell<Core>,
    conns: Conns,
    commands: Notify,
    frames: Notify,
    releases: Notify,
    /// Subscriptions to hot rooms.
    hot: HotRooms,
    /// When held lanes are looked at next.
    release_at: Cell<Option<Instant>>,
}

impl Shard {
    /// A shard around a core, whose clients are among `conns`.
    pub fn new(core: Core, conns: Conns) -> Rc<Self> {
        Rc::new(Self {
            core: RefCell::new(core),
            conns,
            commands: Notify::new(),
            frames: Notify::new(),
            releases: Notify::new(),
            hot: HotRooms::default(),
            release_at: Cell::new(None),
        })
    }

    /// Has the core do something, and what comes of it done.
    pub fn run<T>(&self, does: impl FnOnce(&mut Core, &mut Conns, Now) -> T) -> T {
        let mut core = self.core.borrow_mut();
        let result = does(&mut core, &mut self.conns.clone(), now());
        if core.has_commands() {
            self.commands.notify_one();
        }
        if core.needs_flush() {
            self.frames.notify_one();
        }
        let next = core.next_release();
        if next.is_some() && self.release_at.get().is_none_or(|at| next < Some(at)) {
            self.releases.notify_one();
        }
        result
    }

    /// Looks at the core.
    pub fn look<T>(&self, at: impl FnOnce(&Core) -> T) -> T {
        at(&self.core.borrow())
    }
}

/// What a shard's tasks need.
#[derive(Debug, Clone)]
pub struct ShardBus {
    /// The shard's own connection to the bus.
    pub bus: Bus,
    /// The shard.
    pub edge: EdgeId,
    /// Who owns which partition.
    pub leases: watch::Receiver<Leases>,
    /// How long a flush may take before others have their turn.
    pub flush_slice: Duration,
    /// The least time from one flush to the next: what comes meanwhile goes out in one write a member.
    pub flush_interval: Duration,
}

/// Subscribes the shard, and starts its tasks on the running `LocalSet`.
///
/// # Errors
/// If the bus cannot be subscribed to.
pub async fn start(shard: &Rc<Shard>, to: ShardBus, metrics: ShardMetrics) -> Result<(), BusError> {
    let batches = to.bus.subscribe(&subject::edge(&to.edge), BATCHES).await?;
    spawn_local(drive_batches(Rc::clone(shard), batches));
    spawn_local(drive_commands(Rc::clone(shard), to.bus.clone()));
    spawn_local(drive_flush(
        Rc::clone(shard),
        to.flush_slice,
        to.flush_interval,
    ));
    spawn_local(drive_releases(Rc::clone(shard)));
    spawn_local(drive_timers(Rc::clone(shard), metrics));
    spawn_local(drive_link(Rc::clone(shard), to.bus.link()));
    spawn_local(drive_leases(Rc::clone(shard), to.leases));
    Ok(())
}

async fn drive_batches(shard: Rc<Shard>, mut batches: Subscription) {
    while let Some(first) = batches.next().await {
        hot_rooms::drain(&shard);
        shard.run(|core, conns, now| core.handle_batch(first.payload, now, conns));
        for _ in 1..BATCHES_A_TURN {
            let Some(next) = batches.try_next() else {
                break;
            };
            hot_rooms::drain(&shard);
            shard.run(|core, conns, now| core.handle_batch(next.payload, now, conns));
        }
        tokio::task::yield_now().await;
    }
    tracing::error!("the subscription to this edge's batches has ended: clients get no updates");
}

async fn drive_commands(shard: Rc<Shard>, bus: Bus) {
    loop {
        while let Some(command) = shard.run(|core, _, _| core.poll_command()) {
            execute(&shard, &bus, command).await;
        }
        shard.commands.notified().await;
    }
}

async fn execute(shard: &Rc<Shard>, bus: &Bus, command: Command) {
    match command {
        Command::Append {
            subject,
            payload,
            receipt,
        } => {
            let sent = bus.append(subject, payload).await;
            let stored = async {
                match sent {
                    Ok(stored) => stored.await.map_err(|e| e.to_string()),
                    Err(error) => Err(error.to_string()),
                }
            };
            then(shard, stored, move |core, stored, now| {
                core.handle_appended(receipt, stored.ok(), now);
            });
        }
        Command::Interest {
            subject,
            payload,
            question,
        } => {
            let bus = bus.clone();
            let answer = async move { bus.request(subject, payload, REQUEST_TIMEOUT).await };
            then(shard, answer, move |core, answer, now| {
                core.handle_interest_reply(question, answer.ok(), now);
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
        Command::Subscribe { room } => hot_rooms::subscribe(shard, bus, room).await,
        Command::Unsubscribe { room } => shard.hot.remove(&room),
        Command::Publish { subject, payload } => {
            if let Err(error) = bus.publish(subject, payload).await {
                tracing::debug!(%error, "a live message was not sent");
            }
        }
    }
}

/// Waits in a task of its own, and has the core take what comes.
fn then<T: 'static>(
    shard: &Rc<Shard>,
    what: impl Future<Output = T> + 'static,
    take: impl FnOnce(&mut Core, T, Now) + 'static,
) {
    let shard = Rc::clone(shard);
    spawn_local(async move {
        let result = what.await;
        shard.run(|core, _, now| take(core, result, now));
    });
}

pub(crate) async fn drive_flush(shard: Rc<Shard>, slice: Duration, interval: Duration) {
    let mut next = tokio::time::Instant::now();
    loop {
        let begun = tokio::time::Instant::now();
        while shard.run(|core, conns, _| core.flush(SLICE, conns)) {
            let most = match shard.look(Core::has_players_to_flush) {
                true => slice * PLAYERS_SLICES,
                false => slice,
            };
            if begun.elapsed() >= most {
                break;
            }
        }
        if shard.look(Core::needs_flush) {
            yield_all().await;
        } else {
            shard.frames.notified().await;
            // Only what comes soon after a flush waits.
            if !interval.is_zero() {
                if tokio::time::Instant::now() < next {
                    tokio::time::sleep_until(next).await;
                }
                next = tokio::time::Instant::now() + interval;
            }
        }
    }
}

/// Shows held lanes on time: the wheel would be too coarse.
async fn drive_releases(shard: Rc<Shard>) {
    loop {
        let next = shard.look(Core::next_release);
        shard.release_at.set(next);
        let Some(at) = next else {
            shard.releases.notified().await;
            continue;
        };
        tokio::select! {
            () = shard.releases.notified() => {}
            () = tokio::time::sleep_until(at.into()) => {
                shard.run(|core, conns, now| core.handle_releases(now, conns));
            }
        }
    }
}

async fn drive_timers(shard: Rc<Shard>, mut metrics: ShardMetrics) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut publish_at = tokio::time::Instant::now();
    loop {
        let tick = ticks.tick().await;
        if tick >= publish_at {
            shard.look(|core| metrics.publish(core));
            publish_at = tick + Duration::from_secs(1);
        }
        shard.run(|core, conns, now| {
            if core.poll_timeout().is_some_and(|at| at <= now.at) {
                core.handle_timeout(now, conns);
            }
        });
    }
}

async fn drive_link(shard: Rc<Shard>, mut link: watch::Receiver<Link>) {
    let mut last = *link.borrow_and_update();
    while link.changed().await.is_ok() {
        let now_is = *link.borrow_and_update();
        shard.run(|core, _, now| {
            // A reconnect that was too quick to be seen as down has lost as much.
            if matches!((last, now_is), (Link::Up(a), Link::Up(b)) if a != b) {
                core.handle_bus(false, now);
            }
            core.handle_bus(matches!(now_is, Link::Up(_)), now);
        });
        last = now_is;
    }
}

async fn drive_leases(shard: Rc<Shard>, mut leases: watch::Receiver<Leases>) {
    let mut known = Leases::default();
    loop {
        let current = leases.borrow_and_update().clone();
        shard.run(|core, _, now| {
            for (partition, lease) in current.iter() {
                if known.get(partition) != Some(lease) {
                    core.handle_lease(Partition(*partition), lease, now);
                }
            }
        });
        known = current;
        if leases.changed().await.is_err() {
            return;
        }
    }
}
