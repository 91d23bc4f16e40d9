//! The test kit refuses results that the archive refuses.

#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use grandstand_game::testing::TestRoom;
use grandstand_game::{Effects, Game, Lane, NoParams, PlayerId, Reject, Setup, Verdict, View};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn message(play: impl FnOnce()) -> String {
    let played = catch_unwind(AssertUnwindSafe(play));
    *played.unwrap_err().downcast::<String>().unwrap()
}

/// Emits each input as a result.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Scorer {}

impl Game for Scorer {
    const NAME: &'static str = "scorer";
    type Params = NoParams;
    type Input = Value;
    type Update = grandstand_game::Auto;

    fn create(_: NoParams, _: &mut Setup<'_>) -> Result<Self, Reject> {
        Ok(Self::default())
    }

    fn view(&self, _: Lane) -> View {
        View::of(self)
    }

    fn input(
        &mut self,
        _: &PlayerId,
        result: Value,
        fx: &mut Effects<grandstand_game::Auto>,
    ) -> Verdict {
        fx.emit("results", &result)?;
        Ok(())
    }
}

#[test]
fn results_that_the_archive_refuses_fail() {
    let emit = |result: Value| {
        let mut room = TestRoom::<Scorer>::new(json!({}));
        room.join("alice");
        room.input("alice", result);
    };
    emit(json!({"players": [{"player": "alice", "score": 3}], "more": 1}));
    for (result, words) in [
        (json!({"winner": "alice"}), "missing field `players`"),
        (json!({"players": []}), "0 players are not 1 to 1000"),
        (
            json!({"players": [{"player": "alice", "score": 1_u64 << 60}]}),
            "beyond",
        ),
    ] {
        let said = message(|| emit(result));
        assert!(
            said.contains("Effects fails at") && said.contains(words),
            "{said}"
        );
    }
}
