//! A program with games for tests. The state of `ledger` has changed: `LEDGER_VERSION` says whether it is the build before the
//! change (1) or the one after it (2). `caller` calls endpoints. `steady` and `leaky` have scripted players, and `leaky` has
//! state that is not stored.

use std::collections::BTreeMap;

use grandstand::prelude::*;

/// Version 1: the number of inputs. Each input is the number that follows.
#[derive(Default, Serialize, Deserialize)]
struct First {
    count: u64,
}

/// Version 2: also who sent them. `before` counts those of version 1.
#[derive(Default, Serialize, Deserialize)]
struct Second {
    before: u64,
    counts: BTreeMap<PlayerId, u64>,
}

impl Second {
    fn count(&self) -> u64 {
        self.before + self.counts.values().sum::<u64>()
    }
}

fn check(count: u64, number: u64) -> Verdict {
    ensure!(
        number == count + 1,
        "out_of_order",
        "{number} after {count}"
    );
    Ok(())
}

impl Game for First {
    const NAME: &'static str = "ledger";
    type Params = NoParams;
    type Input = u64;
    type Update = u64;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self::default())
    }

    fn input(&mut self, _: &PlayerId, number: u64, fx: &mut Effects<u64>) -> Verdict {
        check(self.count, number)?;
        self.count = number;
        fx.update(number);
        Ok(())
    }

    fn view(&self, _: Lane) -> View {
        View::of(&json!({"count": self.count, "version": 1}))
    }
}

impl Game for Second {
    const NAME: &'static str = "ledger";
    const VERSION: u32 = 2;
    type Params = NoParams;
    type Input = u64;
    type Update = u64;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self::default())
    }

    fn input(&mut self, player: &PlayerId, number: u64, fx: &mut Effects<u64>) -> Verdict {
        check(self.count(), number)?;
        *self.counts.entry(player.clone()).or_default() += 1;
        fx.update(number);
        Ok(())
    }

    fn view(&self, _: Lane) -> View {
        View::of(&json!({"count": self.count(), "version": 2}))
    }

    fn migrate(_: u32, state: Value) -> Result<Self, Outdated> {
        let First { count } = serde_json::from_value(state)?;
        Ok(Self {
            before: count,
            counts: BTreeMap::new(),
        })
    }
}

/// Calls the endpoints that its players name, and shows the answers.
#[derive(Default, Serialize, Deserialize)]
struct Caller {
    called: u64,
    /// The endpoint, and its answer or the error.
    answers: Vec<Value>,
}

#[derive(Deserialize)]
struct Call {
    endpoint: String,
    timeout_ms: u64,
}

impl Game for Caller {
    const NAME: &'static str = "caller";
    type Params = NoParams;
    type Input = Call;
    type Update = Auto;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self::default())
    }

    fn input(&mut self, player: &PlayerId, call: Call, fx: &mut Effects<Auto>) -> Verdict {
        let timeout = Duration::from_millis(call.timeout_ms);
        fx.call(&call.endpoint, &json!({"by": player}), timeout)?;
        self.called += 1;
        Ok(())
    }

    fn answer(&mut self, answer: Answer<'_>, _: &mut Effects<Auto>) {
        let result = match answer.result {
            Ok(data) => serde_json::from_slice(data.bytes()).unwrap_or_default(),
            Err(error) => json!(format!("{error:?}")),
        };
        self.answers.push(json!([answer.call, result]));
    }

    fn view(&self, _: Lane) -> View {
        View::of(self)
    }
}

/// Two players add steps, up to `END`.
#[derive(Default, Serialize, Deserialize)]
struct Steady {
    steps: BTreeMap<PlayerId, Vec<u8>>,
    total: u64,
}

/// The total at which a room of `steady` ends.
const END: u64 = 60;

impl Game for Steady {
    const NAME: &'static str = "steady";
    const PRIVATE: bool = true;
    type Params = NoParams;
    type Input = u8;
    type Update = Auto;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self::default())
    }

    fn joined(&mut self, player: &PlayerId, _: &Value, _: &mut Effects<Auto>) -> Verdict {
        let is_known = self.steps.contains_key(player);
        ensure!(
            is_known || self.steps.len() < 2,
            "room_full",
            "two can play"
        );
        self.steps.entry(player.clone()).or_default();
        Ok(())
    }

    fn input(&mut self, player: &PlayerId, step: u8, fx: &mut Effects<Auto>) -> Verdict {
        ensure!(
            (1..=3).contains(&step),
            "bad_step",
            "{step} is not 1, 2 or 3"
        );
        self.steps.entry(player.clone()).or_default().push(step);
        self.total += u64::from(step);
        if self.total >= END {
            fx.finish();
        }
        Ok(())
    }

    fn view(&self, _: Lane) -> View {
        View::of(&json!({"total": self.total, "players": self.steps.len()}))
    }

    fn private(&self, player: &PlayerId) -> Option<View> {
        Some(View::of(&self.steps.get(player)))
    }

    fn listing(&self) -> Option<Listing> {
        Some(Listing::of_seats(self.steps.len(), 2).with("end", END.to_string()))
    }
}

/// Counts what it does not store.
#[derive(Default, Serialize, Deserialize)]
struct Leaky {
    total: u64,
    #[serde(skip)]
    inputs: u64,
}

impl Game for Leaky {
    const NAME: &'static str = "leaky";
    type Params = NoParams;
    type Input = u8;
    type Update = Auto;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self::default())
    }

    fn input(&mut self, _: &PlayerId, step: u8, _: &mut Effects<Auto>) -> Verdict {
        self.total += u64::from(step);
        self.inputs += 1;
        Ok(())
    }

    fn view(&self, _: Lane) -> View {
        View::of(&json!({"total": self.total, "inputs": self.inputs}))
    }
}

/// A player of `steady` and `leaky`, who takes a break after steps of 3.
fn step(view: &Value, _: &PlayerId, rng: &mut Rng) -> Value {
    let own = view["private"].as_array();
    let last = own.and_then(|steps| steps.last());
    if last.is_some_and(|step| step == 3) && rng.random_bool(0.5) {
        return Value::Null;
    }
    json!(rng.random_range(0..=3))
}

fn main() -> ExitCode {
    grandstand::main(|games| {
        games.add::<Caller>();
        games.add::<Steady>().played_by(step);
        games.add::<Leaky>().played_by(step);
        match std::env::var("LEDGER_VERSION").as_deref() {
            Ok("2") => games.add::<Second>(),
            _ => games.add::<First>(),
        }
    })
}
