//! Values for the tests of single machines.

use std::time::{Duration, Instant};

use grandstand_common::id::{EdgeId, Epoch, Partition, RoomId};
use grandstand_game::Games;

use super::tenure::Tenure;
use crate::command::{Command, EngineConfig, Now};
use crate::context::Context;

pub(super) const TENURE: Tenure = Tenure {
    id: Partition(3),
    epoch: Epoch(7),
};

/// Returns a context without games.
pub(super) fn context() -> Context {
    let now = Now {
        at: start(),
        log_ms: 1_000_000,
    };
    let config = EngineConfig::new("w-1".parse().unwrap());
    Context::new(now, config, Games::new())
}

/// Advances the time of a context.
pub(super) fn pass(cx: &mut Context, by: Duration) {
    cx.now.at += by;
    cx.now.log_ms += by.as_millis() as u64;
}

/// Returns the only command since the last call.
pub(super) fn only_command(cx: &mut Context) -> Command {
    let command = cx.commands.pop_front().unwrap();
    assert_eq!(cx.commands, [], "more than one command");
    command
}

#[allow(clippy::disallowed_methods)]
pub(super) fn start() -> Instant {
    Instant::now()
}

pub(super) fn room(name: &str) -> RoomId {
    name.parse().unwrap()
}

pub(super) fn edge(name: &str) -> EdgeId {
    name.parse().unwrap()
}
