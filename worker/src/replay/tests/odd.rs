//! A game whose inputs make it behave well or break a rule.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};

use grandstand_common::data::Data;
use grandstand_common::id::Lane;
use grandstand_game::Effects;
use grandstand_game::{Event, EventKind, Game, Reject, Setup};
use rand::RngExt;
use serde::{Deserialize, Serialize};

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
    type Volatile = ();

    fn create(setup: &mut Setup<'_>) -> Result<Self, Reject> {
        assert!(setup.params.get("panic").is_none(), "as told");
        match setup.params.get("bad") {
            Some(_) => Err(Reject::new("bad_params", "no")),
            None => Ok(Self {
                dice: setup.rng.random(),
                ..Self::default()
            }),
        }
    }

    fn apply(&mut self, event: &Event<'_>, effects: &mut Effects) {
        let EventKind::Input { player, data } = &event.kind else {
            return;
        };
        let text: String = serde_json::from_slice(data.bytes()).unwrap_or_default();
        match text.as_str() {
            "roll" => self.dice = effects.rng().random(),
            "clock" => self.dice = OUTSIDE.replace(OUTSIDE.get() + 1),
            "map" => self.map.extend((0..8).map(|i| (format!("k{i}"), i))),
            "set" => self.set.extend(0..8),
            "show" => return effects.update(&self.map),
            "list" => return effects.update(&self.map.keys().collect::<Vec<_>>()),
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
            "reject" => return effects.reject("no", "because"),
            "timer" => effects.set_timer("t", 1_000),
            "clear" => effects.clear_timer("t"),
            "direct" => effects.direct(player, Data::Json("\"psst\"".into())),
            "finish" => effects.finish(),
            _ => {}
        }
        self.count += 1;
        effects.update(&text);
    }

    fn view(&self, _: Lane) -> Data {
        Data::json(&self.count).unwrap()
    }
}
