//! One entry of a room's history with its effects.

use grandstand_common::id::{Lane, SessionId};
use grandstand_common::wire::{self, Body, ItemKind};
use grandstand_game::host::{InstanceState, StateHash};
use serde::Serialize;

use super::content::{Content, raw};
use super::replica::Step;
use super::replicas::Stepped;
use super::time;
use crate::room::{Emit, Logged, Room, RoomState};

/// An entry with its effects. Its JSON omits empty fields.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Line {
    /// The sequence number in the log.
    pub seq: u64,
    /// The time at which the log stored it, RFC 3339.
    pub time: String,
    /// The same time in Unix milliseconds.
    pub time_ms: u64,
    /// The kind: `joined`, `left`, `lost`, `here`, `input`, `timer`, `edge_lost`, `kick`, `close`,
    /// `message`, or `unreadable`.
    pub kind: &'static str,
    /// The player.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub player: String,
    /// The session, 16 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The entry's number in the session's chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// The edge that holds the session.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub edge: String,
    /// The sequence number of an input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// An input's or a message's data, `join`'s params and options, a timer's name and arming, a message's id, sender and
    /// topic, a kick's code.
    #[serde(flatten)]
    pub said: Content,
    /// The reason why the entry changed nothing: `repeat`, `gap`, `replaced`, `not_joined`, `stale`, `no_room`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Whether the entry created the room.
    #[serde(skip_serializing_if = "is_false")]
    pub created: bool,
    /// The updates of the lanes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub updates: Vec<UpdateLine>,
    /// The lanes whose change is sent as a snapshot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<String>,
    /// The messages to single players.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub directs: Vec<DirectLine>,
    /// The rejected inputs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejects: Vec<RejectLine>,
    /// The reject of a join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<RejectLine>,
    /// Timers that were armed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timers_set: Vec<TimerLine>,
    /// Timers that were disarmed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timers_cleared: Vec<String>,
    /// Whether the game ended the room.
    #[serde(skip_serializing_if = "is_false")]
    pub finished: bool,
    /// Whether the entry deleted the room.
    #[serde(skip_serializing_if = "is_false")]
    pub deleted: bool,
    /// The reason why the replay ends here: the game panics, or its state cannot be stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// The hash of the state after the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<StateHash>,
}

/// A change of one or both lanes' views.
#[derive(Debug, Clone, Serialize)]
pub struct UpdateLine {
    /// The players' lane's new version.
    #[serde(skip_serializing_if = "is_zero")]
    pub players: u64,
    /// The spectators' lane's new version.
    #[serde(skip_serializing_if = "is_zero")]
    pub spectators: u64,
    /// The coalescing key: of updates with the same key the latest suffices.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The change.
    #[serde(flatten)]
    pub said: Content,
}

/// A message to one player.
#[derive(Debug, Clone, Serialize)]
pub struct DirectLine {
    /// The player's name.
    pub player: String,
    /// The content.
    #[serde(flatten)]
    pub said: Content,
}

/// A rejected input or a refused join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectLine {
    /// The input's sequence number; 0 for a join.
    #[serde(skip_serializing_if = "is_zero")]
    pub input: u64,
    /// The code for programs.
    pub code: String,
    /// The text for people.
    pub message: String,
}

/// A timer that was armed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimerLine {
    /// The timer's name.
    pub name: String,
    /// The due time, RFC 3339.
    pub due: String,
    /// The number of the timer's arming.
    pub arming: u64,
}

