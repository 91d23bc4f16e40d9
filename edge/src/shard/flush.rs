//! The tasks that write to clients: flushes in slices, delayed lanes, timers.

use std::rc::Rc;
use std::time::Duration;

use crate::core::Core;
use crate::server::yielding::yield_cpu;
use crate::shard::handle::Shard;
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
    supervisor.keep_local("flush", drive_flush(Rc::clone(shard), slice, interval));
    supervisor.keep_local("releases", drive_releases(Rc::clone(shard)));
    supervisor.keep_local("timers", drive_timers(Rc::clone(shard), metrics));
}

/// Flushes whenever the core has frames, forever: in slices, and at most once per `interval` if it is not zero.
pub(crate) async fn drive_flush(shard: Rc<Shard>, slice: Duration, interval: Duration) {
    let mut next = tokio::time::Instant::now();
    loop {
        let started = tokio::time::Instant::now();
        while shard.run(|core, conns, _| core.flush(SLICE, conns)) {
            let limit = if shard.read(Core::has_players_to_flush) {
                slice * PLAYERS_SLICES
            } else {
                slice
            };
            if started.elapsed() >= limit {
                break;
            }
        }
        if shard.read(Core::needs_flush) {
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
async fn drive_timers(shard: Rc<Shard>, mut metrics: ShardMetrics) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut publish_at = tokio::time::Instant::now();
    loop {
        let tick = ticks.tick().await;
        if tick >= publish_at {
            shard.read(|core| metrics.publish(core));
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
