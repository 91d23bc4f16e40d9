//! Applying one event to the game: its time, its random numbers and its effects.

use grandstand_common::data::Data;
use grandstand_common::id::{Lane, PlayerId};
use grandstand_common::wire::{self, ItemKind};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::actor::Room;
use super::emit::Emit;
use super::state::DELETE_TIMER;
use grandstand_game::host::{Panicked, guard};
use grandstand_game::{Effect, Effects};
use grandstand_game::{Event, EventKind, Reject};

/// The time for which a finished room can be read, milliseconds (D12).
const FINISHED_FOR_MS: u64 = 60_000;

/// The results of an event that are not emitted.
#[derive(Debug, Default)]
pub(super) struct Applied {
    pub(super) reject: Option<Reject>,
    /// The last private message to the joining player, for the welcome.
    pub(super) direct: Option<Data>,
}

impl Room {
    /// Applies an event to the game, at the log's time `time_ms`. Does nothing in a finished room.
    pub(super) fn apply(
        &mut self,
        time_ms: u64,
        kind: EventKind<'_>,
        welcomed: Option<&PlayerId>,
        emits: &mut Vec<Emit>,
    ) -> Result<Applied, Panicked> {
        let mut applied = Applied::default();
        if self.state.finished {
            return Ok(applied);
        }
        let now_ms = time_ms.max(self.state.last_event_ms);
        self.state.last_event_ms = now_ms;
        self.state.events += 1;
        let mut rng = ChaCha8Rng::from_seed(self.state.seed);
        rng.set_stream(self.state.events);
        let event = Event { now_ms, kind };
        let mut effects = Effects::new(now_ms, rng);
        guard(|| self.game.apply(&event, &mut effects))?;
        let (list, reject) = effects.into_parts();
        applied.reject = reject;
        for effect in list {
            match effect {
                Effect::Direct { player, data } if welcomed == Some(&player) => {
                    applied.direct = Some(data);
                }
                effect => self.on_effect(effect, emits),
            }
        }
        Ok(applied)
    }

    fn on_effect(&mut self, effect: Effect, emits: &mut Vec<Emit>) {
        match effect {
            Effect::Update { lane, key, data } => {
                let mut bump = |of: Lane| {
                    if lane.is_some_and(|lane| lane != of) {
                        return 0;
                    }
                    let version = &mut self.state.versions[of.index()];
                    *version += 1;
                    *version
                };
                emits.push(Emit::Update(wire::Update {
                    players: bump(Lane::Players),
                    spectators: bump(Lane::Spectators),
                    key: key.unwrap_or_default(),
                    data: Some(data),
                }));
            }
            Effect::Direct { player, data } => {
                if let Some((edge, session)) = self.reach(&player) {
                    let direct = wire::Direct {
                        session: session.0,
                        data: Some(data),
                    };
                    emits.push(Emit::ToEdge(edge.clone(), ItemKind::Direct(direct)));
                }
            }
            Effect::SetTimer { name, .. } | Effect::ClearTimer { name }
                if name.starts_with('=') =>
            {
                tracing::warn!(room = %self.id, name, "a game's timer has a reserved name");
            }
            Effect::SetTimer { name, due_ms } if !self.state.finished => {
                self.state.arm(name, due_ms);
            }
            Effect::SetTimer { .. } => {}
            Effect::ClearTimer { name } => {
                self.state.timers.remove(&name);
            }
            Effect::Finish if !self.state.finished => {
                self.state.finished = true;
                self.state.timers.clear();
                let due_ms = self.state.last_event_ms + FINISHED_FOR_MS;
                self.state.arm(DELETE_TIMER.to_owned(), due_ms);
            }
            Effect::Finish => {}
        }
    }
}
