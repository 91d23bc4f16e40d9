//! Room loops whose games do not return (D28).

use grandstand_common::id::Lane;
use grandstand_game::{Effects, Game, NoParams, PlayerId, Reject, Setup, Verdict, View};

use super::*;

/// A game whose input `"sleep"` does not return for a while.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Sleepy {
    inputs: u64,
}

impl Game for Sleepy {
    const NAME: &'static str = "sleepy";
    type Params = NoParams;
    type Input = serde_json::Value;
    type Update = u64;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self { inputs: 0 })
    }

    /// Blocks or crashes the thread, as a game with a fault does.
    #[allow(clippy::disallowed_methods)]
    fn input(&mut self, _: &PlayerId, input: serde_json::Value, _: &mut Effects<u64>) -> Verdict {
        if input == "sleep" {
            std::thread::sleep(Duration::from_secs(6));
        }
        if input == "overflow" {
            self.inputs += depth(u64::MAX);
        }
        if input == "abort" {
            std::process::abort();
        }
        self.inputs += 1;
        Ok(())
    }

    fn view(&self, _: Lane) -> View {
        View::of(&self.inputs)
    }
}

/// Calls itself until the stack overflows.
fn depth(left: u64) -> u64 {
    match std::hint::black_box(left) {
        0 => 0,
        left => 1 + depth(left - 1),
    }
}

/// The rooms are on the same loop.
#[tokio::test]
async fn d28_a_room_at_which_a_loop_is_stuck_twice_is_put_away_and_the_others_go_on() {
    put_away("sleep", 0).await;
}

#[tokio::test]
async fn d28_a_room_whose_game_overflows_the_stack_is_put_away_and_the_others_go_on() {
    put_away("overflow", 2).await;
}

#[tokio::test]
async fn d28_a_room_whose_game_aborts_is_put_away_and_the_others_go_on() {
    put_away("abort", 2).await;
}

/// Plays in two rooms of a loop until the one that sends `input` is in quarantine, and in the other one after that.
/// `left`: the loops that never return.
async fn put_away(input: &str, left: i64) {
    let bus = bus();
    let mut sleeper = Edge::new(&bus, "sleepy-1").await;
    let mut other = Edge::new(&bus, "sleepy-2").await;
    let settings = WorkerSettings::new("worker", &bus);
    let metrics = settings.metrics.clone();
    let (signal, watch) = drain::channel();
    let component = Status::new().component("worker");
    let games = Games::new().with::<Sleepy>();
    let worker = run(bus.clone(), games, settings, watch, component);
    tokio::pin!(worker);
    let record = subject::room_key(sleeper.partition(), &sleeper.room);
    let body = async {
        sleeper.watch().await;
        other.watch().await;
        sleeper.join().await;
        other.join().await;
        sleeper.say(1, format!("\"{input}\"")).await;
        // The game is called before the other room's input is read.
        other.say(1, "1").await;
        while metrics.loops_stuck.get() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let bucket = grandstand_common::bus::Bucket::Quarantine;
        while bus.get(bucket, &record).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        other.watch().await;
        other.until(snapshot("1")).await;
        assert_eq!(metrics.loops_stuck.get(), 2);
        other.say(2, "2").await;
        other.until(processed(2)).await;
        while metrics.stuck_loops.get() != left {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        ended = &mut worker => panic!("the worker ended: {ended:?}"),
        () = body => {}
    }
    signal.start(Instant::now() + WAIT);
    timeout(WAIT, worker).await.unwrap().unwrap();
}

/// The signal comes while the only room loop is in a call of a game.
#[tokio::test]
async fn d28_a_worker_leaves_although_a_loop_is_stuck() {
    let bus = bus();
    let mut sleeper = Edge::new(&bus, "sleepy-1").await;
    let settings = WorkerSettings::new("worker", &bus);
    let (signal, watch) = drain::channel();
    let component = Status::new().component("worker");
    let games = Games::new().with::<Sleepy>();
    let worker = run(bus.clone(), games, settings, watch, component);
    tokio::pin!(worker);
    let body = async {
        sleeper.watch().await;
        sleeper.join().await;
        sleeper.until(processed(0)).await;
        sleeper.say(1, r#""sleep""#).await;
    };
    tokio::select! {
        ended = &mut worker => panic!("the worker ended: {ended:?}"),
        result = timeout(WAIT, body) => result.unwrap(),
    }
    signal.start(Instant::now() + WAIT);
    timeout(WAIT, worker).await.unwrap().unwrap();
    for lease in leases(&bus).await {
        assert_eq!(lease.worker, None);
    }
}
