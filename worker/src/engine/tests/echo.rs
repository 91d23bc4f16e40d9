//! The game of these tests.

use std::time::Duration;

use grandstand_common::data::Data;
use grandstand_common::id::{Lane, PlayerId};
use grandstand_game::{Effects, LiveEffects};
use grandstand_game::{Event, EventKind, Game, Reject, Setup};
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// Records its events, and does what its inputs name: `reject`, `reject at length`, `timer`, `finish`, `direct`,
/// `grow`, `panic`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Echo {
    pub(super) log: Vec<String>,
    pub(super) dice: u64,
    padding: String,
}

thread_local! {
    /// The number of `panic` inputs that still panic.
    pub(super) static PANICS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    /// Whether ticks panic.
    pub(super) static TICKS_PANIC: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl Game for Echo {
    const NAME: &'static str = "echo";
    const TICK: Option<Duration> = Some(Duration::from_secs(5));
    type Volatile = u32;

    fn create(setup: &mut Setup<'_>) -> Result<Self, Reject> {
        if setup.params.get("bad").is_some() {
            return Err(Reject::new("bad_params", "no"));
        }
        Ok(Self {
            log: Vec::new(),
            dice: setup.rng.random(),
            padding: String::new(),
        })
    }

    fn apply(&mut self, event: &Event<'_>, effects: &mut Effects) {
        let at = event.now_ms;
        let note = match event.kind {
            EventKind::Joined { player, .. } => {
                if player.as_str() == "mallory" {
                    effects.reject("room_full", "no");
                    return;
                }
                format!("joined {player}")
            }
            EventKind::Left { player } => format!("left {player}"),
            EventKind::Lost { player } => format!("lost {player}"),
            EventKind::Returned { player } => format!("returned {player}"),
            EventKind::Timer { name } => format!("timer {name} {at}"),
            EventKind::Input { player, data } => {
                let text = String::from_utf8_lossy(data.bytes()).into_owned();
                match text.as_str() {
                    "reject" => return effects.reject("no", "because"),
                    "reject at length" => return effects.reject("no", "because\n".repeat(1_000)),
                    "timer" => effects.set_timer("t", 100),
                    "finish" => effects.finish(),
                    "direct" => effects.direct(player, Data::Json("1".into())),
                    "grow" => self.padding = "x".repeat(100_000),
                    "panic" if PANICS.get() > 0 => {
                        PANICS.set(PANICS.get() - 1);
                        self.log.push("half".into());
                        panic!("as ordered");
                    }
                    _ => {}
                }
                self.dice = effects.rng().random();
                format!("{player} {text}")
            }
        };
        effects.update(&note);
        self.log.push(note);
    }

    fn view(&self, _lane: Lane) -> Data {
        Data::json(&self.log.len()).unwrap()
    }

    fn private(&self, player: &PlayerId) -> Option<Data> {
        Some(Data::json(&format!("secret of {player}")).unwrap())
    }

    fn tick(&self, volatile: &mut u32, effects: &mut LiveEffects) {
        assert!(!TICKS_PANIC.get(), "as ordered");
        *volatile += 1;
        effects.all(Data::json(volatile).unwrap());
    }
}
