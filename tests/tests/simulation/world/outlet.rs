//! The stream of what games emit, and an outlet that answers their calls late, again, or never.

use grandstand_common::data::Data;
use grandstand_common::id::RoomId;
use grandstand_common::wire::{self, Body, Called, Entry};

use super::*;

/// The times between the request of a call and its answer. Some answers come after the timeout.
const ANSWERED_MS: std::ops::Range<u64> = 1..CALL_TIMEOUT_MS + 2_000;

impl World {
    /// Stores an item that a game emits, unless it or its ack is lost. A repeat has the same content.
    pub(super) fn emit(&mut self, id: String, body: Bytes, token: Token) {
        if self.chance(self.plan.lost) {
            return self.outcome(token, Outcome::Failed);
        }
        let first = self.emitted.entry(id).or_insert_with(|| body.clone());
        assert_eq!(*first, body, "an item was emitted again as another one");
        let stored = Outcome::Appended(self.emitted.len() as u64);
        if let Ok(called) = serde_json::from_slice(&body) {
            self.request(&called);
        }
        let heard = !self.chance(self.plan.lost);
        self.outcome(token, if heard { stored } else { Outcome::Failed });
    }

    /// Makes a call, also one that has come again. The answer may be lost, or be appended more than once.
    fn request(&mut self, called: &Called) {
        self.requests += 1;
        let copies = if self.chance(self.plan.lost) {
            0
        } else {
            1 + usize::from(self.chance(self.plan.repeated))
        };
        for copy in 0..copies {
            // Each answer is another one, so that a second one that counts is noticed.
            let said =
                serde_json::json!({"to": called.data, "request": self.requests, "copy": copy});
            let answer = wire::Answer {
                call: called.id.clone(),
                data: Data::json(&said).ok(),
                ..wire::Answer::default()
            };
            let room: RoomId = called.room.clone();
            let subject = subject::log(room.partition(PARTITIONS), &room);
            let payload = Bytes::from(Entry::from(Body::Answer(answer)).encode_to_vec());
            let store = move |world: &mut World| {
                world.store.append(subject, payload, 1_000_000 + world.ms);
            };
            self.after(ANSWERED_MS, SimEvent::Store(Box::new(store)));
        }
    }
}
