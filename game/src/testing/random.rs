//! Random play, and the search for the shortest script that fails.

use std::fmt;
use std::marker::PhantomData;
use std::panic;
use std::sync::Once;

use grandstand_types::data::Data;
use grandstand_types::id::{Lane, PlayerId};
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng as Rng;
use serde_json::{Value, json};

use super::checks::{Check, Failure};
use super::replicas::Reducer;
use super::room::TestRoom;
use crate::event::Leave;
use crate::game::Game;

/// The environment variable with the seed of all random play.
const SEED_VARIABLE: &str = "GRANDSTAND_TEST_SEED";
/// The most scripts that the search for the shortest one plays.
const MAX_SHRINKS: usize = 2_000;
/// The most time that passes at once, milliseconds.
const MAX_PASS_MS: u64 = 60_000;

/// Plays `steps` random steps of a game with `{}` as parameters and four players, and checks each of them. `choose`
/// returns the input of a player from what the player sees.
///
/// Players also join, leave, lose their connection and come back, time passes, and the server crashes. A room that ends
/// is followed by another. The seed is random, or that of the environment variable `GRANDSTAND_TEST_SEED`.
///
/// # Panics
/// If a check fails. The message contains the seed and the shortest script that fails.
#[track_caller]
pub fn play_random<G: Game>(
    steps: usize,
    choose: impl FnMut(&Value, &PlayerId, &mut Rng) -> Value,
) {
    RandomPlay::<G>::new().steps(steps).run(choose);
}

/// Random play of a game, with other settings than [`play_random`].
#[derive(Debug, Clone)]
pub struct RandomPlay<G> {
    params: Value,
    players: usize,
    steps: usize,
    seed: Option<u64>,
    reducer: Option<Reducer>,
    game: PhantomData<fn(G)>,
}

impl<G: Game> Default for RandomPlay<G> {
    fn default() -> Self {
        Self::new()
    }
}

impl<G: Game> RandomPlay<G> {
    /// 400 steps with `{}` as parameters and four players.
    pub fn new() -> Self {
        Self {
            params: json!({}),
            players: 4,
            steps: 400,
            seed: None,
            reducer: None,
            game: PhantomData,
        }
    }

    /// Sets the parameters of the rooms.
    #[must_use]
    pub fn params(mut self, params: Value) -> Self {
        self.params = params;
        self
    }

    /// Sets the number of players.
    #[must_use]
    pub fn players(mut self, players: usize) -> Self {
        self.players = players;
        self
    }

    /// Sets the number of steps.
    #[must_use]
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Sets the seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets how an update is applied to a view, for games that make their own updates.
    #[must_use]
    pub fn reducer(mut self, reduce: Reducer) -> Self {
        self.reducer = Some(reduce);
        self
    }

    /// Plays, and checks each step. `choose` returns the input of a player from the player's view; its member `private`
    /// is the player's private view, if there is one.
    ///
    /// # Panics
    /// If a check fails. The message contains the seed and the shortest script that fails.
    #[track_caller]
    pub fn run(self, mut choose: impl FnMut(&Value, &PlayerId, &mut Rng) -> Value) {
        let first = self.seed.unwrap_or_else(any_seed);
        let mut left = self.steps;
        let mut seed = first;
        while left > 0 {
            let mut script = Vec::new();
            if let Err(failure) = self.play(seed, left, &mut script, &mut choose) {
                let steps = script.len();
                let (script, failure) = quietly(|| self.shorten(seed, script, failure));
                panic!(
                    "{failure}\nThe seed is {seed} ({SEED_VARIABLE}={seed} repeats it). {} of {steps} steps fail as well:\n{}",
                    script.len(),
                    Script(&script)
                );
            }
            left -= script.len().max(1).min(left);
            seed = seed.wrapping_add(1);
        }
    }

    fn room(&self, seed: u64) -> Result<TestRoom<G>, Failure> {
        let mut room = match TestRoom::<G>::try_seeded(&self.params, seed)? {
            Ok(room) => room,
            Err(reject) => {
                let message = format!("rejected with {}: {}", reject.code, reject.message);
                return Err(Check::Effects.fails("create", message));
            }
        };
        if let Some(reduce) = self.reducer {
            room.reducer(reduce);
        }
        Ok(room)
    }

    /// Plays one room, and writes down the steps.
    fn play(
        &self,
        seed: u64,
        steps: usize,
        script: &mut Vec<Action>,
        choose: &mut impl FnMut(&Value, &PlayerId, &mut Rng) -> Value,
    ) -> Result<(), Failure> {
        let mut rng = Rng::seed_from_u64(seed);
        let mut room = self.room(seed)?;
        let names: Vec<String> = (1..=self.players).map(|n| format!("player{n}")).collect();
        while script.len() < steps && !room.is_finished() {
            let action = next_action(&room, &names, script.len(), &mut rng, choose)?;
            script.push(action);
            if let Some(action) = script.last() {
                action.apply(&mut room)?;
            }
        }
        Ok(())
    }