fn is_false(is: &bool) -> bool {
    !is
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Line {
    /// The line of an entry that cannot be read.
    pub(super) fn unreadable(seq: u64, time_ms: u64) -> Self {
        Self {
            seq,
            time: time::utc(time_ms),
            time_ms,
            kind: "unreadable",
            ..Self::default()
        }
    }

    /// The line of an entry, without effects.
    pub(super) fn from_logged(logged: &Logged) -> Self {
        let entry = &logged.entry;
        let mut line = Self::unreadable(logged.seq, logged.time_ms);
        let Some(body) = &entry.body else {
            return line;
        };
        line.player.clone_from(&entry.player);
        line.edge.clone_from(&entry.edge);
        line.kind = kind(body);
        if body.is_chained() || matches!(body, Body::EdgeLost(_)) {
            line.session = Some(format!("{:016x}", entry.session));
        }
        line.n = body.is_chained().then_some(entry.n);
        match body {
            Body::Joined(joined) => {
                line.said.params = raw(&joined.params);
                line.said.options = raw(&joined.options);
            }
            Body::Input(input) => {
                line.input = Some(input.seq);
                line.said = Content::new(input.data.as_ref());
            }
            Body::Timer(timer) => {
                line.said.timer = Some(timer.name.clone());
                line.said.arming = Some(timer.arming);
            }
            Body::Kick(kick) => {
                line.player.clone_from(&kick.player);
                line.said.code = Some(kick.code.clone());
            }
            Body::Message(message) => line.said = Content::of_message(message),
            Body::BotInput(input) => {
                line.player.clone_from(&input.player);
                line.input = Some(input.no);
                line.said = Content::new(input.data.as_ref());
            }
            Body::Answer(answer) => line.said = Content::of_answer(answer),
            Body::Create(create) => line.said.params = raw(&create.params),
            _ => {}
        }
        line
    }

    /// Adds the entry's effects. `before` is the room's state before the entry.
    pub(super) fn add(&mut self, stepped: &Stepped, before: &StateBefore, after: Option<&Room>) {
        self.hash = stepped.hashed.as_ref().map(|hashed| hashed.hash);
        match &stepped.step {
            Step::NoRoom => self.skipped = Some("no_room".to_owned()),
            Step::Refused(reject) => {
                self.refused = reject.as_ref().map(|reject| RejectLine {
                    input: 0,
                    code: reject.code.to_string(),
                    message: reject.message.clone(),
                });
            }
            Step::Opened => self.created = true,
            Step::Deleted => self.deleted = true,
            Step::Handled if self.hash.is_some() && self.hash == before.hash => {
                self.skipped = Some(skipped(self.kind, &stepped.emits));
            }
            Step::Handled => {}
        }
        for emit in &stepped.emits {
            self.add_emit(emit, after.map(Room::state));
        }
        if let Some(progress) = after.map(Room::instance_state) {
            self.finished = progress.finished && !before.finished;
            self.add_timers(before, progress);
        }
    }

    fn add_emit(&mut self, emit: &Emit, state: Option<&RoomState>) {
        let player = |session: u64| {
            let found = state.and_then(|state| state.player_of(SessionId(session)));
            found.map_or_else(|| format!("{session:016x}"), |(id, _)| id.to_string())
        };
        match emit {
            Emit::Update(update) => self.updates.push(UpdateLine {
                players: update.players,
                spectators: update.spectators,
                key: update.key.clone(),
                said: Content::new(update.data.as_ref()),
            }),
            Emit::Snapshot(lane) => self.snapshots.push(lane_name(*lane).to_owned()),
            Emit::ToEdge(_, ItemKind::Direct(direct)) => self.directs.push(DirectLine {
                player: player(direct.session),
                said: Content::new(direct.data.as_ref()),
            }),
            Emit::Joined(welcome) => {
                let direct = welcome.direct.as_ref().map(|data| DirectLine {
                    player: player(welcome.session.0),
                    said: Content::new(Some(data)),
                });
                self.directs.extend(direct);
            }
            Emit::ToEdge(_, ItemKind::Rejected(rejected)) => self.rejects.push(RejectLine {
                input: rejected.seq,
                code: rejected.code.clone(),
                message: rejected.message.clone(),
            }),
            Emit::BotRejected(_, reject) => self.rejects.push(RejectLine {
                input: self.input.unwrap_or_default(),
                code: reject.code.to_string(),
                message: reject.message.clone(),
            }),
            Emit::ToEdge(_, ItemKind::Refused(refused)) => {
                self.refused = Some(RejectLine {
                    input: 0,
                    code: refused.code.clone(),
                    message: refused.message.clone(),
                });
            }
            _ => {}
        }
    }

    fn add_timers(&mut self, before: &StateBefore, progress: &InstanceState) {
        for (name, armed) in &progress.timers {
            if armed.arming > before.armings {
                self.timers_set.push(TimerLine {
                    name: name.clone(),
                    due: time::utc(armed.due_ms),
                    arming: armed.arming,
                });
            }
        }
        let fired = self.said.timer.as_deref();
        for name in &before.timers {
            if !progress.timers.contains_key(name) && fired != Some(name) {
                self.timers_cleared.push(name.clone());
            }
        }
    }
}

/// The parts of the state before an entry that its line needs.
#[derive(Debug, Clone, Default)]
pub(super) struct StateBefore {
    pub(super) hash: Option<StateHash>,
    finished: bool,
    armings: u64,
    timers: Vec<String>,
}

impl StateBefore {
    pub(super) fn new(room: Option<&Room>, hash: Option<StateHash>) -> Self {
        let Some(progress) = room.map(Room::instance_state) else {
            return Self::default();
        };
        Self {
            hash,
            finished: progress.finished,
            armings: progress.armings,
            timers: progress.timers.keys().cloned().collect(),
        }
    }
}

pub(super) fn kind(body: &Body) -> &'static str {
    match body {
        Body::Joined(_) => "joined",
        Body::Left(_) => "left",
        Body::Lost(_) => "lost",
        Body::Here(_) => "here",
        Body::Input(_) => "input",
        Body::Timer(_) => "timer",
        Body::EdgeLost(_) => "edge_lost",
        Body::Kick(_) => "kick",
        Body::Close(_) => "close",
        Body::Message(_) => "message",
        Body::Answer(_) => "answer",
        Body::Began(_) => "began",
        Body::Commit(_) => "commit",
        Body::Create(_) => "create",
        Body::BotInput(_) => "bot_input",
    }
}

/// Returns the reason why an entry changed nothing.
fn skipped(kind: &str, emits: &[Emit]) -> String {
    let told = emits.iter().find_map(|emit| match emit {
        Emit::ToEdge(_, ItemKind::Gone(gone)) => Some(gone.code.as_str()),
        Emit::ToEdge(_, ItemKind::Processed(wire::Processed { gap: Some(_), .. })) => Some("gap"),
        _ => None,
    });
    let stale = matches!(
        kind,
        "timer" | "edge_lost" | "kick" | "close" | "answer" | "began" | "commit" | "bot_input"
    );
    let why = told.unwrap_or(if stale { "stale" } else { "repeat" });
    why.to_owned()
}

fn lane_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Players => "players",
        Lane::Spectators => "spectators",
    }
}
