//! Passing an event to the game, and its outputs to the edges.

use grandstand_common::data::Data;
use grandstand_common::id::PlayerId;
use grandstand_common::wire::{self, ItemKind};
use grandstand_game::host::{GameInstance, IDLE_TIMER, Output, Panicked};
use grandstand_game::{Event, Reject};

use super::bot::SeatChange;
use super::emit::Emit;
use super::machine::Room;
use super::players::Presence;
use super::state::DELETE_TIMER;

/// The time for which a finished room can be read, milliseconds (D12).
const FINISHED_FOR_MS: u64 = 60_000;

/// The results of an event that are not emitted.
#[derive(Debug, Default)]
pub(super) struct EventResults {
    pub(super) reject: Option<Reject>,
    /// The last private message to the joining player, for the welcome.
    pub(super) direct: Option<Data>,
}

impl Room {
    /// Applies an event to the game, at the log's time `time_ms`. Does nothing in a finished room.
    pub(super) fn apply(
        &mut self,
        time_ms: u64,
        event: Event<'_, &Data>,
        welcomed: Option<&PlayerId>,
        emits: &mut Vec<Emit>,
    ) -> Result<EventResults, Panicked> {
        self.run(
            time_ms,
            welcomed,
            emits,
            |game, players, emit: &mut dyn FnMut(Output)| game.apply(time_ms, event, players, emit),
        )
    }

    /// Applies a change of the world to the game, at the log's time `time_ms`. Returns why the game cannot read it.
    pub(super) fn commit(
        &mut self,
        time_ms: u64,
        change: &str,
        emits: &mut Vec<Emit>,
    ) -> Result<Option<Reject>, Panicked> {
        let results = self.run(
            time_ms,
            None,
            emits,
            |game, players, emit: &mut dyn FnMut(Output)| {
                game.commit(time_ms, change, players, emit)
            },
        )?;
        Ok(results.reject)
    }

    /// Calls the game by `call`, and turns its outputs into emits.
    fn run(
        &mut self,
        time_ms: u64,
        welcomed: Option<&PlayerId>,
        emits: &mut Vec<Emit>,
        call: impl FnOnce(
            &mut GameInstance,
            &[PlayerId],
            &mut dyn FnMut(Output),
        ) -> Result<Option<Reject>, Panicked>,
    ) -> Result<EventResults, Panicked> {
        let was_finished = self.game.state().finished;
        let connected = self.private_players();
        let id = &self.id;
        let state = &self.state;
        let mut direct = None;
        let seat_changes = &mut self.seat_changes;
        let invited = &mut self.invited;
        let mut emit = |output| match output {
            Output::Update {
                versions: [players, spectators],
                key,
                data,
            } => emits.push(Emit::Update(wire::Update {
                players,
                spectators,
                key: key.unwrap_or_default(),
                arrival: None,
                data: Some(data),
            })),
            Output::Direct { player, data } if welcomed == Some(&player) => direct = Some(data),
            Output::Direct { player, data } => {
                if let Some((edge, session)) = state.reach(&player) {
                    let direct = wire::Direct {
                        session: session.0,
                        data: Some(data),
                    };
                    emits.push(Emit::ToEdge(edge.clone(), ItemKind::Direct(direct)));
                }
            }
            Output::Snapshot(lane) => emits.push(Emit::Snapshot(lane)),
            Output::Kick { player, code } => seat_changes.push(SeatChange::Kick(player, code)),
            Output::Bot { player, think } => seat_changes.push(SeatChange::Bot(player, think)),
            Output::Invite(invitation) => invited.push(*invitation),
            Output::Out(item) => emits.push(Emit::Out(item)),
            Output::Fault(fault) => {
                tracing::warn!(room = %id, %fault, "a game has a fault");
                emits.push(Emit::Fault);
            }
        };
        let reject = call(&mut self.game, &connected, &mut emit)?;
        if self.game.state().finished && !was_finished {
            self.delete_after(time_ms);
        }
        Ok(EventResults { reject, direct })
    }

    /// Handles a timer that is due.
    pub(super) fn on_timer(
        &mut self,
        time_ms: u64,
        timer: &wire::Timer,
        emits: &mut Vec<Emit>,
    ) -> Result<(), Panicked> {
        let Some(due_ms) = self.game.take_timer(&timer.name, timer.arming) else {
            return Ok(());
        };
        let time_ms = time_ms.max(due_ms);
        if timer.name == DELETE_TIMER {
            emits.push(Emit::Deleted);
            return Ok(());
        }
        if timer.name == IDLE_TIMER {
            self.finish_idle();
            return Ok(());
        }
        let event = Event::of_timer(&timer.name);
        self.apply(time_ms, event, None, emits)?;
        Ok(())
    }

    /// Ends a room in which nobody was connected for the time that its game allows.
    fn finish_idle(&mut self) {
        self.game.finish();
        self.delete_after(0);
    }

    /// Arms the timer that deletes a room that was finished by an entry of the time `time_ms`.
    pub(super) fn delete_after(&mut self, time_ms: u64) {
        let finished_ms = self.game.state().last_event_ms.max(time_ms);
        self.game.arm(DELETE_TIMER, finished_ms + FINISHED_FOR_MS);
    }

    /// The connected players, if the game's private views are sent when they change.
    fn private_players(&self) -> Vec<PlayerId> {
        if !self.game.sends_private() {
            return Vec::new();
        }
        let players = self.state.players.iter();
        players
            .filter(|(_, player)| player.presence == Presence::Connected)
            .map(|(id, _)| id.clone())
            .collect()
    }
}