    /// Removes steps from a script as long as the same check fails.
    fn shorten(
        &self,
        seed: u64,
        mut script: Vec<Action>,
        mut failure: Failure,
    ) -> (Vec<Action>, Failure) {
        let mut shrinks = 0;
        let mut size = script.len() / 2;
        while size > 0 {
            let mut at = 0;
            let before = script.len();
            while at < script.len() && shrinks < MAX_SHRINKS {
                shrinks += 1;
                let mut shorter = script.clone();
                shorter.drain(at..script.len().min(at + size));
                match self.replay(seed, &shorter) {
                    Some(other) if other.check == failure.check => {
                        (script, failure) = (shorter, other);
                    }
                    _ => at += size,
                }
            }
            let is_stable = script.len() == before;
            size = if size == 1 && !is_stable { 1 } else { size / 2 };
        }
        (script, failure)
    }

    /// Plays a script. Returns the failure.
    fn replay(&self, seed: u64, script: &[Action]) -> Option<Failure> {
        let mut room = match self.room(seed) {
            Ok(room) => room,
            Err(failure) => return Some(failure),
        };
        script
            .iter()
            .find_map(|action| action.apply(&mut room).err())
    }
}

/// A step of a script.
#[derive(Debug, Clone)]
enum Action {
    Join(String),
    Leave(String),
    Kick(String),
    Lose(String),
    Input(String, Value),
    Pass(u64),
    Crash,
}

impl Action {
    /// Applies the step to a room, if it is possible there.
    fn apply<G: Game>(&self, room: &mut TestRoom<G>) -> Result<(), Failure> {
        let is_here = |player: &str| room.players().find(|(id, _)| id.as_str() == player);
        match self {
            Self::Join(player) => drop(room.try_join(player, &Value::Null)?),
            Self::Leave(player) if is_here(player).is_some() => {
                drop(room.try_end(player, Leave::Left)?);
            }
            Self::Kick(player) if is_here(player).is_some() => {
                drop(room.try_end(player, Leave::Kicked)?);
            }
            Self::Lose(player) if is_here(player).is_some_and(|(_, is_here)| is_here) => {
                drop(room.try_lose(player)?);
            }
            Self::Input(player, input) if is_here(player).is_some_and(|(_, is_here)| is_here) => {
                let data = Data::json(input);
                let data =
                    data.map_err(|error| Check::Effects.fails("input", error.to_string()))?;
                drop(room.try_input(player, &data)?);
            }
            Self::Leave(_) | Self::Kick(_) | Self::Lose(_) | Self::Input(..) => {}
            Self::Pass(ms) => drop(room.try_pass(*ms)?),
            Self::Crash => room.try_crash()?,
        }
        Ok(())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join(player) => write!(f, "room.join({player:?});"),
            Self::Leave(player) => write!(f, "room.leave({player:?});"),
            Self::Kick(player) => write!(f, "room.kick({player:?});"),
            Self::Lose(player) => write!(f, "room.lose({player:?});"),
            Self::Input(player, input) => write!(f, "room.input({player:?}, json!({input}));"),
            Self::Pass(ms) => write!(f, "room.pass(Duration::from_millis({ms}));"),
            Self::Crash => f.write_str("room.crash();"),
        }
    }
}

/// A script as a test would write it.
struct Script<'a>(&'a [Action]);

impl fmt::Display for Script<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|action| writeln!(f, "    {action}"))
    }
}

/// Draws the next step: first all players join, then most steps are inputs.
fn next_action<G: Game>(
    room: &TestRoom<G>,
    names: &[String],
    step: usize,
    rng: &mut Rng,
    choose: &mut impl FnMut(&Value, &PlayerId, &mut Rng) -> Value,
) -> Result<Action, Failure> {
    if let Some(name) = names.get(step) {
        return Ok(Action::Join(name.clone()));
    }
    let players: Vec<_> = room
        .players()
        .map(|(id, is_here)| (id.clone(), is_here))
        .collect();
    let here: Vec<_> = players
        .iter()
        .filter(|(_, is_here)| *is_here)
        .map(|(id, _)| id)
        .collect();
    let any = names.choose(rng).cloned().unwrap_or_default();
    Ok(match rng.random_range(0..100) {
        0..6 => Action::Join(any),
        6 => Action::Leave(any),
        7 => Action::Kick(any),
        8..12 => Action::Lose(any),
        12..14 => Action::Crash,
        14..20 => Action::Pass(rng.random_range(1..=MAX_PASS_MS)),
        20..26 => {
            let next = room.next_timer().map_or(1_000, |time| time.as_millis());
            Action::Pass(u64::try_from(next).unwrap_or(MAX_PASS_MS).min(MAX_PASS_MS))
        }
        _ => match here.choose(rng) {
            Some(player) => {
                let mut view = room.view(Lane::Players).clone();
                if let (Some(private), Value::Object(members)) =
                    (room.try_private(player)?, &mut view)
                {
                    members.insert("private".to_owned(), private);
                }
                Action::Input(player.to_string(), choose(&view, player, rng))
            }
            None => Action::Join(any),
        },
    })
}

fn any_seed() -> u64 {
    let given = std::env::var(SEED_VARIABLE).ok();
    match given.map(|text| text.parse()) {
        Some(Ok(seed)) => seed,
        Some(Err(_)) => panic!("{SEED_VARIABLE} must be a number"),
        None => rand::random(),
    }
}

thread_local! {
    /// Whether panics of this thread are not printed.
    static QUIET: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs `run` without printing the panics of this thread.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                print(info);
            }
        }));
    });
    QUIET.set(true);
    let result = run();
    QUIET.set(false);
    result
}
