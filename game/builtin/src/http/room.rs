//! A room whose rules are an HTTP endpoint.

use std::collections::BTreeSet;
use std::time::Duration;

use grandstand_game::{
    Answer, CallId, Effects, Game, Idle, Lane, Leave, Message, Origin, PlayerId, Reject, Setup,
    Verdict, View, ensure,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::happening::{Kind, Line, NoSpace};
use super::reply::{Failure, Reply};

/// The time for a reply, with all attempts.
const REPLY_WITHIN: Duration = Duration::from_secs(30);

/// The time after which a player is taken out who has lost the connection.
const LOST_FOR: Duration = Duration::from_secs(60);

/// The most bytes of a room's params.
const PARAMS_BYTES: usize = 4096;

/// A room whose rules are an HTTP endpoint.
#[derive(Debug, Serialize, Deserialize)]
pub struct HttpRoom {
    room: String,
    endpoint: String,
    params: Value,
    idle_ms: u64,
    /// The players in the room.
    players: BTreeSet<PlayerId>,
    line: Line,
    /// The call of the first happening.
    call: Option<CallId>,
    /// The view, as the endpoint has given it last.
    view: Value,
}

/// The `params` of the first player's `join`. The endpoint gets all of them.
#[derive(Debug, Deserialize)]
pub struct HttpParams {
    #[serde(default = "hour")]
    idle_ms: u64,
    #[serde(flatten)]
    others: serde_json::Map<String, Value>,
}

fn hour() -> u64 {
    3_600_000
}

type Fx = Effects<Value>;

impl Game for HttpRoom {
    const NAME: &'static str = "http";
    type Params = HttpParams;
    type Input = Value;
    type Update = Value;

    fn create(params: HttpParams, setup: &mut Setup<'_>) -> Result<Self, Reject> {
        let HttpParams { idle_ms, others } = params;
        ensure!(
            (100..=86_400_000).contains(&idle_ms),
            "bad_params",
            "idle_ms is {idle_ms}, must be 100 to 86400000"
        );
        let params = Value::from(others);
        ensure!(
            params.to_string().len() <= PARAMS_BYTES,
            "bad_params",
            "the params have more than {PARAMS_BYTES} bytes"
        );
        let room = setup.room.as_str();
        let name = room.split('-').nth(1).unwrap_or_default();
        ensure!(
            !name.is_empty(),
            "bad_room",
            "rooms of this game are named http-ENDPOINT-…"
        );
        Ok(Self {
            room: room.to_owned(),
            endpoint: format!("http-{name}"),
            params,
            idle_ms,
            players: BTreeSet::new(),
            line: Line::default(),
            call: None,
            view: Value::Null,
        })
    }

    fn view(&self, _: Lane) -> View {
        View::of(&self.view)
    }

    fn idle(&self) -> Idle {
        Idle::FinishAfter(Duration::from_millis(self.idle_ms))
    }

    fn joined(&mut self, player: &PlayerId, options: &Value, fx: &mut Fx) -> Verdict {
        self.push(Kind::Connect, player, options.clone(), fx)?;
        self.players.insert(player.clone());
        Ok(())
    }

    fn input(&mut self, player: &PlayerId, input: Value, fx: &mut Fx) -> Verdict {
        self.push(Kind::Message, player, input, fx)
    }

    fn left(&mut self, player: &PlayerId, how: Leave, fx: &mut Fx) {
        let how = match how {
            Leave::Left => "left",
            _ => "kicked",
        };
        self.gone(player, how, fx);
    }

    fn lost(&mut self, player: &PlayerId, fx: &mut Fx) {
        fx.set_timer(&lost(player), LOST_FOR);
    }

    fn returned(&mut self, player: &PlayerId, fx: &mut Fx) {
        fx.clear_timer(&lost(player));
    }

    fn timer(&mut self, name: &str, fx: &mut Fx) {
        let player = self.players.iter().find(|player| lost(player) == name);
        if let Some(player) = player.cloned() {
            self.gone(&player, "lost", fx);
            fx.kick(&player, "lost");
        }
    }

    fn message(&mut self, message: Message<'_>, fx: &mut Fx) -> Verdict {
        ensure!(
            matches!(message.from, Origin::Service(_) | Origin::Admin),
            "unexpected",
            "only services push"
        );
        ensure!(message.topic == "push", "unexpected", "the topic is `push`");
        let reply = Reply::read(message.data)
            .map_err(|failure| Reject::new(failure.code, failure.message))?;
        self.carry_out(reply, fx);
        Ok(())
    }

    fn answer(&mut self, answer: Answer<'_>, fx: &mut Fx) {
        if self.call != Some(answer.call) {
            return;
        }
        self.call = None;
        let Some(done) = self.line.pop() else {
            return;
        };
        let reply = answer.result.map_err(Failure::from);
        match reply.and_then(Reply::read) {
            Ok(mut reply) => {
                if let Some(refusal) = reply.reject.take() {
                    let told = json!({"rejected": {"no": done.no, "code": refusal.code, "message": refusal.message}});
                    self.refuse(&done.player, done.event, "rejected", &told, fx);
                }
                self.carry_out(reply, fx);
            }
            Err(Failure { code, message }) => {
                let told = json!({"failed": {"no": done.no, "code": code, "message": message}});
                self.refuse(&done.player, done.event, code, &told, fx);
            }
        }
        self.call_next(fx);
    }
}

impl HttpRoom {
    /// Adds a happening to the line.
    fn push(&mut self, event: Kind, player: &PlayerId, data: Value, fx: &mut Fx) -> Verdict {
        self.line
            .push(event, player, data)
            .map_err(|why| match why {
                NoSpace::TooBig => Reject::new("too_big", "a message may have 56 KiB here"),
                NoSpace::Full => Reject::new(
                    "backend_busy",
                    "the back end of this room is slower than its players; send it again later",
                ),
            })?;
        self.call_next(fx);
        Ok(())
    }

    /// Sends the first happening to the endpoint, unless one is there.
    fn call_next(&mut self, fx: &mut Fx) {
        while self.call.is_none()
            && let Some(first) = self.line.first()
        {
            let mut request = json!({
                "event": first.event, "no": first.no, "room": self.room, "params": self.params, "player": first.player,
            });
            let name = match first.event {
                Kind::Connect => "options",
                Kind::Message => "data",
                Kind::Disconnect => "how",
            };
            request[name] = first.data.clone();
            match fx.call(&self.endpoint, &request, REPLY_WITHIN) {
                Ok(call) => self.call = Some(call),
                Err(error) => {
                    let told = json!({"failed": {"no": first.no, "code": "not_sent", "message": error.to_string()}});
                    fx.direct(&first.player, View::of(&told));
                    self.line.pop();
                }
            }
        }
    }

    /// Tells a player that the endpoint has refused or not answered. One who has just come leaves.
    fn refuse(
        &mut self,
        player: &PlayerId,
        event: Kind,
        code: &'static str,
        told: &Value,
        fx: &mut Fx,
    ) {
        if !self.players.contains(player) {
            return;
        }
        fx.direct(player, View::of(told));
        if event == Kind::Connect {
            self.players.remove(player);
            fx.clear_timer(&lost(player));
            fx.kick(player, code);
        }
    }

    fn carry_out(&mut self, reply: Reply, fx: &mut Fx) {
        if let Some(view) = reply.snapshot {
            if reply.updates.is_empty() && view != self.view {
                fx.update(json!({"snapshot": view}));
            }
            self.view = view;
        }
        for update in reply.updates {
            fx.update(update);
        }
        for (player, data) in &reply.direct {
            if self.players.contains(player) {
                fx.direct(player, View::of(data));
            }
        }
        for player in reply.kick {
            if self.players.contains(&player) {
                self.gone(&player, "kicked", fx);
                fx.kick(&player, "kicked");
            }
        }
        if reply.close {
            fx.finish();
        }
    }

    /// Tells the endpoint that a player is in the room no longer.
    fn gone(&mut self, player: &PlayerId, how: &str, fx: &mut Fx) {
        fx.clear_timer(&lost(player));
        if self.players.remove(player) {
            // There is always space for it.
            self.push(Kind::Disconnect, player, how.into(), fx).ok();
        }
    }
}

/// The timer of a player who has lost the connection.
fn lost(player: &PlayerId) -> String {
    format!("lost {player}")
}
