//! A room in memory: creating, restoring and reading it.

use grandstand_common::data::Data;
use grandstand_common::envelope::MAX_LISTED_PLAYERS;
use grandstand_common::id::{EdgeId, Instance, Lane, PlayerId, RoomId, SessionId};
use grandstand_common::wire;
use grandstand_game::host::{GameInstance, GameKind, InstanceState, Panicked, ServedView};
use grandstand_game::{Invitation, LiveTo, Reject};

use super::bot::SeatChange;
use super::connected::Connected;
use super::creation::Creation;
use super::emit::Welcome;
use super::logged::Logged;
use super::players::Presence;
use super::state::RoomState;

/// A room that is in memory.
#[derive(Debug)]
pub(crate) struct Room {
    pub(super) id: RoomId,
    pub(super) game: GameInstance,
    pub(super) state: RoomState,
    /// The sequence of the last applied entry.
    pub(super) last: u64,
    pub(super) connected: Connected,
    /// The players whom the game has kicked or made bots in the entry that is being handled.
    pub(super) seat_changes: Vec<SeatChange>,
    /// The invitations of the game in the entry that is being handled.
    pub(super) invited: Vec<Invitation>,
}

impl Room {
    /// Creates the room that an entry asks for. The caller must still pass the entry to [`Room::handle`].
    pub(crate) fn create(
        kind: GameKind,
        id: &RoomId,
        logged: &Logged,
        creation: Creation<'_>,
    ) -> Result<Result<Self, Reject>, Panicked> {
        let mut seed = [0; 32];
        for (to, from) in seed.iter_mut().zip(creation.seed) {
            *to = *from;
        }
        let params = match creation.params {
            b"" => serde_json::Value::Object(serde_json::Map::new()),
            text => match serde_json::from_slice(text) {
                Ok(params) => params,
                Err(_) => {
                    return Ok(Err(Reject::new("bad_message", "params must be JSON")));
                }
            },
        };
        let game = GameInstance::create(kind, id, &params, seed, logged.time_ms)?;
        Ok(game.map(|game| Self {
            id: id.clone(),
            game,
            state: RoomState::new(Instance::from_entry(logged.seq, logged.time_ms)),
            last: logged.seq,
            connected: Connected::default(),
            seat_changes: Vec::new(),
            invited: Vec::new(),
        }))
    }

    /// The room of a snapshot.
    pub(crate) fn restore(id: RoomId, game: GameInstance, state: RoomState, last: u64) -> Self {
        let connected = Connected::from_state(&state);
        Self {
            id,
            game,
            state,
            last,
            connected,
            seat_changes: Vec::new(),
            invited: Vec::new(),
        }
    }

    /// The edges that hold connected players' sessions.
    pub(crate) fn edges(&self) -> impl Iterator<Item = &EdgeId> {
        self.connected.edges()
    }

    /// The number of connected players.
    pub(crate) fn connected_players(&self) -> usize {
        self.connected.total()
    }

    /// Whether [`edges`](Self::edges) may have changed since the last call.
    pub(crate) fn take_moved(&mut self) -> bool {
        self.connected.take_moved()
    }

    /// The connected players whose sessions an edge holds.
    pub(crate) fn sessions_on(
        &self,
        edge: &EdgeId,
    ) -> impl Iterator<Item = (&PlayerId, SessionId)> {
        let some = self.connected.has(edge);
        let players = some
            .then(|| self.state.players.iter())
            .into_iter()
            .flatten();
        players
            .filter(move |(_, p)| p.presence == Presence::Connected && p.edge == *edge)
            .map(|(id, p)| (id, p.session))
    }

    /// The version of the game's state.
    pub(crate) fn version(&self) -> u32 {
        self.game.version()
    }

    pub(crate) fn game(&self) -> &GameInstance {
        &self.game
    }

    /// The state of the game's instance beside the game's own.
    pub(crate) fn instance_state(&self) -> &InstanceState {
        self.game.state()
    }

