//! A program with one game, `ledger`, whose state has changed: `LEDGER_VERSION` says whether it is the build before the
//! change (1) or the one after it (2).

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

fn main() -> ExitCode {
    grandstand::main(|games| match std::env::var("LEDGER_VERSION").as_deref() {
        Ok("2") => games.add::<Second>(),
        _ => games.add::<First>(),
    })
}
