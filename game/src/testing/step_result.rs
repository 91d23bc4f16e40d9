//! The results of one event in the replicas of a room, and their comparison.

use serde_json::Value;

use super::checks::{Check, Failure, shown};
use super::describe::comparable;
use crate::host::output::Output;
use crate::reject::Reject;

/// The names of the replicas.
pub(super) const NAMES: [&str; 3] = [
    "the first replica",
    "the second replica",
    "the stored and loaded replica",
];

/// The result of an event in one replica.
#[derive(Debug)]
pub(super) struct StepResult {
    pub(super) reject: Option<Reject>,
    pub(super) outputs: Vec<Output>,
}

impl StepResult {
    /// The outputs as JSON, in which the order of an object's members does not matter.
    fn compared(&self) -> Vec<Value> {
        self.outputs.iter().map(comparable).collect()
    }

    fn shown(&self) -> String {
        match &self.reject {
            Some(reject) => format!("with the reject {}", reject.code),
            None => shown(&Value::Array(self.compared())),
        }
    }
}

/// Returns the result of all replicas, or says which one has another.
pub(super) fn agreed(mut results: Vec<StepResult>, step: &str) -> Result<StepResult, Failure> {
    let first = &results[0];
    let expected = first.compared();
    for (result, name) in results.iter().zip(NAMES).skip(1) {
        if result.reject != first.reject || result.compared() != expected {
            let (other, first) = (result.shown(), first.shown());
            let message = format!("{name} answers {other}, the first replica {first}");
            return Err(Check::Replicas.fails(step, message));
        }
    }
    Ok(results.swap_remove(0))
}
