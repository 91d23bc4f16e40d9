//! The state that all partitions of a worker share during a call.

use std::collections::VecDeque;
use std::time::Instant;

use grandstand_common::id::{Epoch, Partition, RoomId};
use grandstand_common::record::StuckEntry;
use grandstand_common::subject;
use grandstand_common::wire::{Arrival, Entry};
use grandstand_game::Games;
use grandstand_game::host::Panicked;
use prost::Message;

use crate::command::{Command, EngineConfig, Now, Token};
use crate::counts::Counts;
use crate::current_call::{CurrentCall, EntryId};
use crate::loads::{Loads, Urgency};
use crate::outbox::Outbox;
use crate::replay_cost::{ReplayCost, ReplaySize};
use crate::requests::{Purpose, Requests};
use crate::tallies::Tallies;

/// The number of a worker's partitions that one successor is taken to replay, because the others share the rest.
const SUCCESSOR_PARTITIONS: u32 = 4;

/// The number of bots' steps in a turn: calls of `Game::bot`, and appends.
const BOT_STEPS: u32 = 16;
/// The number of entries from which on a turn is a busy one.
const BUSY_ENTRIES: u32 = 32;

/// The number of times that loops get stuck at an entry before its room is put in quarantine. A machine that stalls
/// must not put rooms away that are innocent.
const STUCK_TIMES: u32 = 2;

/// The state that all partitions of a worker share.
#[derive(Debug)]
pub(crate) struct Context {
    /// The time of the call.
    pub(crate) now: Now,
    /// The time from which ticks of all worlds are counted, so that one turn serves many rooms.
    pub(crate) origin: Instant,
    pub(crate) config: EngineConfig,
    pub(crate) games: Games,
    pub(crate) outbox: Outbox,
    pub(crate) commands: VecDeque<Command>,
    pub(crate) requests: Requests,
    pub(crate) loads: Loads,
    pub(crate) counts: Counts,
    pub(crate) tallies: Tallies,
    /// The arrival of the input that is being applied: its updates carry it.
    pub(crate) arrival: Option<Arrival>,
    pub(crate) replay_cost: ReplayCost,
    /// The entries that were applied since the time for them was last noted.
    pub(crate) applied: ReplaySize,
    /// The number of owned partitions.
    pub(crate) partitions: u32,
    /// The number of bots' steps that are left to this turn.
    pub(crate) bot_steps: u32,
    /// The number of entries that this turn has handled.
    pub(crate) entries: u32,
    /// Whether it was said that NATS does not take an item, since its limits changed last.
    pub(crate) said_too_big: bool,
    /// The call of a game that has not returned.
    pub(crate) current_call: CurrentCall,
    /// The entries at which loops got stuck, by partition.
    stuck: Vec<(Partition, StuckEntry)>,
}

/// Whether a partition is still owned after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum TenureState {
    /// This worker owns it.
    Held,
    /// This later owner's epoch was found.
    Lost(Epoch),
    /// The bucket came back in an older state than it had acked (D23).
    RolledBack,
    /// The handover is complete.
    Released,
}

impl Context {
    /// A context without commands, at `now`.
    pub(crate) fn new(now: Now, config: EngineConfig, games: Games) -> Self {
        Self {
            now,
            origin: now.at,
            games,
            outbox: Outbox::new(config.worker.clone(), config.max_payload),
            commands: VecDeque::new(),
            requests: Requests::new(config.writes),
            loads: Loads::new(config.kept_bytes),
            counts: Counts::default(),
            tallies: Tallies::default(),
            arrival: None,
            replay_cost: ReplayCost::default(),
            applied: ReplaySize::default(),
            partitions: 1,
            bot_steps: 0,
            entries: 0,
            said_too_big: false,
            current_call: CurrentCall::default(),
            stuck: Vec::new(),
            config,
        }
    }

    /// Grants the turn its steps of bots: few if it has handled many entries, because then others wait.
    pub(crate) fn grant_bot_steps(&mut self) {
        self.bot_steps = match std::mem::take(&mut self.entries) {
            0..=BUSY_ENTRIES => BOT_STEPS,
            _ => 1,
        };
    }

    /// Registers a command with an outcome. Returns its token.
    pub(crate) fn request(&mut self, partition: Partition, purpose: Purpose) -> Token {
        self.requests.begin(partition, purpose)
    }

    /// Whether another room may be read into memory.
    pub(crate) fn can_load(&self, urgency: Urgency) -> bool {
        self.loads.can_read(self.requests.reads(), urgency)
    }

    /// Returns how many entries of a partition may be uncovered, so that a successor replays them in time (D32).
    pub(crate) fn replay_limit(&self) -> ReplaySize {
        let shared = self.partitions.max(SUCCESSOR_PARTITIONS);
        let within = self.config.replay_budget * SUCCESSOR_PARTITIONS / shared;
        self.replay_cost.limit(within)
    }

    /// Appends an entry of the owner to the log.
    pub(crate) fn append(&mut self, partition: Partition, id: &RoomId, entry: &Entry) {
        let token = self.request(partition, Purpose::Append);
        self.commands.push_back(Command::Append {
            subject: subject::log(partition, id),
            payload: entry.encode_to_vec().into(),
            token,
        });
    }

    /// Notes the entries of a partition at which loops got stuck.
    pub(crate) fn note_stuck(&mut self, partition: Partition, entries: Vec<StuckEntry>) {
        let entries = entries.into_iter().map(|entry| (partition, entry));
        self.stuck.extend(entries);
    }

    /// Calls a game for a room, and makes the call visible to other threads. Fails without the call, as if the game had
    /// panicked, if loops got stuck at the entry before.
    pub(crate) fn call<T>(
        &self,
        room: &RoomId,
        entry: EntryId,
        game: impl FnOnce() -> Result<T, Panicked>,
    ) -> Result<T, Panicked> {
        if self.is_stuck_at(room, entry) {
            tracing::error!(%room, seq = entry.seq, "the game is not called: loops got stuck there before");
            return Err(Panicked);
        }
        self.current_call.begin(room, entry);
        let result = game();
        self.current_call.end();
        result
    }

    /// Whether loops got stuck at an entry of a room, or outside of its entries, too often.
    pub(crate) fn is_stuck_at(&self, room: &RoomId, entry: EntryId) -> bool {
        self.stuck.iter().any(|(_, stuck)| {
            let at = EntryId {
                seq: stuck.seq,
                time_ms: stuck.time_ms,
            };
            stuck.times >= STUCK_TIMES
                && (at == entry || at == EntryId::OUTSIDE)
                && stuck.room == *room
        })
    }

    /// Forgets a partition's requests, and drops its commands that the driver has not taken yet.
    pub(crate) fn forget(&mut self, partition: Partition) {
        self.requests.forget(partition);
        self.stuck.retain(|(of, _)| *of != partition);
        self.loads.forget(partition);
        let requests = &self.requests;
        self.commands.retain(|command| match command {
            Command::Append { token, .. }
            | Command::Emit { token, .. }
            | Command::PutIf { token, .. }
            | Command::PutExpiring { token, .. }
            | Command::DeleteIf { token, .. }
            | Command::Get { token, .. }
            | Command::LogState { token, .. } => requests.contains(*token),
            Command::OpenLog { partition: of, .. }
            | Command::OpenRoom { partition: of, .. }
            | Command::OpenKv { partition: of, .. }
            | Command::RaiseNeeds { partition: of, .. }
            | Command::Ready { partition: of, .. } => *of != partition,
            _ => true,
        });
    }
}
