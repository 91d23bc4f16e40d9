//! A single room without a bus: a game, its timers and its clients' views.

use std::collections::BTreeMap;

use grandstand_game::{
    Data, Effect, Effects, Event, EventKind, Game, Lane, PlayerId, Reject, Setup,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// A game that is played without a bus.
#[derive(Clone)]
pub(crate) struct Solo<G> {
    /// The game.
    pub(crate) game: G,
    /// The room's clock.
    pub(crate) now_ms: u64,
    /// The due time of each armed timer.
    pub(crate) timers: BTreeMap<String, u64>,
    /// The view per lane of a client that joined before the first event and applied all updates since.
    pub(crate) views: [Value; 2],
    /// Whether the game ended the room.
    pub(crate) finished: bool,
    /// Applies an update to a client's view.
    reduce: fn(&mut Value, &Value),
    rng: ChaCha8Rng,
}

/// The effects of an event.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The updates of all lanes, in order.
    pub(crate) updates: Vec<Value>,
    /// The reject.
    pub(crate) reject: Option<Reject>,
}

impl Outcome {
    /// The updates' kinds.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        let kinds = self.updates.iter().map(|update| update["kind"].as_str());
        kinds.map(Option::unwrap_or_default).collect()
    }

    /// The reject's code.
    pub(crate) fn code(&self) -> Option<&str> {
        self.reject.as_ref().map(|reject| reject.code.as_str())
    }
}

impl<G: Game> Solo<G> {
    /// Creates a room before its first event.
    ///
    /// # Errors
    /// If the game rejects the parameters.
    pub(crate) fn new(
        params: &Value,
        seed: u64,
        reduce: fn(&mut Value, &Value),
    ) -> Result<Self, Reject> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let now_ms = 1_767_225_600_000;
        let game = G::create(&mut Setup {
            params,
            rng: &mut rng,
            now_ms,
        })?;
        Ok(Self {
            views: Lane::ALL.map(|lane| value(&game.view(lane))),
            game,
            now_ms,
            timers: BTreeMap::new(),
            finished: false,
            reduce,
            rng,
        })
    }

    /// Handles an event and checks that the updates turn the last view into the next one.
    pub(crate) fn event(&mut self, kind: EventKind<'_>) -> Outcome {
        let now_ms = self.now_ms;
        let mut effects = Effects::new(now_ms, ChaCha8Rng::seed_from_u64(self.rng.random()));
        self.game.apply(&Event { now_ms, kind }, &mut effects);
        let (list, reject) = effects.into_parts();
        let mut outcome = Outcome {
            reject,
            ..Outcome::default()
        };
        for effect in list {
            match effect {
                Effect::Update { lane, data, .. } => {
                    let update = value(&data);
                    for to in Lane::ALL {
                        if lane.is_none_or(|lane| lane == to) {
                            (self.reduce)(&mut self.views[to.index()], &update);
                        }
                    }
                    outcome.updates.push(update);
                }
                Effect::SetTimer { name, due_ms } => {
                    self.timers.insert(name, due_ms);
                }
                Effect::ClearTimer { name } => {
                    self.timers.remove(&name);
                }
                Effect::Finish => self.finished = true,
                Effect::Direct { .. } => {}
            }
        }
        // Stores and loads the game, as a restart from a snapshot does.
        let stored = serde_json::to_vec(&self.game).expect("a game's state is JSON");
        self.game = serde_json::from_slice(&stored).expect("a game reads its own state");
        for lane in Lane::ALL {
            assert_eq!(
                self.views[lane.index()],
                value(&self.game.view(lane)),
                "{lane:?} after {:?}",
                outcome.updates
            );
        }
        outcome
    }

    /// A player joins.
    pub(crate) fn join(&mut self, player: &str) -> Outcome {
        self.event(EventKind::Joined {
            player: &name(player),
            options: &Value::Null,
        })
    }

    /// A player's connection drops.
    pub(crate) fn lost(&mut self, player: &str) -> Outcome {
        let player = &name(player);
        self.event(EventKind::Lost { player })
    }

    /// A player whose connection dropped returns.
    pub(crate) fn returned(&mut self, player: &str) -> Outcome {
        let player = &name(player);
        self.event(EventKind::Returned { player })
    }

    /// A player leaves for good.
    pub(crate) fn left(&mut self, player: &str) -> Outcome {
        let player = &name(player);
        self.event(EventKind::Left { player })
    }

    /// A player sends JSON.
    pub(crate) fn input(&mut self, player: &str, data: &Value) -> Outcome {
        self.event(EventKind::Input {
            player: &name(player),
            data: &Data::json(data).expect("JSON"),
        })
    }

    /// The due time of the next timer.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.timers.values().copied().min()
    }

    /// Advances the clock to the next timer and fires it.
    pub(crate) fn fire(&mut self) -> Option<(String, Outcome)> {
        let (name, due_ms) = self.timers.iter().min_by_key(|(_, due_ms)| **due_ms)?;
        let name = name.clone();
        self.now_ms = self.now_ms.max(*due_ms);
        self.timers.remove(&name);
        let outcome = self.event(EventKind::Timer { name: &name });
        Some((name, outcome))
    }

    /// Advances the clock and fires all timers that become due.
    pub(crate) fn pass(&mut self, ms: u64) -> Outcome {
        let until = self.now_ms + ms;
        let mut all = Outcome::default();
        while self.next_due().is_some_and(|due| due <= until) {
            if let Some((_, outcome)) = self.fire() {
                all.updates.extend(outcome.updates);
            }
        }
        self.now_ms = until;
        all
    }
}

/// Parses data as JSON.
fn value(data: &Data) -> Value {
    serde_json::from_slice(data.bytes()).expect("the game made JSON")
}

fn name(player: &str) -> PlayerId {
    player.parse().expect("a name")
}
