//! A game whose inputs make it behave well or break a rule.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use grandstand_common::id::Lane;
use grandstand_game::{Effects, Game, PlayerId, Reject, Setup, Verdict, View, ensure};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

thread_local! {
    /// State that is neither in the log nor in the seed.
    static OUTSIDE: Cell<u64> = const { Cell::new(0) };
    /// The number of further panics of `once`.
    pub(super) static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// A game with some fields that break the rules of stored state.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Odd {
    count: u64,
    dice: u64,
    map: HashMap<String, u64>,
    set: HashSet<u64>,
    #[serde(skip)]
    forgotten: u64,
    padding: String,
    /// Becomes a number that JSON cannot represent.
    number: f64,
    /// Keys that JSON cannot represent.
    keys: BTreeMap<Option<u8>, Vec<u8>>,
}

impl Game for Odd {
    const NAME: &'static str = "odd";
    type Params = Value;
    type Input = Value;
    type Update = Value;

    fn create(params: Value, setup: &mut Setup<'_>) -> Result<Self, Reject> {
        assert!(params.get("panic").is_none(), "as told");
        ensure!(params.get("bad").is_none(), "bad_params", "no");
        Ok(Self {
            dice: setup.rng.random(),
            ..Self::default()
        })
    }

    fn input(&mut self, player: &PlayerId, input: Value, fx: &mut Effects<Value>) -> Verdict {
        let text = input.as_str().unwrap_or_default();
        match text {
            "roll" => self.dice = fx.rng().random(),
            "clock" => self.dice = OUTSIDE.replace(OUTSIDE.get() + 1),
            "map" => self.map.extend((0..8).map(|i| (format!("k{i}"), i))),
            "set" => self.set.extend(0..8),
            "show" => {
                fx.update(json!(self.map));
                return Ok(());
            }
            "list" => {
                fx.update(json!(self.map.keys().collect::<Vec<_>>()));
                return Ok(());
            }
            "forget" => self.forgotten += 1,
            "remember" => self.count = self.forgotten,
            "nan" => self.number = f64::NAN,
            "keys" => drop(self.keys.insert(None, Vec::new())),
            "grow" => self.padding = "x".repeat(40_000),
            "shrink" => self.padding.clear(),
            "panic" => panic!("as told"),
            "once" if PANICS.get() > 0 => {
                PANICS.set(PANICS.get() - 1);
                self.count = 99;
                panic!("as told, once");
            }
            "reject" => return Err(Reject::new("no", "because")),
            "timer" => fx.set_timer("t", Duration::from_secs(1)),
            "clear" => fx.clear_timer("t"),
            "direct" => fx.direct(player, View::of("psst")),
            "finish" => fx.finish(),
            _ => {}
        }
        self.count += 1;
        fx.update(json!(text));
        Ok(())
    }

    fn view(&self, _: Lane) -> View {
        View::of(&self.count)
    }
}
