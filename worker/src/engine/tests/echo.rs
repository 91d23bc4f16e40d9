//! The game of these tests.

use std::time::Duration;

use grandstand_common::data::Data;
use grandstand_common::id::{Lane, PlayerId};
use grandstand_game::{
    Answer, Effects, Game, Leave, Message, Origin, Raw, Reject, Setup, Verdict, View, ensure,
};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Records its events, and does what its inputs name: `reject`, `reject at length`, `timer`, `finish`, `direct`,
/// `grow`, `panic`, `kick PLAYER`, `emit TEXT`, `emit COUNT`, `send ROOM`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Echo {
    pub(super) log: Vec<String>,
    pub(super) dice: u64,
    padding: String,
}

thread_local! {
    /// The number of `panic` inputs that still panic.
    pub(super) static PANICS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    /// The number of views that still panic.
    pub(super) static VIEW_PANICS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

impl Game for Echo {
    const NAME: &'static str = "echo";
    type Params = Params;
    type Input = Raw;
    type Update = String;

    fn create(params: Params, setup: &mut Setup<'_>) -> Result<Self, Reject> {
        ensure!(params.bad.is_none(), "bad_params", "no");
        Ok(Self {
            log: Vec::new(),
            dice: setup.rng.random(),
            padding: String::new(),
        })
    }

    fn joined(&mut self, player: &PlayerId, _: &Value, fx: &mut Effects<String>) -> Verdict {
        ensure!(player.as_str() != "mallory", "room_full", "no");
        self.note(format!("joined {player}"), fx);
        Ok(())
    }

    fn left(&mut self, player: &PlayerId, how: Leave, fx: &mut Effects<String>) {
        match how {
            Leave::Kicked => self.note(format!("kicked {player}"), fx),
            _ => self.note(format!("left {player}"), fx),
        }
    }

    fn lost(&mut self, player: &PlayerId, fx: &mut Effects<String>) {
        self.note(format!("lost {player}"), fx);
    }

    fn returned(&mut self, player: &PlayerId, fx: &mut Effects<String>) {
        self.note(format!("returned {player}"), fx);
    }

    fn timer(&mut self, name: &str, fx: &mut Effects<String>) {
        self.note(format!("timer {name} {}", fx.now_ms()), fx);
    }

    fn input(&mut self, player: &PlayerId, Raw(data): Raw, fx: &mut Effects<String>) -> Verdict {
        let text = String::from_utf8_lossy(data.bytes()).into_owned();
        match text.as_str() {
            "reject" => return Err(Reject::new("no", "because")),
            "reject at length" => return Err(Reject::new("no", "because\n".repeat(1_000))),
            "timer" => fx.set_timer("t", Duration::from_millis(100)),
            "finish" => fx.finish(),
            "direct" => fx.direct(player, View::raw(Data::Json("1".into()))),
            "grow" => self.padding = "x".repeat(100_000),
            "panic" if PANICS.get() > 0 => {
                PANICS.set(PANICS.get() - 1);
                self.log.push("half".into());
                panic!("as ordered");
            }
            _ => self.go_outside(&text, fx),
        }
        self.dice = fx.rng().random();
        self.note(format!("{player} {text}"), fx);
        Ok(())
    }

    fn message(&mut self, message: Message<'_>, fx: &mut Effects<String>) -> Verdict {
        ensure!(message.topic != "unwanted", "unwanted", "no");
        let from = match message.from {
            Origin::Room(room) => room.to_string(),
            Origin::Service(name) => format!("service {name}"),
            _ => "admin".to_owned(),
        };
        let data = String::from_utf8_lossy(message.data.bytes());
        self.note(format!("{} {data} from {from}", message.topic), fx);
        Ok(())
    }

    fn answer(&mut self, answer: Answer<'_>, fx: &mut Effects<String>) {
        let result = match answer.result {
            Ok(data) => String::from_utf8_lossy(data.bytes()).into_owned(),
            Err(error) => format!("{error:?}"),
        };
        self.note(format!("answer {} {result}", answer.call.0), fx);
    }

    fn view(&self, _lane: Lane) -> View {
        if VIEW_PANICS.get() > 0 {
            VIEW_PANICS.set(VIEW_PANICS.get() - 1);
            panic!("as ordered");
        }
        View::of(&self.log.len())
    }

    fn private(&self, player: &PlayerId) -> Option<View> {
        Some(View::of(&format!("secret of {player}")))
    }
}

impl Echo {
    fn go_outside(&mut self, text: &str, fx: &mut Effects<String>) {
        match text.split_once(' ') {
            Some(("kick", player)) => fx.kick(&player.parse().unwrap(), "as_told"),
            Some(("emit", text)) => {
                let Ok(count) = text.parse::<u32>() else {
                    fx.emit("notes", &text).unwrap();
                    return;
                };
                for n in 0..count {
                    fx.emit("notes", &n).unwrap();
                }
            }
            Some(("call", endpoint)) => {
                fx.call(endpoint, &self.log.len(), Duration::from_secs(5))
                    .unwrap();
            }
            Some(("send", room)) => {
                let room = room.parse().unwrap();
                fx.send(&room, "news", &self.log.len()).unwrap();
            }
            _ => {}
        }
    }

    fn note(&mut self, note: String, fx: &mut Effects<String>) {
        fx.update(note.clone());
        self.log.push(note);
    }
}

/// The parameters: any value of `bad` is rejected.
#[derive(Debug, Deserialize)]
pub(super) struct Params {
    bad: Option<Value>,
}
