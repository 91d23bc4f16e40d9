//! The tasks that write to clients: flushes in slices, delayed lanes, timers.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use grandstand_common::clock::unix_us;
use grandstand_common::histogram::micros;

use crate::core::Core;
use crate::server::yielding::yield_cpu;
use crate::shard::handle::Shard;
use crate::shard::meters::Meters;
use crate::shard::metrics::ShardMetrics;

/// Members written to between two readings of the clock. A write takes the kernel 3 to 20 µs, depending on how cold its
/// caches are. Each call of the core costs as much as another write of its own.
const SLICE: usize = 8;
/// The most slices of a flush while players' frames are pending: thousands of small rooms must keep up with their
/// input, whereas a crowd of spectators can wait.
const PLAYERS_SLICES: u32 = 5;
/// The time between two checks of the core's timers, half the timer wheel's tick.
const TICK: Duration = Duration::from_millis(50);

/// Starts the tasks on the running `LocalSet`.
pub(super) fn start(shard: &Rc<Shard>, slice: Duration, interval: Duration, metrics: ShardMetrics) {
    let supervisor = &shard.supervisor;
    let meters = metrics.meters();
    let flushing = drive_flush(Rc::clone(shard), slice, interval, Rc::clone(&meters));
    supervisor.keep_local("flush", flushing);
    supervisor.keep_local("releases", drive_releases(Rc::clone(shard)));
    supervisor.keep_local("timers", drive_timers(Rc::clone(shard), metrics, meters));
}

/// Flushes whenever the core has frames, forever: in slices, and at most once per `interval` if it is not zero.
pub(crate) async fn drive_flush(
    shard: Rc<Shard>,
    slice: Duration,
    interval: Duration,
    meters: Rc<RefCell<Meters>>,
) {
    let mut next = tokio::time::Instant::now();
    loop {
        let started = tokio::time::Instant::now();
        if shard.read(Core::needs_flush) {
            let written = shard.written();
            meters.borrow_mut().flush.begin(started.into_std(), written);
        }
        while shard.run(|core, conns, _| {
            let has_more = core.flush(SLICE, conns);
            let latency = &mut meters.borrow_mut().latency;
            latency.observe(core.tallies(), unix_us);
            has_more
        }) {
            let limit = if shard.read(Core::has_players_to_flush) {
                slice * PLAYERS_SLICES
            } else {
                slice
            };
            if started.elapsed() >= limit {
                break;
            }
        }
        let has_more = shard.read(Core::needs_flush);
        let now = tokio::time::Instant::now().into_std();
        let written = shard.written();
        meters.borrow_mut().flush.end(now, written, !has_more);
        if has_more {
            yield_cpu().await;
        } else {
            shard.frames.notified().await;
            // Only frames that arrive within `interval` after a flush wait.
            if !interval.is_zero() {
                if tokio::time::Instant::now() < next {
                    tokio::time::sleep_until(next).await;
                }
                next = tokio::time::Instant::now() + interval;
            }
        }
    }
}

/// Releases delayed lanes on time. The timer wheel would be too coarse.
async fn drive_releases(shard: Rc<Shard>) {
    loop {
        let next = shard.read(Core::next_release);
        shard.release_at.set(next);
        let Some(at) = next else {
            shard.releases.notified().await;
            continue;
        };
        tokio::select! {
            () = shard.releases.notified() => {}
            () = tokio::time::sleep_until(at.into()) => {
                shard.run(|core, conns, now| core.handle_releases(now, conns));
                // Thousands of lanes may be due at once.
                yield_cpu().await;
            }
        }
    }
}

/// Runs the core's timers, passes liveness questions on, and publishes the core's counts once a second.
async fn drive_timers(shard: Rc<Shard>, mut metrics: ShardMetrics, meters: Rc<RefCell<Meters>>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut publish_at = tokio::time::Instant::now();
    loop {
        let tick = ticks.tick().await;
        let late = tokio::time::Instant::now().saturating_duration_since(tick);
        meters.borrow().lag.observe(micros(late));
        if tick >= publish_at {
            shard.run(|core, _, _| metrics.publish(core, &meters.borrow()));
            publish_at = tick + Duration::from_secs(1);
        }
        // Tokens of thousands of clients may expire at once.
        while shard.run(|core, conns, now| {
            let is_due = core.poll_timeout().is_some_and(|at| at <= now.at);
            if is_due {
                core.handle_timeout(now, conns);
            }
            is_due
        }) {
            yield_cpu().await;
        }
        shard.pass_question_on();
    }
}
