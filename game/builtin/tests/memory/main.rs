//! Tests of `memory` through its public API, without a bus.

#![allow(clippy::unwrap_used)]

mod rules;

mod views;

use grandstand_game::Lane;
use grandstand_game::testing::{Step, TestRoom};
use grandstand_games::memory::Memory;
use serde_json::Value;

type Room = TestRoom<Memory>;

/// Both lanes are sent the same updates.
trait StepExt {
    /// The updates.
    fn all(&self) -> &[Value];
    /// The updates' kinds.
    fn kinds(&self) -> Vec<&str>;
    /// The reject's code.
    fn code(&self) -> Option<&str>;
}

impl StepExt for Step {
    fn all(&self) -> &[Value] {
        assert_eq!(self.lane(Lane::Players), self.lane(Lane::Spectators));
        self.lane(Lane::Players)
    }

    fn kinds(&self) -> Vec<&str> {
        let kinds = self.all().iter().map(|update| update["kind"].as_str());
        kinds.map(Option::unwrap_or_default).collect()
    }

    fn code(&self) -> Option<&str> {
        self.reject().map(|reject| &*reject.code)
    }
}
