//! Calls of programs outside, which a test answers.

use grandstand_types::data::Data;
use serde::Serialize;

use super::checks::Failure;
use super::room::{TestRoom, done};
use super::step::{Step, TestCall};
use crate::call::{Answer, CallError, CallId};
use crate::event::Event;
use crate::game::Game;

impl<G: Game> TestRoom<G> {
    /// The calls that have no answer yet, oldest first.
    pub fn calls(&self) -> Vec<TestCall> {
        self.replicas.open_calls().cloned().collect()
    }

    /// An endpoint answers a call, with JSON. As on a server nothing happens if the call has an answer, or its time is
    /// over.
    ///
    /// # Panics
    /// If the answer cannot be serialized, or a check fails.
    #[track_caller]
    pub fn answer(&mut self, call: CallId, answer: impl Serialize) -> Step {
        match Data::json(&answer) {
            Ok(data) => done(self.try_answer(call, Ok(&data))),
            Err(error) => panic!("the answer cannot be serialized: {error}"),
        }
    }

    /// A call fails. As on a server nothing happens if the call has an answer, or its time is over. A timeout also comes by
    /// [`pass`](Self::pass).
    ///
    /// # Panics
    /// If a check fails.
    #[track_caller]
    pub fn fail_call(&mut self, call: CallId, error: CallError) -> Step {
        done(self.try_answer(call, Err(error)))
    }

    pub(super) fn try_answer(
        &mut self,
        call: CallId,
        result: Result<&Data, CallError>,
    ) -> Result<Step, Failure> {
        if !self.replicas.take_call(call) {
            return Ok(Step::default());
        }
        self.apply(Event::Answer(Answer { call, result }))
    }
}
