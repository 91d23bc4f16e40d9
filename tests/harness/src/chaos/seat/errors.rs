//! Errors and losses that a client is told of.

use std::time::Duration;

use serde_json::Value;

use super::protocol::{Seat, Unusable};
use crate::chaos::field::Field;
use crate::chaos::violation::Rule;
use crate::error::RigError;

/// Delay before a join is retried.
const RETRY_DELAY: Duration = Duration::from_millis(500);

impl Seat {
    pub(super) fn on_left(&mut self, message: &Value, field: &mut Field, now: Duration) {
        if self.over {
            return;
        }
        if message["code"] == "finished" && field.ledger.is_over(&self.name) {
            return self.end(field);
        }
        // A room that the store has lost is created again by the next join.
        if field.ledger.rollbacks() == 0 {
            let ledger = &mut field.ledger;
            ledger.blame(
                Rule::Protocol,
                &self.name,
                &self.client,
                "to stay in the room",
                &message.to_string(),
            );
        }
        self.retry_at = Some(now + RETRY_DELAY);
    }

    pub(super) fn on_error(
        &mut self,
        message: &Value,
        field: &mut Field,
    ) -> Result<Vec<Value>, Unusable> {
        let now = field.now();
        let over = self.over || field.ledger.is_over(&self.name);
        match message["code"].as_str() {
            Some("room_unavailable") => {
                field.counts.unavailable += 1;
                self.retry_at = Some(now + RETRY_DELAY);
            }
            Some("finished" | "not_joined") if over => self.end(field),
            _ if self.on_fault(message, field) => {}
            Some(code) if self.game.is_own() && !self.room.is_shown() => {
                self.on_refused(code, message, field);
                return Err(Unusable);
            }
            _ => {
                let ledger = &mut field.ledger;
                ledger.blame(
                    Rule::Protocol,
                    &self.name,
                    &self.client,
                    "no error",
                    &message.to_string(),
                );
                return Err(Unusable);
            }
        }
        Ok(Vec::new())
    }

    /// Handles the report that the store has lost the inputs after `seq`.
    pub(super) fn on_rolled_back(&mut self, seq: u64, field: &mut Field) {
        self.rollbacks = field.ledger.rollbacks();
        field.counts.inputs_lost += self.room.acked.saturating_sub(seq);
        field.ledger.reported_lost(&self.name, &self.client, seq);
        self.waiting.clear();
        field.waits.cleared(self.numbers.1);
        self.resend_at = None;
    }

    /// Handles an error that only a run with rollbacks or full logs may see. Returns whether it is one.
    fn on_fault(&mut self, message: &Value, field: &mut Field) -> bool {
        let now = field.now();
        let rolled_back = field.ledger.rollbacks() > 0;
        match message["code"].as_str() {
            Some("room_rolled_back") if field.ledger.rollbacks() > self.rollbacks => {
                let Some(seq) = message["seq"].as_u64() else {
                    return false;
                };
                self.on_rolled_back(seq, field);
                self.hidden_since.get_or_insert(now);
                self.retry_at = Some(now + RETRY_DELAY);
                self.room.take(message).is_ok()
            }
            Some("busy") => {
                let wait = message["retry_after_ms"].as_u64();
                self.resend_at = wait.map(|ms| now + Duration::from_millis(ms));
                field.counts.busy += 1;
                self.room.take(message).is_ok()
            }
            // Later inputs than a refused one, on their way before the client knew.
            Some("bad_seq") => rolled_back || self.resend_at.is_some(),
            Some("not_joined") => rolled_back,
            _ => false,
        }
    }

    /// Handles the refusal of the player by a game of the program.
    fn on_refused(&mut self, code: &str, message: &Value, field: &mut Field) {
        let refusal = RigError::Refused {
            game: self.game.name().to_owned(),
            player: self.client.clone(),
            room: self.name.clone(),
            code: code.to_owned(),
            message: message["message"].as_str().unwrap_or_default().to_owned(),
        };
        field.ledger.blame(
            Rule::Protocol,
            &self.name,
            &self.client,
            "to be in the room",
            &refusal.to_string(),
        );
        field.refused.get_or_insert(refusal);
    }
}