    pub(crate) fn state(&self) -> &RoomState {
        &self.state
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Lowers the last applied sequence to `last`, because the log lost the entries after it (D11): entries with these
    /// sequences are new.
    pub(crate) fn cut(&mut self, last: u64) {
        self.last = self.last.min(last);
    }

    /// Continues the room as another instance, with the same state.
    pub(crate) fn restart(&mut self, instance: Instance) {
        self.state.instance = instance;
    }

    pub(crate) fn instance(&self) -> Instance {
        self.state.instance
    }

    /// The snapshot of a lane for edges. From now on the lane's automatic updates are made.
    pub(crate) fn view(&mut self, lane: Lane) -> Result<wire::Snapshot, Panicked> {
        let ServedView {
            data,
            spectating,
            is_patched,
        } = self.game.view(lane)?;
        Ok(wire::Snapshot {
            lane: lane.index() as u32,
            version: self.instance_state().versions[lane.index()],
            max_rate_hz: spectating.max_rate_hz,
            delay_ms: spectating.delay_ms,
            is_patched,
            data: Some(data),
        })
    }

    /// Makes the automatic updates of both lanes from now on.
    pub(crate) fn watch(&mut self) -> Result<(), Panicked> {
        self.game.watch()
    }

    /// Ends the automatic updates of a lane that nobody watches.
    pub(crate) fn unwatch(&mut self, lane: Lane) {
        self.game.unwatch(lane);
    }

    /// The welcome of a session, for an edge that requests it. `None` if it is not a player's current session.
    pub(crate) fn welcome(&self, session: SessionId) -> Option<Result<Welcome, Panicked>> {
        let (id, player) = self.state.player_of(session)?;
        let direct = self.game.private(id);
        Some(direct.map(|direct| Welcome::new(player, direct)))
    }

    /// Whether the session is an earlier one of a player.
    pub(crate) fn was_replaced(&self, session: SessionId) -> bool {
        let mut players = self.state.players.values();
        players.any(|p| p.sessions.contains(&session))
    }

    /// The code with which a player was taken out of the room, whose current session this is.
    pub(crate) fn kicked(&self, session: SessionId) -> Option<&str> {
        let (_, player) = self.state.player_of(session)?;
        player.kicked()
    }

    /// A player's edge and session; `None` if the session has ended.
    pub(crate) fn reach(&self, player: &PlayerId) -> Option<(&EdgeId, SessionId)> {
        self.state.reach(player)
    }

    /// Whether the session is a player's current one and held by this edge.
    pub(crate) fn is_held_by(&self, session: SessionId, edge: &EdgeId) -> bool {
        let player = self.state.player_of(session);
        player.is_some_and(|(_, p)| p.is_reachable() && p.edge == *edge)
    }

    /// Whether this edge holds a player's session.
    pub(crate) fn has_player_on(&self, edge: &EdgeId) -> bool {
        let mut players = self.state.players.values();
        players.any(|p| p.is_reachable() && p.edge == *edge)
    }

    /// The players who have not left, with `viewers` as the count of clients.
    pub(crate) fn presence(&self, viewers: u64) -> wire::Presence {
        let here = || {
            let players = self.state.players.iter();
            players.filter(|(_, p)| p.presence != Presence::Left)
        };
        let count = here().count();
        let listed = if count <= MAX_LISTED_PLAYERS {
            usize::MAX
        } else {
            0
        };
        let players = here().take(listed).map(|(id, p)| wire::PlayerPresence {
            id: id.to_string(),
            lost: p.presence == Presence::Lost,
        });
        wire::Presence {
            players: players.collect(),
            count: count as u32,
            viewers,
        }
    }

    /// Whether a player is connected.
    pub(crate) fn is_connected(&self, player: &PlayerId) -> bool {
        let player = self.state.players.get(player);
        player.is_some_and(|player| player.presence == Presence::Connected)
    }

    /// Passes a lossy message to the game. Returns nothing if the session is not the player's current one.
    pub(crate) fn live(
        &self,
        session: SessionId,
        player: &PlayerId,
        data: Data,
    ) -> Result<Vec<(LiveTo, Data)>, Panicked> {
        let reach = self.reach(player);
        if reach.is_none_or(|(_, current)| current != session) {
            return Ok(Vec::new());
        }
        self.game.live(player, data)
    }
}
